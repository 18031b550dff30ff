"""What clauses mean, over lists of search values, without any index: the judge of the SQL."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any as Anything

import msgspec

from fhir_server.core import query
from fhir_server.core.folding import unaccented
from fhir_server.core.query import All, Any, Clause, Include, Not, SortKey
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
from fhir_server.storage.sqlite.search import functions

EARTH = 6_371_008.8


@dataclass
class Item:
    """A current resource."""

    type: str
    id: str
    rid: int
    seq: int
    updated: int
    values: tuple[SearchValue, ...]
    body: bytes = b"{}"


@dataclass
class World:
    """All current resources; convert: between units, canonical: to the one that is sorted by, as the port has them."""

    items: dict[tuple[str, str], Item] = field(default_factory=dict)
    convert: Callable[[float, str, str, str, str], float | None] = lambda *_: None
    canonical: Callable[[float, str, str], float] = lambda value, *_: value

    def find(self, types: tuple[str, ...], where: Clause) -> list[Item]:
        """What matches, in order of rid."""
        found = [item for item in self.items.values() if item.type in types and self.holds(where, item)]
        return sorted(found, key=lambda item: item.rid)

    def holds(self, clause: Clause, item: Item) -> bool:
        """Whether the clause holds for the resource."""
        return getattr(self, "_" + type(clause).__name__.lower())(clause, item)

    # ------------------------------------------------------------------ logic
    def _all(self, clause: All, item: Item) -> bool:
        return all(self.holds(part, item) for part in clause.clauses)

    def _any(self, clause: Any, item: Item) -> bool:
        return any(self.holds(part, item) for part in clause.clauses)

    def _not(self, clause: Not, item: Item) -> bool:
        return not self.holds(clause.clause, item)

    # ------------------------------------------------------------------ the resource itself
    def _idin(self, clause: query.IdIn, item: Item) -> bool:
        return item.id in clause.ids

    def _typein(self, clause: query.TypeIn, item: Item) -> bool:
        return item.type in clause.types

    def _updatedis(self, clause: query.UpdatedIs, item: Item) -> bool:
        return compare_dates(clause.comparator, item.updated, item.updated, clause.low, clause.high)

    def _inlist(self, clause: query.InList, item: Item) -> bool:
        found = self.items.get(("List", clause.id))
        return found is not None and any(
            v[0] == REFERENCE and v[1] == "item" and v[2:4] == (item.type, item.id) for v in found.values
        )

    def _narrativehas(self, clause: query.NarrativeHas, item: Item) -> bool:
        if clause.scope == "text":
            texts = [value[2] for value in item.values if value[0] == NARRATIVE]
        else:
            texts = list(strings(msgspec.json.decode(item.body)))
        said = [words(text) for text in texts]
        return all(any(contains(one, words(word)) for one in said) for word in clause.words)

    # ------------------------------------------------------------------ values
    def _values(self, item: Item, fields: tuple[str, ...], *kinds: int) -> Iterator[SearchValue]:
        return (value for value in item.values if value[1] in fields and value[0] in kinds)

    def _stringis(self, clause: query.StringIs, item: Item) -> bool:
        return any(string_is(clause, v[2], v[3]) for v in self._values(item, clause.fields, STRING))

    def _tokenis(self, clause: query.TokenIs, item: Item) -> bool:
        return any(
            clause.system in (None, v[2]) and clause.code in (None, v[3])
            for v in self._values(item, clause.fields, TOKEN)
        )

    def _tokenin(self, clause: query.TokenIn, item: Item) -> bool:
        return any(
            (v[2], v[3]) in clause.codings or (None, v[3]) in clause.codings
            for v in self._values(item, clause.fields, TOKEN)
        )

    def _textis(self, clause: query.TextIs, item: Item) -> bool:
        return any(word_starts(v[2], clause.text) for v in self._values(item, clause.fields, TEXT))

    def _uriis(self, clause: query.UriIs, item: Item) -> bool:
        return any(
            uri_is(clause, v[2], v[3] if v[0] == CANONICAL else "")
            for v in self._values(item, clause.fields, URI, CANONICAL)
        )

    def _refersto(self, clause: query.RefersTo, item: Item) -> bool:
        return any(
            any(id == v[3] and type in ("", v[2]) for type, id in clause.targets)
            and (not clause.target_types or v[2] in clause.target_types)
            and clause.version in ("", v[4])
            for v in self._values(item, clause.fields, REFERENCE)
        )

    def _referswithin(self, clause: query.RefersWithin, item: Item) -> bool:
        tree = {(clause.type, clause.id)}
        while True:
            more = set()
            for other in self.items.values():
                parents = (
                    {v[2:4] for v in self._values(other, clause.parents, REFERENCE)}
                    if other.type == clause.type and self.holds(clause.through, other)
                    else set()
                )
                if clause.direction == "below" and parents & tree:
                    more.add((other.type, other.id))
                elif clause.direction == "above" and (other.type, other.id) in tree:
                    more |= parents
            if more <= tree:
                break
            tree |= more
        return any(v[2:4] in tree for v in self._values(item, clause.fields, REFERENCE))

    def _dateis(self, clause: query.DateIs, item: Item) -> bool:
        return any(
            compare_dates(clause.comparator, v[2], v[3], clause.low, clause.high)
            for v in self._values(item, clause.fields, DATE)
        )

    def _numberis(self, clause: query.NumberIs, item: Item) -> bool:
        return any(
            compare_numbers(clause.comparator, v[2], v[3], clause.value, clause.low, clause.high)
            for v in self._values(item, clause.fields, NUMBER)
        )

    def _quantityis(self, clause: query.QuantityIs, item: Item) -> bool:
        return any(self._quantity(clause, v) for v in self._values(item, clause.fields, QUANTITY))

    def _quantity(self, clause: query.QuantityIs, value: SearchValue) -> bool:
        asked = (clause.value, clause.low, clause.high)
        system, code, name = value[4:7]
        if clause.unit is not None:
            asked_system, asked_code = clause.unit
            if asked_system is None:
                if asked_code not in (code, name):
                    return False
            elif (system, code) != clause.unit:
                converted = [self.convert(number, asked_system, asked_code, system, code) for number in asked]
                known = [number for number in converted if number is not None]
                if len(known) < len(asked) or not code:
                    return False
                asked = (known[0], known[1], known[2])
        return compare_numbers(clause.comparator, value[2], value[3], *asked)

    def _compositeis(self, clause: query.CompositeIs, item: Item) -> bool:
        return any(
            all(
                self.holds(part, Item(item.type, item.id, item.rid, item.seq, item.updated, (one,)))
                for part, one in zip(clause.parts, value[2], strict=True)
            )
            for value in self._values(item, clause.fields, COMPOSITE)
        )

    def _near(self, clause: query.Near, item: Item) -> bool:
        return any(
            distance(v[2], v[3], clause.latitude, clause.longitude) <= clause.distance
            for v in self._values(item, clause.fields, POSITION)
        )

    def _missing(self, clause: query.Missing, item: Item) -> bool:
        found = any(
            v[1] in clause.fields and (not clause.target_types or (v[0] == REFERENCE and v[2] in clause.target_types))
            for v in item.values
        )
        return found != clause.missing

    # ------------------------------------------------------------------ other resources
    def _chain(self, clause: query.Chain, item: Item) -> bool:
        for value in self._values(item, clause.fields, REFERENCE):
            named = self.items.get(value[2:4])
            if named is not None and any(
                type == named.type and self.holds(part, named) for type, part in clause.targets
            ):
                return True
        return False

    def _has(self, clause: query.Has, item: Item) -> bool:
        return any(
            other.type == clause.source
            and any(v[2:4] == (item.type, item.id) for v in self._values(other, clause.fields, REFERENCE))
            and self.holds(clause.clause, other)
            for other in self.items.values()
        )

    # ------------------------------------------------------------------ order and includes
    def order(self, items: list[Item], keys: tuple[SortKey, ...]) -> list[Item]:
        """By the keys, those without last, then by rid."""
        for key in reversed(keys):
            have = [item for item in items if self._sort_value(item, key) is not None]
            have.sort(key=lambda item: self._sort_value(item, key), reverse=key.descending)
            items = have + [item for item in items if self._sort_value(item, key) is None]
        return items

    def _sort_value(self, item: Item, key: SortKey) -> Anything:
        """The value that the resource is sorted by, None for none."""
        if not key.fields:
            return {"id": item.id, "updated": item.seq, "type": item.type}[key.kind]
        each = (self._sortable(value, key) for value in item.values if value[1] in key.fields)
        found = [value for value in each if value is not None]
        return (max(found) if key.descending else min(found)) if found else None

    def _sortable(self, value: SearchValue, key: SortKey) -> Anything:
        kind = value[0]
        if key.kind == "near":
            # the very same function, as rounding decides between places that are equally far
            return functions.distance(value[2], value[3], key.latitude, key.longitude) if kind == POSITION else None
        if key.kind == "token":
            return value[3] if kind == TOKEN else None
        if key.kind == "uri":
            return value[2] if kind in (URI, CANONICAL) else None
        if key.kind == "reference":
            return f"{value[2]}/{value[3]}" if kind == REFERENCE else None
        if key.kind == "quantity":
            return self.canonical(value[2], value[4], value[5]) if kind == QUANTITY else None
        return value[2] if kind == {"string": STRING, "date": DATE, "number": NUMBER}[key.kind] else None

    def included(self, items: list[Item], includes: tuple[Include, ...]) -> set[tuple[str, str]]:
        """The keys of what includes bring."""
        found: set[tuple[str, str]] = {(item.type, item.id) for item in items}
        matches = set(found)
        fresh, turn = set(found), includes
        while fresh:
            more: set[tuple[str, str]] = set()
            for include in turn:
                for other in self.items.values():
                    if other.type != include.source:
                        continue
                    for value in self._values(other, include.fields, REFERENCE):
                        key, target = (other.type, other.id), value[2:4]
                        if include.target_types and target[0] not in include.target_types:
                            continue
                        if include.reverse and target in fresh:
                            more.add(key)
                        elif not include.reverse and key in fresh and target in self.items:
                            more.add(target)
            fresh = more - found
            found |= more
            turn = tuple(include for include in includes if include.iterate)
        return found - matches


def string_is(clause: query.StringIs, folded: str, exact: str) -> bool:
    text = clause.text
    return {
        "starts": lambda: folded.startswith(text),
        "contains": lambda: text in folded,
        "ends": lambda: folded.endswith(text),
        "exact": lambda: exact == text,
        "equals": lambda: folded == text,
        "gt": lambda: folded > text,
        "lt": lambda: folded < text,
        "ge": lambda: folded >= text,
        "le": lambda: folded <= text,
    }[clause.mode]()


def word_starts(text: str, start: str) -> bool:
    """A word begins at the beginning and where a letter or digit follows what is neither."""
    return any(
        text.startswith(start, at) and (at == 0 or not text[at - 1].isalnum() or not start[:1].isalnum())
        for at in range(len(text) + 1)
    )


def uri_is(clause: query.UriIs, uri: str, version: str) -> bool:
    if clause.version and clause.version != version:
        return False
    if clause.mode == "exact":
        return uri == clause.uri
    return below(uri, clause.uri) if clause.mode == "below" else below(clause.uri, uri)


def below(uri: str, root: str) -> bool:
    return uri == root or uri.startswith(root if root.endswith("/") else root + "/")


def compare_dates(comparator: str, low: int, high: int, asked_low: int, asked_high: int) -> bool:
    eq = asked_low <= low and high <= asked_high
    gt, lt = high > asked_high, low < asked_low
    return {
        "eq": eq, "ne": not eq, "gt": gt, "lt": lt, "ge": gt or eq, "le": lt or eq, "sa": low > asked_high,
        "eb": high < asked_low, "ap": low <= asked_high and high >= asked_low,
        "co": low <= asked_low and high >= asked_high,
    }[comparator]  # fmt: skip


def compare_numbers(
    comparator: str, low: float, high: float, value: float, asked_low: float, asked_high: float
) -> bool:
    eq = asked_low <= low and high < asked_high
    return {
        "eq": eq, "ne": not eq, "gt": high > value, "lt": low < value, "ge": high >= value, "le": low <= value,
        "sa": low > value, "eb": high < value, "ap": low <= asked_high and high >= asked_low,
        "co": low <= asked_low and high >= asked_high,
    }[comparator]  # fmt: skip


def distance(a_latitude: float, a_longitude: float, b_latitude: float, b_longitude: float) -> float:
    """By the angle between two vectors."""

    def vector(latitude: float, longitude: float) -> tuple[float, float, float]:
        p, q = math.radians(latitude), math.radians(longitude)
        return math.cos(p) * math.cos(q), math.cos(p) * math.sin(q), math.sin(p)

    a, b = vector(a_latitude, a_longitude), vector(b_latitude, b_longitude)
    return 2 * EARTH * math.asin(min(1.0, math.dist(a, b) / 2))


def words(text: str) -> list[str]:
    return re.findall(r"[^\W_]+", unaccented(text))


def contains(said: list[str], phrase: list[str]) -> bool:
    return any(said[at : at + len(phrase)] == phrase for at in range(len(said))) and bool(phrase)


def strings(node: Anything) -> Iterator[str]:
    if isinstance(node, dict):
        for value in node.values():
            yield from strings(value)
    elif isinstance(node, list):
        for value in node:
            yield from strings(value)
    elif isinstance(node, str):
        yield node
