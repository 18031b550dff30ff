"""One code system in the store."""

from __future__ import annotations

import functools
import sqlite3
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec

from terminology.model import Concept, Designation, Details, Filter, Property, SystemInfo
from terminology.snomed.ecl_sql import REFERENCE_SET
from terminology.store.closure import id_range
from terminology.store.selection import part, selection

if TYPE_CHECKING:
    from terminology.store.store import Store

SNOMED = "http://snomed.info/sct"
HIDDEN = "^"  # properties of this prefix are the store's own, such as the reference sets a concept is in

_CONCEPT = "c.id, c.code, c.display, c.definition, c.flags"
_FIND = f"SELECT {_CONCEPT} FROM codes k CROSS JOIN concepts c ON c.id = k.id WHERE k.system = ? AND k.code = ?"
_RELATED = (
    "SELECT 'parent', c.code, c.display FROM parents r JOIN concepts c ON c.id = r.parent WHERE r.child = ?1 UNION ALL "
    "SELECT 'child', c.code, c.display FROM parents r JOIN concepts c ON c.id = r.child WHERE r.parent = ?1"
)
_ATTRIBUTES = (
    "SELECT t.code, v.code, v.display FROM attributes a JOIN concepts t ON t.id = a.type "
    "JOIN concepts v ON v.id = a.value WHERE a.concept = ? ORDER BY a.role_group, a.type"
)
_decode = msgspec.json.decode


class StoredSystem:
    """A code system of a store; cheap, holds no concepts."""

    def __init__(self, store: Store, id: int, info: SystemInfo, hierarchical: bool, count: int) -> None:
        self._store = store
        self.id = id
        self.info = info
        self.hierarchical = hierarchical
        self.count = count
        self.id_range = id_range(id)
        self.is_snomed = info.url == SNOMED

    @property
    def connection(self) -> sqlite3.Connection:
        """The connection of the calling thread."""
        return self._store.connection

    def find(self, code: str) -> Concept | None:
        """The concept with this code; without regard to case where the system has none."""
        rows = self.connection.execute(_FIND, (self.id, code)).fetchall()
        for row in rows:
            if row[1] == code:
                return Concept(*row)
        return Concept(*rows[0]) if rows and not self.info.case_sensitive else None

    def details(self, concept: Concept) -> Details:
        """Designations, properties, parents and children."""
        names = self._names
        values = self.connection.execute("SELECT property, value FROM properties WHERE concept = ?", (concept.id,))
        properties = [(names[id], value) for id, value in values if id in names]
        return Details(
            self.designations(concept),
            tuple(Property(code, type, _value(type, value)) for (code, type), value in properties)
            + self._attributes(concept),
            tuple(Property(kind, "code", *row) for kind, *row in self.connection.execute(_RELATED, (concept.id,))),
        )

    def _attributes(self, concept: Concept) -> tuple[Property, ...]:
        """The relationships of a concept of SNOMED CT, as properties named by the attribute."""
        if not self.is_snomed:
            return ()
        rows = self.connection.execute(_ATTRIBUTES, (concept.id,))
        return tuple(dict.fromkeys(Property(type, "code", value, display) for type, value, display in rows))

    def _codes(self, query: str, concept: Concept) -> tuple[str, ...]:
        return tuple(code for (code,) in self.connection.execute(query, (concept.id,)))

    def designations(self, concept: Concept) -> tuple[Designation, ...]:
        """Only the designations."""
        return tuple(
            Designation(value, language, _decode(use) if use else {})
            for value, language, use in self.connection.execute(
                "SELECT value, language, use FROM designations WHERE concept = ? ORDER BY place", (concept.id,)
            )
        )

    def subsumes(self, general: Concept, special: Concept) -> bool:
        """Whether special is below general, or is it."""
        if general.id == special.id:
            return True
        query = "SELECT 1 FROM ancestors WHERE concept = ? AND ancestor = ?"
        return self.connection.execute(query, (special.id, general.id)).fetchone() is not None

    def below(self, concept: Concept) -> tuple[str, ...]:
        """The codes of the concept and all that it subsumes."""
        query = "SELECT c.code FROM descendants d JOIN concepts c ON c.id = d.descendant WHERE d.concept = ?"
        return self._codes(query, concept) or (concept.code,)

    def above(self, concept: Concept) -> tuple[str, ...]:
        """The codes of the concept and all that subsume it."""
        query = "SELECT c.code FROM ancestors a JOIN concepts c ON c.id = a.ancestor WHERE a.concept = ?"
        return self._codes(query, concept) or (concept.code,)

    def parents(self, concepts: Sequence[Concept]) -> dict[int, list[int]]:
        """For each of the concepts that has some, the ids of its parents."""
        found: dict[int, list[int]] = {}
        for concept in concepts:
            rows = self.connection.execute("SELECT parent FROM parents WHERE child = ?", (concept.id,)).fetchall()
            if rows:
                found[concept.id] = [parent for (parent,) in rows]
        return found

    def matches(self, concept: Concept, filters: Sequence[Filter]) -> bool:
        """Whether all filters hold for the concept."""
        if not filters:
            return True
        parts = [part(self, filter) for filter in filters]
        query = "SELECT 1 FROM concepts c WHERE c.id = ? AND " + " AND ".join(p.condition for p in parts)
        arguments = (concept.id, *(a for p in parts for a in p.arguments))
        return self.connection.execute(query, arguments).fetchone() is not None

    def select(
        self,
        filters: Sequence[Filter] = (),
        excluded: Sequence[Sequence[Filter]] = (),
        text: str = "",
        active: bool = False,
        offset: int = 0,
        limit: int = -1,
    ) -> Iterator[Concept]:
        """Concepts in the order of the system; see selection() for what is asked. limit -1 for all."""
        if text:
            self._store.ensure_texts(self.id)
        clause, arguments = selection(self, filters, excluded, text, active)
        order = "t.rowid" if text else "c.id"
        query = f"SELECT {_CONCEPT} {clause} ORDER BY {order} LIMIT ? OFFSET ?"
        return map(Concept._make, self.connection.execute(query, (*arguments, limit, offset)))

    def count_of(
        self,
        filters: Sequence[Filter] = (),
        excluded: Sequence[Sequence[Filter]] = (),
        text: str = "",
        active: bool = False,
    ) -> int:
        """How many concepts select() would give without limit."""
        if text:
            self._store.ensure_texts(self.id)
        if not filters and not excluded and not active:
            if not text:
                return self.count
            clause, arguments = selection(self, (), (), text, False)
            if arguments:
                query = "SELECT count(*) FROM texts WHERE texts MATCH ? AND rowid BETWEEN ? AND ?"
                return self.connection.execute(query, arguments).fetchone()[0]
        clause, arguments = selection(self, filters, excluded, text, active)
        return self.connection.execute(f"SELECT count(*) {clause}", arguments).fetchone()[0]

    @functools.cached_property
    def _properties(self) -> dict[str, list[int]]:
        """The numbers of a property by its code; hidden ones too."""
        rows = self.connection.execute("SELECT code, id FROM property_names WHERE system = ? ORDER BY id", (self.id,))
        found: dict[str, list[int]] = {}
        for code, id in rows:
            found.setdefault(code, []).append(id)
        return found

    @functools.cached_property
    def _names(self) -> dict[int, tuple[str, str]]:
        """Code and type of a property by its number, without the hidden ones."""
        rows = self.connection.execute("SELECT id, code, type FROM property_names WHERE system = ?", (self.id,))
        return {id: (code, type) for id, code, type in rows if not code.startswith(HIDDEN)}

    def property_ids(self, code: str) -> list[int]:
        """The numbers under which values of this property are kept."""
        return self._properties.get(code, [])

    def reference_sets(self) -> tuple[str, ...]:
        """The codes of the reference sets of SNOMED CT that have members here."""
        known = ", ".join(map(str, self.property_ids(REFERENCE_SET)))
        query = f"SELECT DISTINCT value FROM properties WHERE property IN ({known}) ORDER BY value"
        return tuple(code for (code,) in self.connection.execute(query))

    def property_codes(self) -> list[str]:
        """The properties that concepts of this system have."""
        return [code for code in self._properties if not code.startswith(HIDDEN)]

    def declares(self, code: str) -> bool:
        """Whether the CodeSystem resource names this property or filter."""
        resource = self.info.resource
        return any(each.get("code") == code for key in ("property", "filter") for each in resource.get(key, ()))


def _value(type: str, text: str) -> Any:
    read = _READ.get(type)
    return read(text) if read else text


_READ: dict[str, Any] = {"Coding": _decode, "boolean": "true".__eq__, "integer": int, "decimal": Decimal}
