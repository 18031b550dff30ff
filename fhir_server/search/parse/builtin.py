"""Parameters that are not index values of the type: _id, _lastUpdated, _type, _text, _content, _list, _query.

Specification: https://hl7.org/fhir/R4/search.html#all
"""

from __future__ import annotations

from collections.abc import Callable

from fhir_server.core.errors import error
from fhir_server.core.keys import ID_PATTERN
from fhir_server.core.query import Clause, IdIn, InList, TypeIn
from fhir_server.search.parse.context import SearchContext
from fhir_server.search.parse.date import updated_is
from fhir_server.search.parse.suggestions import nearest, shorten
from fhir_server.search.parse.words import words_clause


def resource_type(name: str, context: SearchContext) -> str:
    """The name, if it is a concrete resource type."""
    if not context.definitions.is_resource(name):
        raise error("value", f"{shorten(name)} is no resource type.{nearest(name, context.definitions.resource_types)}")
    return name


def _logical_id(text: str, what: str) -> str:
    if not ID_PATTERN.match(text):
        raise error("value", f"{shorten(text)} is no {what}: 1 to 64 letters, digits, '-' and '.'.")
    return text


def id_in(text: str, context: SearchContext) -> Clause:
    """`_id=23`."""
    return IdIn((_logical_id(text, "logical id"),))


def type_in(text: str, context: SearchContext) -> Clause:
    """`_type=Patient`, inside a chain or a filter."""
    return TypeIn((resource_type(text, context),))


def in_list(text: str, context: SearchContext) -> Clause:
    """`_list=42`: what the List with this id names."""
    if text.startswith("$"):
        raise error("value", f"{shorten(text)} is a functional list; there is none here, give the id of a List.")
    return InList(_logical_id(text.removeprefix("List/"), "id of a List"))


def text_has(text: str, context: SearchContext) -> Clause:
    """`_text=(bone OR liver) AND metastases`: the narrative has the words; all where nothing is between them."""
    return words_clause(text, "text")


def content_has(text: str, context: SearchContext) -> Clause:
    """`_content=cancer NOT "in situ"`: the resource has the words; `"` keeps words together."""
    return words_clause(text, "content")


def named_query(text: str, context: SearchContext) -> Clause:
    """`_query=name`: there are no named queries."""
    raise error(
        "unsupported-parameter",
        f"There is no named query {shorten(text)}: this server defines none. Say what to find by search parameters, "
        "_filter, or an operation that /metadata lists.",
    )


BUILT_IN: dict[str, Callable[[str, SearchContext], Clause]] = {
    "_id": id_in,
    "_lastUpdated": updated_is,
    "_type": type_in,
    "_list": in_list,
    "_text": text_has,
    "_content": content_has,
    "_query": named_query,
}
BUILT_IN_MODIFIERS = {"_id": frozenset({"not"}), "_type": frozenset({"not"})}
