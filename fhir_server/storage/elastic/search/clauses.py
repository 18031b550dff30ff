"""Clauses about the resource itself as filters.

Each is a function of the clause and a Place: the resource, whose terms begin with the field, or one part of a nested
value, whose terms have none. Clauses about other resources are no longer there: links.py has resolved them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any as Anything
from typing import NamedTuple

from fhir_server.core.query import (
    All,
    Any,
    Clause,
    CompositeIs,
    DateIs,
    IdIn,
    Missing,
    NarrativeHas,
    Near,
    Not,
    NumberIs,
    QuantityIs,
    RefersTo,
    StringIs,
    TextIs,
    TokenIn,
    TokenIs,
    TypeIn,
    UpdatedIs,
    UriIs,
)
from fhir_server.storage.elastic import terms
from fhir_server.storage.elastic.encode import COMPOSITE_FIELD, QUANTITY_FIELD, point, value_field
from fhir_server.storage.elastic.mapping import PARTS
from fhir_server.storage.elastic.search import ranges
from fhir_server.storage.elastic.search.links import Terms
from fhir_server.storage.elastic.search.units import Units
from fhir_server.storage.words import words_of

Filter = dict[str, Anything]

EVERYTHING: Filter = {"match_all": {}}
NOTHING: Filter = {"match_none": {}}
MOST_TERMS = 60_000  # in one filter; Elasticsearch allows 65,536
MARGIN = 0.02  # metres by which Elasticsearch's points may be off


class Place(NamedTuple):
    """Where values are: path "" for the resource, "v.a." and so on for a part of a nested value; and the units."""

    path: str
    units: Units


def compile(clause: Clause | Terms, place: Place) -> Filter:
    """The filter of a clause."""
    return FILTERS[type(clause)](clause, place)


# ---------------------------------------------------------------------- logic
def all_of(filters: Iterable[Filter]) -> Filter:
    """All of them hold."""
    needed: list[Filter] = []
    for each in filters:
        if each == EVERYTHING:
            continue
        inner = each.get("bool", {})
        needed += inner["filter"] if inner.keys() == {"filter"} else [each]
    if NOTHING in needed:
        return NOTHING
    if len(needed) < 2:
        return needed[0] if needed else EVERYTHING
    return {"bool": {"filter": needed}}


def any_of(filters: Iterable[Filter]) -> Filter:
    """One of them holds."""
    enough: list[Filter] = []
    for each in filters:
        if each == NOTHING:
            continue
        inner = each.get("bool", {})
        enough += inner["should"] if inner.keys() == {"should"} else [each]
    if EVERYTHING in enough:
        return EVERYTHING
    if len(enough) < 2:
        return enough[0] if enough else NOTHING
    return {"bool": {"should": enough}}


def negation(filter: Filter) -> Filter:
    """It does not hold."""
    if filter == NOTHING:
        return EVERYTHING
    return NOTHING if filter == EVERYTHING else {"bool": {"must_not": [filter]}}


def one_of(property: str, values: Iterable[str]) -> Filter:
    """The property has one of these terms, be they hundreds of thousands."""
    listed = list(values)
    if not listed:
        return NOTHING
    if len(listed) == 1:
        return {"term": {property: listed[0]}}
    parts = [listed[at : at + MOST_TERMS] for at in range(0, len(listed), MOST_TERMS)]
    return any_of({"terms": {property: part}} for part in parts)


def beginning(property: str, start: str) -> Filter:
    """The property has a term that begins so."""
    return {"prefix": {property: start}}


# ---------------------------------------------------------------------- the resource
def _id_in(clause: IdIn, place: Place) -> Filter:
    return one_of("id", clause.ids)


def _type_in(clause: TypeIn, place: Place) -> Filter:
    return one_of("type", clause.types)


def _missing(clause: Missing, place: Place) -> Filter:
    if clause.target_types:
        found = any_of(
            beginning("reference", terms.reference_to_type(field, type))
            for field in clause.fields
            for type in clause.target_types
        )
    else:
        found = one_of("has", clause.fields)
    return negation(found) if clause.missing else found


def _narrative_has(clause: NarrativeHas, place: Place) -> Filter:
    phrases = [phrase for word in clause.words if (phrase := " ".join(words_of(word)))]
    if not phrases:
        return NOTHING
    property = "narrative" if clause.scope == "text" else "content"
    return all_of({"match_phrase": {property: phrase}} for phrase in phrases)


def _near(clause: Near, place: Place) -> Filter:
    asked = point(clause.latitude, clause.longitude)
    distance = f"{clause.distance + MARGIN:.6f}m"
    return any_of(
        {
            "geo_distance": {
                f"place.{terms.property_name(field)}": asked, "distance": distance, "ignore_unmapped": True,
            }
        }
        for field in clause.fields
    )  # fmt: skip


# ---------------------------------------------------------------------- values found by terms
def _token_is(clause: TokenIs, place: Place) -> Filter:
    property, system, code = f"{place.path}token", clause.system, clause.code
    if code is None:
        start = terms.with_field if system is None else lambda field: terms.token_of_system(field, system)
        return any_of(beginning(property, start(field)) for field in clause.fields)
    if system is None:
        return one_of(property, [terms.token_code(field, code) for field in clause.fields])
    return one_of(property, [terms.token(field, system, code) for field in clause.fields])


def _token_in(clause: TokenIn, place: Place) -> Filter:
    found = {
        terms.token_code(field, code) if system is None else terms.token(field, system, code)
        for field in clause.fields
        for system, code in clause.codings
    }
    return one_of(f"{place.path}token", sorted(found))


def _refers_to(clause: RefersTo, place: Place) -> Filter:
    allowed, version = clause.target_types, clause.version
    targets = [target for target in clause.targets if not target[0] or not allowed or target[0] in allowed]
    if allowed:
        targets = [(type, id) for given, id in targets for type in ((given,) if given else allowed)]
    if version:
        found = {terms.reference_version(field, *target, version) for field in clause.fields for target in targets}
    else:
        found = {
            terms.reference(field, type, id) if type else terms.reference_id(field, id)
            for field in clause.fields
            for type, id in targets
        }
    return one_of(f"{place.path}reference", sorted(found))


def _uri_is(clause: UriIs, place: Place) -> Filter:
    property, version = f"{place.path}uri", clause.version
    if clause.mode != "below":
        urls = [clause.uri] if clause.mode == "exact" else terms.above(clause.uri)
        return one_of(property, [_address(field, url, version) for field in clause.fields for url in urls])
    stem = clause.uri if clause.uri.endswith("/") else f"{clause.uri}/"
    exact = one_of(property, [_address(field, clause.uri, version) for field in clause.fields])
    if version:
        below = [
            {"wildcard": {property: f"{escaped(terms.compose(field, f'v{stem}'))}*{escaped(terms.END + version)}"}}
            for field in clause.fields
        ]
    else:
        below = [beginning(property, terms.uri(field, stem)) for field in clause.fields]
    return any_of([exact, *below])


def _address(field: str, url: str, version: str) -> str:
    return terms.uri_version(field, url, version) if version else terms.uri(field, url)


def _string_is(clause: StringIs, place: Place) -> Filter:
    property, asked = f"{place.path}string", clause.text[: terms.STRING_KEY_LIMIT]
    if clause.mode == "exact":
        return one_of(f"{place.path}exact", [terms.exact(field, clause.text) for field in clause.fields])
    if clause.mode == "equals":
        return one_of(property, [terms.string(field, asked) for field in clause.fields])
    return any_of(STRINGS[clause.mode](property, terms.with_field(field), asked) for field in clause.fields)


STRINGS: dict[str, Callable[[str, str, str], Filter]] = {
    "starts": lambda property, field, asked: beginning(property, field + asked),
    "contains": lambda property, field, asked: {"wildcard": {property: f"{escaped(field)}*{escaped(asked)}*"}},
    "ends": lambda property, field, asked: {"wildcard": {property: f"{escaped(field)}*{escaped(asked)}"}},
    "gt": lambda property, field, asked: _between(property, {"gt": field + asked, "lt": _after(field)}),
    "ge": lambda property, field, asked: _between(property, {"gte": field + asked, "lt": _after(field)}),
    "lt": lambda property, field, asked: _between(property, {"gte": field, "lt": field + asked}),
    "le": lambda property, field, asked: _between(property, {"gte": field, "lte": field + asked}),
}


def _between(property: str, bounds: dict[str, str]) -> Filter:
    return {"range": {property: bounds}}


def _after(field: str) -> str:
    return field[: -len(terms.END)] + terms.AFTER_END


def _text_is(clause: TextIs, place: Place) -> Filter:
    asked = escaped(terms.marked(clause.text[: terms.STRING_KEY_LIMIT]))
    return any_of({"wildcard": {"text": f"{escaped(terms.with_field(field))}*{asked}*"}} for field in clause.fields)


def escaped(text: str) -> str:
    """A text as it stands in a wildcard pattern."""
    return text.replace("\\", "\\\\").replace("*", "\\*").replace("?", "\\?")


# ---------------------------------------------------------------------- values found by ranges
def _properties(place: Place, kind: str, fields: Iterable[str]) -> list[str]:
    return [f"{place.path}{kind}"] if place.path else [f"{kind}.{terms.property_name(field)}" for field in fields]


def _date_is(clause: DateIs, place: Place) -> Filter:
    return any_of(
        filter
        for property in _properties(place, "date", clause.fields)
        for filter in ranges.dates(property, clause.comparator, clause.low, clause.high)
    )


def _number_is(clause: NumberIs, place: Place) -> Filter:
    return any_of(
        filter
        for property in _properties(place, "number", clause.fields)
        for filter in ranges.numbers(property, clause.comparator, clause.value, clause.low, clause.high)
    )


def _quantity_is(clause: QuantityIs, place: Place) -> Filter:
    if not place.path:
        return _nested(place, [value_field(QUANTITY_FIELD, field) for field in clause.fields], (clause,))
    number, unit = f"{place.path}number", f"{place.path}unit"
    quantities: list[Filter] = []
    for units, asked in place.units.meanings(clause):
        values = any_of(ranges.numbers(number, clause.comparator, *asked))
        quantities.append(all_of([values, {"exists": {"field": unit}} if units is None else one_of(unit, units)]))
    return any_of(quantities)


def _composite_is(clause: CompositeIs, place: Place) -> Filter:
    return _nested(place, [value_field(COMPOSITE_FIELD, field) for field in clause.fields], clause.parts)


def _nested(place: Place, fields: list[str], parts: Iterable[Clause]) -> Filter:
    filters = [one_of("v.field", fields)]
    filters += [compile(part, Place(f"v.{name}.", place.units)) for name, part in zip(PARTS, parts, strict=False)]
    inner = all_of(filters)
    return NOTHING if inner == NOTHING else {"nested": {"path": "v", "query": inner}}


FILTERS: dict[type, Callable[[Anything, Place], Filter]] = {
    All: lambda clause, place: all_of(compile(inner, place) for inner in clause.clauses),
    Any: lambda clause, place: any_of(compile(inner, place) for inner in clause.clauses),
    Not: lambda clause, place: negation(compile(clause.clause, place)),
    Terms: lambda clause, place: one_of(clause.property, clause.terms),
    IdIn: _id_in,
    TypeIn: _type_in,
    UpdatedIs: lambda clause, place: ranges.updated(clause),
    Missing: _missing,
    NarrativeHas: _narrative_has,
    Near: _near,
    TokenIs: _token_is,
    TokenIn: _token_in,
    RefersTo: _refers_to,
    UriIs: _uri_is,
    StringIs: _string_is,
    TextIs: _text_is,
    DateIs: _date_is,
    NumberIs: _number_is,
    QuantityIs: _quantity_is,
    CompositeIs: _composite_is,
}
