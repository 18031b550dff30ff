"""Existence (https://hl7.org/fhirpath/#existence)."""

from __future__ import annotations

from collections.abc import Callable

from fhir_server.fhirpath.engine.conversion import boolean, strict_boolean
from fhir_server.fhirpath.engine.distinct import Distinct
from fhir_server.fhirpath.engine.frame import Frame
from fhir_server.fhirpath.engine.functions.function import Function, Run
from fhir_server.fhirpath.engine.items import Item
from fhir_server.fhirpath.engine.operators import united
from fhir_server.fhirpath.model import Model

Items = list[Item]
Closure = Callable[[Frame], Items]


def _empty(model: Model, frame: Frame, items: Items) -> Items:
    return [not items]


def _exists(model: Model, frame: Frame, items: Items, criteria: Closure | None = None) -> Items:
    if criteria is None:
        return [bool(items)]
    return [any(_holds(model, frame, item, index, criteria, "exists()") for index, item in enumerate(items))]


def _holds(model: Model, frame: Frame, item: Item, index: int, criteria: Closure, what: str) -> bool:
    return boolean(model, criteria(frame.inner(item, index)), f"The criterion of {what}") is True


def _all(model: Model, frame: Frame, items: Items, criteria: Closure) -> Items:
    return [all(_holds(model, frame, item, index, criteria, "all()") for index, item in enumerate(items))]


def _booleans(name: str, decide: Callable[[list[bool]], bool]) -> Run:
    def run(model: Model, frame: Frame, items: Items) -> Items:
        values = [strict_boolean(model, item, f"{name}()") for item in items]
        return [decide([value for value in values if value is not None])]

    return run


def _contained_in(model: Model, frame: Frame, items: Items, others: Items) -> Items:
    seen = Distinct(model, frame.shared.budget)
    for other in others:
        seen.add(other)
    return [all(item in seen for item in items)]


def _superset_of(model: Model, frame: Frame, items: Items, others: Items) -> Items:
    return _contained_in(model, frame, others, items)


def _count(model: Model, frame: Frame, items: Items) -> Items:
    return [len(items)]


def _distinct(model: Model, frame: Frame, items: Items) -> Items:
    return united(model, frame, items)


def _is_distinct(model: Model, frame: Frame, items: Items) -> Items:
    return [len(united(model, frame, items)) == len(items)]


def _not(model: Model, frame: Frame, items: Items) -> Items:
    value = boolean(model, items, "not()")
    return [] if value is None else [not value]


FUNCTIONS = {
    "empty": Function(_empty),
    "exists": Function(_exists, 0, 1, scoped=True),
    "all": Function(_all, 1, 1, scoped=True),
    "allTrue": Function(_booleans("allTrue", all)),
    "anyTrue": Function(_booleans("anyTrue", any)),
    "allFalse": Function(_booleans("allFalse", lambda values: not any(values))),
    "anyFalse": Function(_booleans("anyFalse", lambda values: not all(values))),
    "subsetOf": Function(_contained_in, 1, 1),
    "supersetOf": Function(_superset_of, 1, 1),
    "count": Function(_count),
    "distinct": Function(_distinct),
    "isDistinct": Function(_is_distinct),
    "not": Function(_not),
}
