"""Clauses about whether there is a value at all."""

from __future__ import annotations

from collections.abc import Sequence

from fhir_server.core.query import Missing
from fhir_server.storage.sqlite.schema import INDEX_TABLES
from fhir_server.storage.sqlite.search.condition import Condition, Row
from fhir_server.storage.sqlite.search.logic import any_of, not_
from fhir_server.storage.sqlite.search.scope import Scope
from fhir_server.storage.sqlite.search.sql import Sql, member


def missing(clause: Missing, scope: Scope) -> Condition:
    """A row in any of the tables that has values of the fields; the text of a coded element is a value of it too."""
    fields = scope.fields(clause.fields)
    present: list[Condition]
    if clause.target_types:
        present = [_naming(scope, fields, clause.target_types)] if fields else []
    else:
        fields += scope.fields(clause.fields, ":text")
        present = [Row(scope, table, scope.alias(), fields) for table in _tables_with(scope, fields)]
    condition = any_of(present)
    return not_(scope, condition) if clause.missing else condition


def _tables_with(scope: Scope, fields: Sequence[int]) -> list[str]:
    if not fields:
        return []
    test = member("field", fields)
    selects = [f"SELECT '{table}' WHERE EXISTS (SELECT 1 FROM {table} WHERE {test.text})" for table in INDEX_TABLES]
    found = scope.reader.rows(Sql(" UNION ALL ".join(selects), test.bound * len(INDEX_TABLES)))
    return [row[0] for row in found]


def _naming(scope: Scope, fields: Sequence[int], target_types: tuple[str, ...]) -> Condition:
    alias = scope.alias()
    types = member("type", scope.of(target_types).type_ids or (-1,))
    test = Sql(f"(SELECT {types.text} FROM resource WHERE rid = {alias}.target)", types.bound)
    return Row(scope, "reference", alias, fields, test)
