"""FHIRPath's functions in SQL, by name: (expressions, call, source, this, index) -> Value."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from fhir_server.fhirpath import ast
from fhir_server.views.sql.operators import BOOLEAN, INTEGER, TEXT, equal
from fhir_server.views.sql.shape import NotInSqlError
from fhir_server.views.sql.value import Value, text

if TYPE_CHECKING:
    from fhir_server.views.sql.expressions import Expressions

Function = Callable[["Expressions", ast.Call, Value, Value, str], Value]


def _where(compile: Expressions, call: ast.Call, source: Value, this: Value, index: str) -> Value:
    criterion = call.arguments[0]
    return compile.filtered(source, lambda item: compile.truth(criterion, item, index, "where()"))


def _exists(compile: Expressions, call: ast.Call, source: Value, this: Value, index: str) -> Value:
    return Value((_where(compile, call, source, this, index) if call.arguments else source).exists, BOOLEAN)


def _all(compile: Expressions, call: ast.Call, source: Value, this: Value, index: str) -> Value:
    def fails(item: Value) -> str:
        return f"NOT coalesce({compile.truth(call.arguments[0], item, index, 'all()')}, false)"

    return Value(f"(NOT {compile.filtered(source, fails).exists})", BOOLEAN)


def _not(compile: Expressions, call: ast.Call, source: Value, this: Value, index: str) -> Value:
    value = source.single("not()")
    if compile.model.system_type(value.type) != BOOLEAN:
        raise NotInSqlError("not() of what is no boolean")
    return Value(f"(NOT {value.sql})", BOOLEAN)


def _first(compile: Expressions, call: ast.Call, source: Value, this: Value, index: str) -> Value:
    source.plain()
    return source._replace(sql=f"{source.sql}[1]", many=False) if source.many else source


def _last(compile: Expressions, call: ast.Call, source: Value, this: Value, index: str) -> Value:
    source.plain()
    return source._replace(sql=f"{source.sql}[-1]", many=False) if source.many else source


def _count(compile: Expressions, call: ast.Call, source: Value, this: Value, index: str) -> Value:
    source.plain()
    return Value(f"coalesce(len({source.listed}), 0)", INTEGER)


def _select(compile: Expressions, call: ast.Call, source: Value, this: Value, index: str) -> Value:
    return compile.mapped(source, lambda item: compile.value(call.arguments[0], item, index))


def _extension(compile: Expressions, call: ast.Call, source: Value, this: Value, index: str) -> Value:
    url = compile.value(call.arguments[0], this, index)
    found = compile.child(source, "extension")
    return compile.filtered(found, lambda item: equal(compile.model, compile.child(item, "url"), url).sql)


def _of_type(compile: Expressions, call: ast.Call, source: Value, this: Value, index: str) -> Value:
    specifier = ast.type_specifier(call.arguments[0])
    assert specifier is not None  # the view was checked
    return compile.of_type(source, specifier)


def _join(compile: Expressions, call: ast.Call, source: Value, this: Value, index: str) -> Value:
    between = compile.value(call.arguments[0], this, index) if call.arguments else Value("''", TEXT)
    for value in (source, between):
        if compile.model.system_type(value.plain().type) != TEXT:
            raise NotInSqlError("join() of what is no text")
    separator = between.single("join()").sql
    return Value(f"coalesce(array_to_string({source.listed}, coalesce({separator}, '')), '')", TEXT)


def _resource_key(compile: Expressions, call: ast.Call, source: Value, this: Value, index: str) -> Value:
    if not compile.model.is_resource(source.plain().type):
        raise NotInSqlError(f"getResourceKey() of a {source.type}")
    id = compile.child(source, "id")
    return Value(f"({text(source.type + '/')} || {id.sql})", TEXT)


def _reference_key(compile: Expressions, call: ast.Call, source: Value, this: Value, index: str) -> Value:
    """What references.reference_key gives."""
    if source.plain().type != "Reference":
        raise NotInSqlError(f"getReferenceKey() of a {source.type}")
    wanted = (ast.type_specifier(call.arguments[0]) or "").removeprefix("FHIR.") if call.arguments else ""

    def key(item: Value) -> Value:
        reference = compile.child(item, "reference").sql
        key = f"split_part({reference}, '/_history/', 1)"
        good = f"{reference} <> '' AND {reference}[1] <> '#' AND NOT contains({reference}, '?')"
        if wanted:
            good += f" AND regexp_matches({key}, {text(f'(^|/){wanted}/[^/]*$')})"
        return Value(f"CASE WHEN {good} THEN {key} END", TEXT)

    return compile.mapped(source, key)


def _on_text(form: str, type: str = TEXT) -> Function:
    """A function of one text, and of one more where the form has {b}."""

    def call_it(compile: Expressions, call: ast.Call, source: Value, this: Value, index: str) -> Value:
        values = [source, *(compile.value(argument, this, index) for argument in call.arguments)]
        if len(values) != (2 if "{b}" in form else 1):
            raise NotInSqlError(f"{call.name}() with {len(call.arguments)} arguments")
        for value in values:
            if compile.model.system_type(value.plain().type) != TEXT:
                raise NotInSqlError(f"{call.name}() of a {value.type}")
        a, *b = (value.single(f"{call.name}()").sql for value in values)
        return Value(form.format(a=a, b=b[0] if b else ""), type)

    return call_it


def _date_boundary(month: str, day: str) -> Function:
    """Of a date; {a} is the text of it, of a year and month where day stands for their last or first day."""

    def boundary(compile: Expressions, call: ast.Call, source: Value, this: Value, index: str) -> Value:
        if source.plain().type != "date" or call.arguments:
            raise NotInSqlError(f"{call.name}() of a {source.type}")
        a = source.single(f"{call.name}()").sql
        of_month = day.format(a=a)
        return Value(f"(CASE len({a}) WHEN 4 THEN {a} || '{month}' WHEN 7 THEN {of_month} ELSE {a} END)", "date")

    return boundary


FUNCTIONS: dict[str, Function] = {
    "where": _where,
    "select": _select,
    "exists": _exists,
    "empty": lambda compile, call, source, this, index: Value(f"(NOT {source.exists})", BOOLEAN),
    "all": _all,
    "not": _not,
    "first": _first,
    "last": _last,
    "single": lambda compile, call, source, this, index: source.single("single()"),
    "count": _count,
    "extension": _extension,
    "ofType": _of_type,
    "as": _of_type,
    "join": _join,
    "getResourceKey": _resource_key,
    "getReferenceKey": _reference_key,
    "startsWith": _on_text("starts_with({a}, {b})", BOOLEAN),
    "endsWith": _on_text("ends_with({a}, {b})", BOOLEAN),
    "contains": _on_text("contains({a}, {b})", BOOLEAN),
    "upper": _on_text("upper({a})"),
    "lower": _on_text("lower({a})"),
    "length": _on_text("length({a})", INTEGER),
    "lowBoundary": _date_boundary("-01-01", "{a} || '-01'"),
    "highBoundary": _date_boundary("-12-31", "CAST(CAST(last_day(CAST({a} || '-01' AS DATE)) AS DATE) AS VARCHAR)"),
}
