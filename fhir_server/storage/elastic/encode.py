"""Search values as one flat document (mapping.py says which property holds what)."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from fhir_server.core.ports import UnitConverter
from fhir_server.core.values import (
    CANONICAL,
    COMPOSITE,
    DATE,
    NARRATIVE,
    NUMBER,
    POSITION,
    QUANTITY,
    REFERENCE,
    STRING,
    TEXT,
    TOKEN,
    URI,
    SearchValue,
)
from fhir_server.storage.elastic import terms
from fhir_server.storage.elastic.mapping import PARTS, UNIT_TYPE
from fhir_server.storage.words import worded, words_of

Document = dict[str, Any]
Unit = tuple[str, str, str]  # system, code, name

LONGEST_UNIT = 1000  # characters of one that others are converted to; a longer one is found as it is written
GREATEST = 1.7976931348623157e308
QUANTITY_FIELD = "q"  # of a nested value: "q" and the field for a quantity, "c" and the field for a composite
COMPOSITE_FIELD = "c"


class Encoded(NamedTuple):
    """A document and the units of its quantities."""

    document: Document
    units: set[Unit]


def value_field(kind: str, field: str) -> str:
    """What a nested value is found by."""
    return terms.compose(kind, field)


def number_range(low: float, high: float) -> dict[str, float]:
    """Both ends as Elasticsearch has them: what is open is left out, and there is one zero."""
    found: dict[str, float] = {}
    if low != float("-inf"):
        found["gte"] = finite(low)
    if high != float("inf"):
        found["lte"] = finite(high)
    return found if low <= high else {"gte": finite(high), "lte": finite(low)}


def date_range(low: int, high: int) -> dict[str, int]:
    """Both ends; a period that ends before it begins is taken the other way round."""
    return {"gte": low, "lte": high} if low <= high else {"gte": high, "lte": low}


def finite(number: float) -> float:
    """The nearest number that JSON can say."""
    return max(-GREATEST, min(GREATEST, number)) + 0.0


def encode(
    values: Sequence[SearchValue],
    groups: Iterable[tuple[str, ...]],
    body: bytes = b"",
    converter: UnitConverter | None = None,
    references: Collection[str] = (),
) -> Encoded:
    """What finds and sorts a resource; groups: the several fields that one sort key may be over; body: its JSON, b""
    where _content is not searched; converter: to the units that quantities are sorted in; references: see counted.
    """
    building = _Building(converter, references)
    for value in values:
        kind = value[0]
        if kind == NARRATIVE:
            building.document["narrative"] = " ".join(words_of(value[2]))
            continue
        building.has.add(value[1])
        building.add(kind, value[1], value)
    document = building.finish([fields for fields in groups if len(fields) > 1])
    if body:
        document["content"] = worded(body)
    return Encoded(document, building.units)


def counted(value: SearchValue, references: Collection[str]) -> bool:
    """Whether resources are sorted by a value; by fields of references they are by what those name at this server."""
    return value[0] == REFERENCE or value[1] not in references


class _Building:
    """A document under way."""

    def __init__(self, converter: UnitConverter | None, references: Collection[str]) -> None:
        self._converter = converter
        self._references = references
        self.document: Document = {}
        self.has: set[str] = set()
        self.units: set[Unit] = set()
        self._lists: dict[str, list[Any]] = defaultdict(list)
        self._objects: dict[str, dict[str, list[Any]]] = defaultdict(lambda: defaultdict(list))
        self._places: dict[str, list[Any]] = defaultdict(list)
        self._sorts: dict[str, dict[str, list[Any]]] = defaultdict(lambda: defaultdict(list))

    def add(self, kind: int, field: str, value: SearchValue) -> None:
        if kind == DATE:
            self._objects["date"][terms.property_name(field)].append(date_range(*value[2:4]))
            self._sorts["l"][field].append(value[2])
        elif kind == NUMBER:
            self._objects["number"][terms.property_name(field)].append(number_range(*value[2:4]))
            self._sorts["d"][field].append(finite(value[2]))
        elif kind == POSITION:
            self._places[field].append(point(value[2], value[3]))
            self._sorts["l"][field].append(0)  # there is one, whatever its distance
        elif kind == QUANTITY:
            self._value(QUANTITY_FIELD, field, (value,))
            amount = self._converter.canonical(value[2], value[4], value[5]) if self._converter else value[2]
            self._sorts["d"][field].append(finite(amount))
        elif kind == COMPOSITE:
            if len(value[2]) <= len(PARTS):
                self._value(COMPOSITE_FIELD, field, value[2])
        else:
            add_terms(self._lists, field, value)
            if counted(value, self._references):
                self._sort(kind, field, value)

    def _value(self, kind: str, field: str, parts: Sequence[SearchValue]) -> None:
        nested: Document = {"field": value_field(kind, field)}
        for name, part in zip(PARTS, parts, strict=False):
            nested[name] = encode_part(part)
            if part[0] == QUANTITY and sum(map(len, part[4:7])) <= LONGEST_UNIT:
                self.units.add(part[4:7])
        self._lists["v"].append(nested)

    def _sort(self, kind: int, field: str, value: SearchValue) -> None:
        if kind == STRING:
            self._sorts["s"][field].append(value[2][: terms.STRING_KEY_LIMIT])
        elif kind == TOKEN:
            self._sorts["s"][field].append(value[3][: terms.STRING_KEY_LIMIT])
        elif kind == REFERENCE:
            self._sorts["s"][field].append(f"{value[2]}/{value[3]}"[: terms.STRING_KEY_LIMIT])
        elif kind in (URI, CANONICAL):
            self._sorts["s"][field].append(value[2][: terms.STRING_KEY_LIMIT])

    def finish(self, groups: Sequence[tuple[str, ...]]) -> Document:
        document = self.document
        document.update(self._lists)
        document.update(self._objects)
        if self._places:
            document["place"] = _by_name(self._places, groups)
        for name, by_field in self._sorts.items():
            document[name] = {key: _ends(found) for key, found in _by_name(by_field, groups).items()}
        if self.has:
            document["has"] = sorted(self.has)
        return document


def _by_name(by_field: Mapping[str, list[Any]], groups: Sequence[tuple[str, ...]]) -> dict[str, list[Any]]:
    """The values of each field, and of each group of fields together."""
    named = {terms.property_name(field): found for field, found in by_field.items()}
    for fields in groups:
        together = [one for field in fields for one in by_field.get(field, ())]
        if together:
            named[terms.sort_name(fields)] = together
    return named


def add_terms(lists: dict[str, list[Any]], field: str, value: SearchValue) -> None:
    """The terms of a value that is found by its text."""
    kind = value[0]
    if kind == TOKEN:
        lists["token"] += (terms.token(field, value[2], value[3]), terms.token_code(field, value[3]))
    elif kind == REFERENCE:
        type, id, version = value[2:5]
        lists["reference"] += (terms.reference(field, type, id), terms.reference_id(field, id))
        if version:
            lists["reference"] += (
                terms.reference_version(field, type, id, version),
                terms.reference_version(field, "", id, version),
            )
    elif kind == STRING:
        lists["string"].append(terms.string(field, value[2]))
        lists["exact"].append(terms.exact(field, value[3]))
    elif kind == TEXT:
        lists["text"].append(terms.text(field, value[2]))
    elif kind == URI:
        lists["uri"] += (terms.uri(field, value[2]), terms.uri_version(field, value[2], ""))
    elif kind == CANONICAL:
        lists["uri"] += (terms.uri(field, value[2]), terms.uri_version(field, value[2], value[3]))


def encode_part(part: SearchValue) -> Document:
    """One part of a composite, or a quantity alone."""
    kind = part[0]
    if kind == QUANTITY:
        system, code, name = part[4:7]
        units = [terms.unit(system, code), terms.unit_code(code), terms.unit_name(name)]
        return {"number": number_range(part[2], part[3]), "unit": units}
    if kind == NUMBER:
        return {"number": number_range(part[2], part[3])}
    if kind == DATE:
        return {"date": date_range(part[2], part[3])}
    lists: dict[str, list[Any]] = defaultdict(list)
    add_terms(lists, "", part)
    lists.pop("text", None)
    return dict(lists)


def unit_document(unit: Unit) -> tuple[str, Document]:
    """The _id and the document that tells of a unit."""
    listed = msgspec.json.encode(unit).decode()
    name = hashlib.sha256(listed.encode()).hexdigest()
    return f"{UNIT_TYPE}/{name}", {"type": UNIT_TYPE, "id": listed}


def _ends(values: list[Any]) -> list[Any]:
    """The smallest and the largest: sorting asks for no other."""
    return values if len(values) < 2 else [min(values), max(values)]


def point(latitude: float, longitude: float) -> dict[str, float]:
    """Degrees, within what there is; a pole has no longitude."""
    latitude = max(-90.0, min(90.0, latitude))
    return {"lat": latitude, "lon": 0.0 if abs(latitude) == 90.0 else (longitude + 180.0) % 360.0 - 180.0}
