"""A view made ready on a DuckDB connection: as native SQL, or, where a part has none and for resources with elements
beside primitive values, by the FHIRPath engine."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from fhir_server.codec.json import decode
from fhir_server.definitions import Definitions
from fhir_server.views.definition import View
from fhir_server.views.evaluate import Evaluator
from fhir_server.views.sql.compile import column_types, compile_view
from fhir_server.views.sql.shape import NotInSqlError
from fhir_server.views.sql.value import name

if TYPE_CHECKING:
    import duckdb

# has elements whose values have something beside them, or only that, as data-absent-reason: SQL sees values alone
BESIDE = "contains(body, '\"_')"


def prepare(connection: duckdb.DuckDBPyConnection, view: View, definitions: Definitions, source: str) -> str:
    """The query of a view on a connection. source: a query that gives the column body, the JSON text of resources."""
    function = by_engine(connection, view, definitions)
    made = f"SELECT found.* FROM (SELECT unnest({function}(body)) AS found FROM ({source})"
    try:
        native = compile_view(view, definitions, f"SELECT body FROM ({source}) WHERE NOT {BESIDE}")
    except NotInSqlError:
        return f"{made})"
    return f"{native} UNION ALL {made} WHERE {BESIDE})"


def by_engine(connection: duckdb.DuckDBPyConnection, view: View, definitions: Definitions) -> str:
    """The name of a function on the connection that gives the rows of a resource's JSON text, by the engine."""
    import duckdb

    digest = hashlib.sha256(json.dumps(view.json, sort_keys=True, default=str).encode()).hexdigest()[:16]
    function = f"view_{digest}"
    known = connection.execute("SELECT 1 FROM duckdb_functions() WHERE function_name = ?", [function]).fetchone()
    if known is None:
        types = column_types(view, definitions)
        fields = ", ".join(f"{name(column)} {type}" for column, type in types.items())
        evaluator = Evaluator(view, definitions)

        def rows(body: str) -> list[dict[str, Any]]:
            return [_plain(row, types) for row in evaluator.rows(decode(body.encode()))]

        connection.create_function(
            function,
            rows,
            [duckdb.sqltype("VARCHAR")],
            duckdb.sqltype(f"STRUCT({fields})[]"),  # type: ignore[arg-type]
        )
    return function


def _plain(row: dict[str, Any], types: dict[str, str]) -> dict[str, Any]:
    return {
        name: [_value(each, types[name]) for each in value] if isinstance(value, list) else _value(value, types[name])
        for name, value in row.items()
    }


def _value(value: Any, type: str) -> Any:
    """A JSON value as its column's type takes it; decimals are doubles in SQL."""
    if value is None:
        return None
    if type.startswith("DOUBLE"):
        return float(value)
    if type.startswith("VARCHAR") and not isinstance(value, str):
        return str(value).lower() if isinstance(value, bool) else str(value)
    return value
