"""_list is a reverse chain from List.

InList(42)  ->  Has(List, (item,), IdIn(42))
"""

from __future__ import annotations

from fhir_server.core.query import Clause, Has, IdIn, InList
from fhir_server.search.fields import Fields


def lists(clause: Clause, fields: Fields) -> Clause:
    """See above."""
    if not isinstance(clause, InList):
        return clause
    return Has("List", fields.of("List").parameters["item"].fields, IdIn((clause.id,)))
