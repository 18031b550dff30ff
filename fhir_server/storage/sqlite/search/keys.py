"""Sort keys: what each kind sorts by, and where a table has its values in order.

Ascending takes the smallest value of a resource, descending the largest. Dates, numbers and quantities sort by the
lower end of their ranges, quantities in the canonical unit of their dimension, references by type and id, canonicals
by their URL, where they are relative by type and id.
Specification: https://hl7.org/fhir/R4/search.html#sort
"""

from __future__ import annotations

from typing import NamedTuple

from fhir_server.core.query import SortKey
from fhir_server.storage.sqlite.search.condition import Condition, Never, Row, by_resource
from fhir_server.storage.sqlite.search.logic import all_of, not_
from fhir_server.storage.sqlite.search.partitions import few_codes
from fhir_server.storage.sqlite.search.scope import Scope
from fhir_server.storage.sqlite.search.sql import Sql, member
from fhir_server.storage.sqlite.search.tokens import having_terms, terms_of
from fhir_server.storage.sqlite.search.window import Column

# kind -> the table and the expression over its row k
VALUES = {
    "string": ("string_value", "k.text"),
    "date": ("date", "k.low"),
    "number": ("number", "k.low"),
    "quantity": ("quantity", "(SELECT canonical(k.low, u.system, u.code) FROM unit u WHERE u.unit = k.unit)"),
    "token": ("token", "(SELECT code FROM term WHERE term = k.term)"),
    "uri": ("token", "(SELECT code FROM term WHERE term = k.term)"),
    "reference": (
        "reference",
        "(SELECT t.name || '/' || n.id FROM resource n CROSS JOIN type t ON t.type = n.type WHERE n.rid = k.target)",
    ),
    "near": ("position", "distance(k.latitude, k.longitude, ?, ?)"),
}
IN_BOTH = {"canonical": ("reference", "uri")}  # kinds whose values are in the tables of two
OWN = {
    "id": "(SELECT id FROM resource WHERE rid = {rid})",
    "updated": "(SELECT seq FROM resource WHERE rid = {rid})",
    "type": "(SELECT t.name FROM resource n CROSS JOIN type t ON t.type = n.type WHERE n.rid = {rid})",
}
IN_ORDER = {"string": ("text", "exact"), "date": ("low", "high"), "number": ("low", "high")}
KIND_OF_VALUE: dict[str, type] = {"date": int, "updated": int, "number": float, "quantity": float, "near": float}


class Source(NamedTuple):
    """A table s that has rows of resources with the key, in its order; feed: it is version."""

    table: str
    column: str
    rid: str
    where: Sql
    feed: bool = False


class Key:
    """One sort key for the types of a scope."""

    def __init__(self, scope: Scope, key: SortKey) -> None:
        self._scope = scope
        self._key = key
        self.descending = key.descending
        self._own = key.kind in OWN and not key.fields
        self._fields = [] if self._own else scope.fields(key.fields)

    def column(self, rid: str) -> Column:
        """The key of the resource with this rid, an SQL expression."""
        return Column(self._expression(rid), self.descending)

    def _expression(self, rid: str) -> Sql:
        key = self._key
        if self._own:
            return Sql(OWN[key.kind].format(rid=rid))
        if not self._fields:
            return Sql("NULL")
        function = "max" if key.descending else "min"
        if key.kind not in IN_BOTH:
            return self._of_kind(key.kind, function, rid)
        first, second = [self._of_kind(kind, function, rid) for kind in IN_BOTH[key.kind]]
        both = f"(SELECT {function}(value) FROM (SELECT {first.text} AS value UNION ALL SELECT {second.text}))"
        return Sql(both, (*first.bound, *second.bound))

    def _of_kind(self, kind: str, function: str, rid: str) -> Sql:
        table, value = VALUES[kind]
        point = (self._key.latitude, self._key.longitude) if kind == "near" else ()
        fields = member("k.field", self._fields)
        return Sql(
            f"(SELECT {function}({value}) FROM {table} k INDEXED BY {by_resource(table)} "
            f"WHERE k.rid = {rid} AND {fields.text})",
            (*point, *fields.bound),
        )

    def sources(self) -> list[Source]:
        """The tables to walk along together, in which each resource with the key has one row; [] if there are none."""
        kind = self._key.kind
        if self._own:
            return self._own_source() if len(self._scope.type_ids) == 1 else []
        table = VALUES.get(kind, ("",))[0]
        if table == "token":
            return self._terms_in_order() if len(self._fields) == 1 else []
        if kind not in IN_ORDER:
            return []
        return [self._field_in_order(kind, table, field) for field in self._fields]

    def _field_in_order(self, kind: str, table: str, field: int) -> Source:
        first, second = IN_ORDER[kind]
        sign = ">" if self.descending else "<"
        fields = member("o.field", self._fields)
        sooner = f"(o.{first}, o.{second}, o.field) {sign} (s.{first}, s.{second}, s.field)"
        once = (
            f"NOT EXISTS (SELECT 1 FROM {table} o INDEXED BY {by_resource(table)} "
            f"WHERE o.rid = s.rid AND {fields.text} AND {sooner})"
        )
        where = Sql(f"s.field = ? AND {once}", (field, *fields.bound))
        return Source(f"{table} s NOT INDEXED", f"s.{first}", "s.rid", where)

    def _terms_in_order(self) -> list[Source]:
        sign = ">" if self.descending else "<"
        once = (
            "NOT EXISTS (SELECT 1 FROM token o INDEXED BY token_rid CROSS JOIN term n ON n.term = o.term "
            f"WHERE o.rid = s.rid AND o.field = s.field AND (n.code, n.term) {sign} (m.code, m.term))"
        )
        where = Sql(f"s.field = ? AND s.term = m.term AND {once}", (self._fields[0],))
        return [Source("term m CROSS JOIN token s NOT INDEXED", "m.code", "s.rid", where)]

    def _own_source(self) -> list[Source]:
        type_id = self._scope.type_ids[0]
        if self._key.kind == "id":
            live = Sql("s.type = ? AND s.live = 1", (type_id,))
            return [Source("resource s INDEXED BY resource_key", "s.id", "s.rid", live)]
        if self._key.kind == "updated":
            newest = (
                "EXISTS (SELECT 1 FROM resource o NOT INDEXED WHERE o.rid = s.rid AND o.seq = s.seq AND o.live = 1)"
            )
            where = Sql(f"s.type = ? AND {newest}", (type_id,))
            return [Source("version s INDEXED BY version_type", "s.seq", "s.rid", where, True)]
        return []

    def codes(self) -> list[str] | None:
        """The codes that it takes, where they are few; None where it takes no codes or many."""
        if VALUES.get(self._key.kind, ("",))[0] != "token" or not self._fields:
            return None
        return few_codes(self._scope.reader, self._fields)

    def having(self, code: str) -> Condition:
        """The condition of the resources whose key is this code."""
        scope, fields = self._scope, self._fields
        alias = scope.alias()
        sign = ">" if self.descending else "<"
        sooner = Sql(f"(SELECT code FROM term WHERE term = {alias}.term) {sign} ?", (code,))
        first = not_(scope, Row(scope, "token", alias, fields, sooner))
        return all_of(scope, [having_terms(scope, fields, terms_of(scope, None, code)), first])

    def absent(self) -> Condition:
        """The condition of the resources without the key."""
        if self._own:
            return Never()
        scope, kind = self._scope, self._key.kind
        tables = [VALUES[each][0] for each in IN_BOTH.get(kind, (kind,))]
        return all_of(scope, [not_(scope, Row(scope, table, scope.alias(), self._fields)) for table in tables])

    @property
    def kind_of_value(self) -> type:
        """int, float or str."""
        return KIND_OF_VALUE.get(self._key.kind, str)
