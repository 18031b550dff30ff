"""Canonical references as joins: a canonical names the resources whose `url` is its address.

Both are terms: the address as code, and as system the canonical's version, 0 where it has none. A canonical with a
version names only resources with that business version, which is a token without system of their field `version`.
Specification: https://hl7.org/fhir/R4/references.html#canonical
"""

from __future__ import annotations

from collections.abc import Sequence

from fhir_server.storage.sqlite.search.condition import Condition
from fhir_server.storage.sqlite.search.reader import Reader
from fhir_server.storage.sqlite.search.scope import Scope
from fhir_server.storage.sqlite.search.sql import Sql, member

URL, VERSION = "url", "version"


class Edge:
    """The join, with tables named after an alias.

    f: the row that names; c: its term, a canonical; u: that address as a URI; g: the row of the field url of what is
    named.
    """

    def __init__(self, alias: str, fields: Sequence[int], urls: Sequence[int], versions: Sequence[int]) -> None:
        self.f, self.c, self.u, self.g = (f"{alias}{name}" for name in "fcug")
        w, b = f"{alias}w", f"{alias}b"
        self._along = member(f"{self.f}.field", fields)
        self._url = member(f"{self.g}.field", urls)
        version = member(f"{w}.field", versions)
        self._same = Sql(
            f"({self.c}.system = 0 OR EXISTS (SELECT 1 FROM token {w} INDEXED BY token_rid "
            f"CROSS JOIN term {b} ON {b}.term = {w}.term WHERE {w}.rid = {self.g}.rid AND {version.text} "
            f"AND {b}.system = 0 AND {b}.code = (SELECT uri FROM system WHERE system = {self.c}.system)))",
            version.bound,
        )

    def forward(self, rid: str, start: str = "") -> Sql:
        """FROM and WHERE, from the resource of this rid, of a table that comes first if start says so."""
        f, c, u, g = self.f, self.c, self.u, self.g
        return Sql(
            f"FROM {start}token {f} INDEXED BY token_rid CROSS JOIN term {c} ON {c}.term = {f}.term "
            f"CROSS JOIN term {u} ON {u}.code = {c}.code AND {u}.system = 0 "
            f"CROSS JOIN token {g} ON {g}.term = {u}.term AND {self._url.text} "
            f"WHERE {f}.rid = {rid} AND {self._along.text} AND {self._same.text}",
            (*self._url.bound, *self._along.bound, *self._same.bound),
        )

    def backward(self, rid: str, start: str = "") -> Sql:
        """The same from what is named."""
        f, c, u, g = self.f, self.c, self.u, self.g
        return Sql(
            f"FROM {start}token {g} INDEXED BY token_rid CROSS JOIN term {u} ON {u}.term = {g}.term "
            f"CROSS JOIN term {c} ON {c}.code = {u}.code "
            f"CROSS JOIN token {f} ON {f}.term = {c}.term AND {self._along.text} "
            f"WHERE {g}.rid = {rid} AND {self._url.text} AND {self._same.text}",
            (*self._along.bound, *self._url.bound, *self._same.bound),
        )


def edge(reader: Reader, alias: str, fields: Sequence[int], targets: Scope) -> Edge | None:
    """The join from these fields to the target types, none for any; None where there are no such values."""
    urls = _fields(reader, targets, URL)
    if not urls or not _has_tokens(reader, fields):
        return None
    return Edge(alias, fields, urls, _fields(reader, targets, VERSION))


def _has_tokens(reader: Reader, fields: Sequence[int]) -> bool:
    along = member("field", fields)
    return bool(reader.rows(Sql(f"SELECT 1 FROM token WHERE {along.text} LIMIT 1", along.bound)))


def _fields(reader: Reader, types: Scope, name: str) -> list[int]:
    """The fields of this name of the types, none for any."""
    return types.fields((name,)) if types.types else reader.known.find_fields(name)


class CanonicalChain(Condition):
    """A canonical names a resource for which a condition holds."""

    def __init__(self, edge: Edge, target: Condition) -> None:
        self._edge = edge
        self._target = target
        self.weight = 4 + target.weight
        self.depth = 2 + target.depth

    def probe(self, rid: str) -> Sql:
        """From the canonical to what it names."""
        join, test = self._edge.forward(rid), self._target.probe(f"{self._edge.g}.rid")
        return Sql(f"EXISTS (SELECT 1 {join.text} AND {test.text})", (*join.bound, *test.bound))

    def driver(self) -> Sql:
        """From what is named to the canonicals."""
        e, found = self._edge, self._target.driver()
        join = e.backward(f"{e.g}t.rid", f"({found.text}) {e.g}t CROSS JOIN ")
        return Sql(f"SELECT {e.f}.rid AS rid {join.text}", (*found.bound, *join.bound))

    def cost(self, bound: int) -> int:
        """That of what is named."""
        return self._target.cost(bound)


class CanonicalHas(Condition):
    """A resource for which a condition holds names this one by a canonical."""

    def __init__(self, edge: Edge, source: Condition) -> None:
        self._edge = edge
        self._source = source
        self.weight = 16 * source.weight
        self.depth = 2 + source.depth

    def probe(self, rid: str) -> Sql:
        """From this one to the canonicals that name it."""
        join, test = self._edge.backward(rid), self._source.probe(f"{self._edge.f}.rid")
        return Sql(f"EXISTS (SELECT 1 {join.text} AND {test.text})", (*join.bound, *test.bound))

    def driver(self) -> Sql:
        """From what names to what it names."""
        e, found = self._edge, self._source.driver()
        join = e.forward(f"{e.f}s.rid", f"({found.text}) {e.f}s CROSS JOIN ")
        return Sql(f"SELECT {e.g}.rid AS rid {join.text}", (*found.bound, *join.bound))

    def cost(self, bound: int) -> int:
        """That of what names."""
        return self._source.cost(bound)
