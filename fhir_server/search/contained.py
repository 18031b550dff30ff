"""How the values of contained resources are named among those of what contains them.

A Medication in a MedicationRequest puts its values on the request, as fields "#Medication.code" and so on, and its id
as a token of the field "#Medication", which says that there is one.
"""

from __future__ import annotations

import functools


def presence_field(type_name: str) -> str:
    """The field that has the ids of contained resources of a type."""
    return f"#{type_name}"


@functools.cache
def contained_field(type_name: str, field: str) -> str:
    """The field of the container for a field of contained resources of a type."""
    return f"#{type_name}.{field}"
