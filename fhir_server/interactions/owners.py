"""Whose a resource is: the one patient's in whose record it stands, who is erased with it."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from fhir_server.core.values import REFERENCE, SearchValue

SHARED = "everybody"  # the owner of what is nobody's, or several patients'


def owner_of(type: str, id: str, values: Iterable[SearchValue], fields: Collection[str]) -> str:
    """Patient/id, or SHARED; a Patient is its own, whoever it is linked to.

    values: of the index; fields: those that make resources of the type members of a Patient's compartment.
    """
    if type == "Patient":
        return f"Patient/{id}"
    found = {v[3] for v in values if v[0] == REFERENCE and v[2] == "Patient" and v[1] in fields}
    return f"Patient/{found.pop()}" if len(found) == 1 else SHARED
