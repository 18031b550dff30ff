"""Filtering, projection and aggregation (https://hl7.org/fhirpath/#filtering-and-projection, #aggregates)."""

from __future__ import annotations

import functools
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from fhir_server.fhirpath import ast
from fhir_server.fhirpath.engine.conversion import boolean, only
from fhir_server.fhirpath.engine.distinct import Distinct
from fhir_server.fhirpath.engine.equality import order_of, ordered_value
from fhir_server.fhirpath.engine.frame import Frame
from fhir_server.fhirpath.engine.functions.function import ANY, Function, Run
from fhir_server.fhirpath.engine.items import Item, named, system_type_of
from fhir_server.fhirpath.engine.operators import calculate
from fhir_server.fhirpath.errors import FhirPathError
from fhir_server.fhirpath.model import Model

Items = list[Item]
Closure = Callable[[Frame], Items]


def _where(model: Model, frame: Frame, items: Items, criteria: Closure) -> Items:
    what = "The criterion of where()"
    return [
        item for index, item in enumerate(items) if boolean(model, criteria(frame.inner(item, index)), what) is True
    ]


def _select(model: Model, frame: Frame, items: Items, projection: Closure) -> Items:
    return [found for index, item in enumerate(items) for found in projection(frame.inner(item, index))]


def _repeat(model: Model, frame: Frame, items: Items, projection: Closure) -> Items:
    seen = Distinct(model, frame.shared.budget)
    found: Items = []
    todo = items
    while todo:
        produced = [new for item in todo for new in projection(frame.inner(item, 0))]
        todo = [new for new in produced if seen.add(new)]
        found.extend(todo)
        frame.shared.budget.spend(len(produced) + 1)
    return found


def _repeat_all(model: Model, frame: Frame, items: Items, projection: Closure) -> Items:
    found: Items = []
    todo = items
    while todo:
        todo = [new for item in todo for new in projection(frame.inner(item, 0))]
        found.extend(todo)
        frame.shared.budget.spend(len(todo) + 1)
    return found


def _coalesce(model: Model, frame: Frame, items: Items, *values: Closure) -> Items:
    for value in values:
        found = value(frame.branch())
        if found:
            return found
    return []


def _aggregate(model: Model, frame: Frame, items: Items, aggregator: Closure, initial: Closure | None = None) -> Items:
    total = initial(frame.branch()) if initial is not None else []
    for index, item in enumerate(items):
        inner = frame.inner(item, index)
        inner.total = total
        total = aggregator(inner)
    return total


def _prepare_sort(compiler: Any, call: ast.Call) -> Run:
    """Keys with their direction: `-key` negates, so that empty stays lowest; `key desc` turns the order around."""
    keys = []
    for argument in call.arguments:
        operator = argument.operator if isinstance(argument, ast.Polarity) else ""
        tree = argument.operand if isinstance(argument, ast.Polarity) and operator != "+" else argument
        keys.append((compiler.compile(tree), operator))

    def sort(model: Model, frame: Frame, items: Items, *closures: Closure) -> Items:
        if not keys:
            rows = [([ordered_value(model, item, "sort()")], item) for item in items]
            directions = [""]
        else:
            rows = [([_sort_key(model, key(frame.inner(item, 0))) for key, _ in keys], item) for item in items]
            directions = [direction for _, direction in keys]
        frame.shared.budget.spend(len(rows) * max(len(rows).bit_length(), 1))
        rows.sort(key=functools.cmp_to_key(lambda a, b: _compare_keys(a[0], b[0], directions)))
        return [item for _, item in rows]

    return sort


def _sort_key(model: Model, items: Items) -> Any:
    item = only(items, "A key of sort()")
    return None if item is None else ordered_value(model, item, "sort()")


def _compare_keys(left: list[Any], right: list[Any], directions: list[str]) -> int:
    for a, b, direction in zip(left, right, directions, strict=True):
        if a is None or b is None:
            order = (a is not None) - (b is not None)
            order = -order if direction == "desc" else order
        else:
            order = order_of(a, b, "sort()") or 0
            order = -order if direction in ("-", "desc") else order
        if order:
            return order
    return 0


def _same_type(model: Model, items: Items, what: str) -> list[Any]:
    values = [ordered_value(model, item, what) for item in items]
    values = [value for value in values if value is not None]
    types = {system_type_of(value) for value in values}
    if len(types) > 1:
        raise FhirPathError("execution", f"{what} needs items of one type, but there are {', '.join(sorted(types))}")
    return values


def _sum(model: Model, frame: Frame, items: Items) -> Items:
    values = _same_type(model, items, "sum()")
    return [] if not values else _total(values, "sum()")


def _total(values: list[Any], what: str) -> Items:
    total = values[0]
    for value in values[1:]:
        result = calculate("+", total, value)
        if result is None or isinstance(total, str):
            raise FhirPathError("execution", f"{what} does not apply to {named(system_type_of(value))}")
        if not result:
            return []
        total = result[0]
    return [total]


def _average(model: Model, frame: Frame, items: Items) -> Items:
    values = [
        Decimal(value) if isinstance(value, int) and not isinstance(value, bool) else value
        for value in _same_type(model, items, "avg()")
    ]
    total = _total(values, "avg()") if values else []
    return (calculate("/", total[0], Decimal(len(values))) or []) if total else []


def _extreme(name: str, wanted: int) -> Run:
    def run(model: Model, frame: Frame, items: Items) -> Items:
        values = _same_type(model, items, f"{name}()")
        if not values:
            return []
        found = values[0]
        for value in values[1:]:
            order = order_of(value, found, f"{name}()")
            if order is None:
                return []
            if order == wanted:
                found = value
        return [found]

    return run


FUNCTIONS = {
    "where": Function(_where, 1, 1, scoped=True),
    "select": Function(_select, 1, 1, scoped=True),
    "repeat": Function(_repeat, 1, 1, scoped=True),
    "repeatAll": Function(_repeat_all, 1, 1, scoped=True),
    "coalesce": Function(_coalesce, 1, ANY, scoped=True),
    "aggregate": Function(_aggregate, 1, 2, scoped=True),
    "sort": Function(_select, 0, ANY, scoped=True, prepare=_prepare_sort),
    "sum": Function(_sum),
    "avg": Function(_average),
    "min": Function(_extreme("min", -1)),
    "max": Function(_extreme("max", 1)),
    "is": Function(_select, 1, 1, type_argument=True),
    "as": Function(_select, 1, 1, type_argument=True),
    "ofType": Function(_select, 1, 1, type_argument=True),
}
