"""FHIRPath's operators in SQL (https://hl7.org/fhirpath/N1/#operations).

Dates, times and moments of different precision compare to empty; in SQL that is done for dates only.
"""

from __future__ import annotations

from collections.abc import Callable

from fhir_server.fhirpath.model import Model
from fhir_server.views.sql.shape import NotInSqlError
from fhir_server.views.sql.value import Value

BOOLEAN = "System.Boolean"
TEXT = "System.String"
INTEGER = "System.Integer"
DECIMAL = "System.Decimal"
DATE = "System.Date"
NUMBERS = frozenset({INTEGER, DECIMAL})


def _kind(model: Model, value: Value) -> str:
    """What a value is compared as; NotInSqlError for what compares by more than its SQL."""
    value.plain()
    system = model.system_type(value.type)
    if system in NUMBERS:
        return "number"
    if system in (TEXT, BOOLEAN, DATE):
        return system
    raise NotInSqlError(f"a comparison of a {value.type}")


def _same_kind(model: Model, left: Value, right: Value) -> str:
    kind = _kind(model, left)
    if kind != _kind(model, right):
        raise NotInSqlError(f"a comparison of a {left.type} with a {right.type}")
    return kind


def equal(model: Model, left: Value, right: Value) -> Value:
    """=: of lists item by item; empty where a side is."""
    kind = _same_kind(model, left, right)
    if left.many or right.many:
        if kind == DATE:
            raise NotInSqlError("a comparison of lists of dates")
        both = f"{left.exists} AND {right.exists}"
        return Value(f"(CASE WHEN {both} THEN {left.listed} = {right.listed} END)", BOOLEAN)
    if kind == DATE:
        return Value(_dates("=", left.sql, right.sql, same="true"), BOOLEAN)
    return Value(f"({left.sql} = {right.sql})", BOOLEAN)


def unequal(model: Model, left: Value, right: Value) -> Value:
    """!=."""
    return Value(f"(NOT {equal(model, left, right).sql})", BOOLEAN)


def _dates(operator: str, left: str, right: str, same: str) -> str:
    """Dates compare as far as both are known; where they are the same so far and one goes on, it is empty."""
    shared = f"least(len({left}), len({right}))"
    return (
        f"(CASE WHEN left({left}, {shared}) <> left({right}, {shared}) THEN {left} {operator} {right} "
        f"WHEN len({left}) = len({right}) THEN {same} END)"
    )


def _comparison(operator: str) -> Callable[[Model, Value, Value], Value]:
    same = "true" if "=" in operator else "false"

    def compare(model: Model, left: Value, right: Value) -> Value:
        kind = _same_kind(model, left, right)
        if kind == BOOLEAN:
            raise NotInSqlError("an order of booleans")
        a, b = left.single(operator).sql, right.single(operator).sql
        return Value(_dates(operator, a, b, same) if kind == DATE else f"({a} {operator} {b})", BOOLEAN)

    return compare


def _logic(form: str) -> Callable[[Model, Value, Value], Value]:
    def decide(model: Model, left: Value, right: Value) -> Value:
        for side in (left, right):
            if _kind(model, side) != BOOLEAN:
                raise NotInSqlError("logic of what is no boolean")
        return Value(
            form.format(a=left.single("A boolean operator").sql, b=right.single("A boolean operator").sql), BOOLEAN
        )

    return decide


def _arithmetic(form: str, *, decimal: bool = False) -> Callable[[Model, Value, Value], Value]:
    def calculate(model: Model, left: Value, right: Value) -> Value:
        kind = _same_kind(model, left, right)
        a, b = left.single("Arithmetic").sql, right.single("Arithmetic").sql
        if kind == TEXT and form == "({a} + {b})":
            return Value(f"({a} || {b})", TEXT)
        if kind != "number":
            raise NotInSqlError(f"arithmetic of a {left.type}")
        types = {model.system_type(left.type), model.system_type(right.type)}
        return Value(form.format(a=a, b=b), DECIMAL if decimal or DECIMAL in types else INTEGER)

    return calculate


def concatenate(model: Model, left: Value, right: Value) -> Value:
    """&: empty counts as no text."""
    if _kind(model, left) != TEXT or _kind(model, right) != TEXT:
        raise NotInSqlError("& of what is no text")
    a, b = left.single("&").sql, right.single("&").sql
    return Value(f"(coalesce({a}, '') || coalesce({b}, ''))", TEXT)


def member_of(model: Model, left: Value, right: Value) -> Value:
    """in."""
    if _same_kind(model, left, right) == DATE:
        raise NotInSqlError("in of dates")
    a = left.single("in").sql
    return Value(f"(CASE WHEN {a} IS NOT NULL THEN coalesce(list_contains({right.listed}, {a}), false) END)", BOOLEAN)


BINARY: dict[str, Callable[[Model, Value, Value], Value]] = {
    "=": equal,
    "!=": unequal,
    **{operator: _comparison(operator) for operator in ("<", ">", "<=", ">=")},
    "and": _logic("({a} AND {b})"),
    "or": _logic("({a} OR {b})"),
    "xor": _logic("({a} <> {b})"),
    "implies": _logic("(NOT {a} OR {b})"),
    "+": _arithmetic("({a} + {b})"),
    "-": _arithmetic("({a} - {b})"),
    "*": _arithmetic("({a} * {b})"),
    "/": _arithmetic("({a} / nullif(CAST({b} AS DOUBLE), 0))", decimal=True),
    "&": concatenate,
    "in": member_of,
    "contains": lambda model, left, right: member_of(model, right, left),
}
