"""_sort (https://hl7.org/fhir/R4/search.html#sort)."""

from __future__ import annotations

from typing import Any as Anything

from fhir_server.core.errors import error
from fhir_server.core.query import Near, SortKey
from fhir_server.search.parse.builtin import BUILT_IN
from fhir_server.search.parse.draft import Draft
from fhir_server.search.parse.lookup import search_parameter
from fhir_server.search.parse.suggestions import shorten

BUILT_IN_KINDS: dict[str, Anything] = {"_id": "id", "_lastUpdated": "updated", "_type": "type"}
UNSORTABLE = frozenset({"composite"})


def read_sort(draft: Draft, value: str) -> None:
    """`_sort=-date,_id`."""
    draft.sort = tuple(_key(draft, part.strip()) for part in value.split(","))


def _key(draft: Draft, text: str) -> SortKey:
    descending = text.startswith("-")
    code = text.removeprefix("-")
    if not code:
        raise error("value", "_sort has an empty key; write the parameters like -date,_id.")
    if code in BUILT_IN_KINDS:
        return SortKey((), BUILT_IN_KINDS[code], descending)
    if code in BUILT_IN:
        raise error("value", f"{shorten(code)} has no values; there is no order to sort by.")
    found = {
        (parameter.fields, "canonical" if parameter.addresses else parameter.parameter.type)
        for parameter in (search_parameter(type_name, code, draft.context) for type_name in draft.types)
    }
    if len(found) > 1:
        raise error("value", f"{shorten(code)} is not the same in all the types searched; they can't be sorted by it.")
    fields, kind = found.pop()
    if kind in UNSORTABLE:
        raise error("value", f"{shorten(code)} is a {kind} parameter; there is no order to sort by.")
    if kind == "special":
        point = next((clause for clause in draft.clauses if isinstance(clause, Near)), None)
        if point is None:
            raise error("value", f"To sort by {shorten(code)} the search has to ask for {code}=latitude|longitude too.")
        return SortKey(fields, "near", descending, point.latitude, point.longitude)
    built_kind: Anything = kind
    return SortKey(fields, built_kind, descending)
