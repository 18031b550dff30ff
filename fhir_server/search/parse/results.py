"""Parameters that say how to answer, not what to find (https://hl7.org/fhir/R4/search.html#return)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import cast, get_args

from fhir_server.core.errors import error
from fhir_server.core.query import Total
from fhir_server.search.parse.draft import Draft
from fhir_server.search.parse.include import ITERATE, read_include, read_revinclude
from fhir_server.search.parse.sort import read_sort
from fhir_server.search.parse.suggestions import nearest, one_of, shorten, unknown_modifier

SUMMARIES = ("true", "text", "data", "count", "false")


def read_count(draft: Draft, value: str) -> None:
    """`_count=50`: the page size; 0 asks for the total alone; more than the server's largest is cut to that."""
    if not value.isascii() or not value.isdigit() or len(value) > 18:
        raise error("value", f"{shorten(value)} is no page size; write a whole number, 0 or more.")
    draft.count = min(int(value), draft.context.max_count)


def read_cursor(draft: Draft, value: str) -> None:
    """`_cursor`: where a page begins; only links that the server gave have it."""
    draft.cursor = value


def read_total(draft: Draft, value: str) -> None:
    """`_total=accurate`."""
    if value not in get_args(Total):
        raise one_of("kind of total", value, get_args(Total))
    draft.total = cast(Total, value)


TOTAL_METHODS: dict[str, Total] = {"count": "accurate", "estimate": "estimate", "none": "none"}


def read_total_method(draft: Draft, value: str) -> None:
    """`_totalMethod=count`: what some clients send for `_total=accurate`."""
    if value not in TOTAL_METHODS:
        raise one_of("kind of total", value, tuple(TOTAL_METHODS))
    draft.total = TOTAL_METHODS[value]


def read_summary(draft: Draft, value: str) -> None:
    """`_summary=true`; count asks for the total alone."""
    if value not in SUMMARIES:
        raise one_of("kind of summary", value, SUMMARIES)
    if value == "count":
        draft.only_count = True
    else:
        draft.summary = value


def read_elements(draft: Draft, value: str) -> None:
    """`_elements=identifier,active`: names of elements at the root of the resource."""
    names = [name.strip() for name in value.split(",")]
    definitions = draft.context.definitions
    known = {"resourceType"}  # always there, and asked for by some clients
    for type_name in draft.types:
        properties = definitions.properties(type_name)
        known.update(properties)
        known.update(found.element.name for found in properties.values())
    for name in names:
        if name not in known:
            raise error(
                "value", f"{shorten(name)} is no element at the root of what is searched.{nearest(name, known)}"
            )
    draft.elements = tuple(dict.fromkeys((*draft.elements, *names)))


def read_contained(draft: Draft, value: str) -> None:
    """`_contained=true`: look in contained resources; both: in others too."""
    if value not in ("true", "false", "both"):
        raise one_of("value for _contained", value, ("true", "false", "both"))
    draft.contained = value


def read_contained_type(draft: Draft, value: str) -> None:
    """`_containedType=container`: what to show of those found in contained resources."""
    if value not in ("container", "contained"):
        raise one_of("value for _containedType", value, ("container", "contained"))
    draft.contained_type = value


def passed_over(draft: Draft, value: str) -> None:
    """Parameters of every interaction, which content negotiation has read."""


Read = Callable[[Draft, str], None]

RESULTS: dict[str, Read] = {
    "_sort": read_sort,
    "_count": read_count,
    "_cursor": read_cursor,
    "_total": read_total,
    "_totalMethod": read_total_method,
    "_summary": read_summary,
    "_elements": read_elements,
    "_include": partial(read_include, iterate=False),
    "_revinclude": partial(read_revinclude, iterate=False),
    "_contained": read_contained,
    "_containedType": read_contained_type,
    "_format": passed_over,
    "_pretty": passed_over,
}
ITERATED: dict[str, Read] = {
    "_include": partial(read_include, iterate=True),
    "_revinclude": partial(read_revinclude, iterate=True),
}
REPEATABLE = frozenset({"_include", "_revinclude", "_elements", "_format", "_pretty"})


def read_result(draft: Draft, name: str, value: str) -> None:
    """Takes in one of these parameters, with its modifier."""
    code, colon, modifier = name.partition(":")
    if not value and RESULTS[code] is not passed_over:
        raise error("value", "There is no value; leave the parameter out or give it one.")
    if not colon:
        RESULTS[code](draft, value)
    elif code in ITERATED and modifier in ITERATE:
        ITERATED[code](draft, value)
    else:
        raise unknown_modifier(code, modifier, ITERATE if code in ITERATED else ())
