"""Subsetting and combining (https://hl7.org/fhirpath/#subsetting, #combining)."""

from __future__ import annotations

from fhir_server.fhirpath.engine.conversion import only, single
from fhir_server.fhirpath.engine.distinct import Distinct
from fhir_server.fhirpath.engine.frame import Frame
from fhir_server.fhirpath.engine.functions.function import Function
from fhir_server.fhirpath.engine.items import Item
from fhir_server.fhirpath.engine.operators import united
from fhir_server.fhirpath.model import Model

Items = list[Item]


def _single(model: Model, frame: Frame, items: Items) -> Items:
    only(items, "single()")
    return items


def _first(model: Model, frame: Frame, items: Items) -> Items:
    return items[:1]


def _last(model: Model, frame: Frame, items: Items) -> Items:
    return items[-1:]


def _tail(model: Model, frame: Frame, items: Items) -> Items:
    return items[1:]


def _skip(model: Model, frame: Frame, items: Items, number: Items) -> Items:
    count = single(model, number, "Integer", "skip()")
    return [] if count is None else items[max(count, 0) :]


def _take(model: Model, frame: Frame, items: Items, number: Items) -> Items:
    count = single(model, number, "Integer", "take()")
    return [] if count is None else items[: max(count, 0)]


def _intersect(model: Model, frame: Frame, items: Items, others: Items) -> Items:
    wanted, seen = Distinct(model, frame.shared.budget), Distinct(model, frame.shared.budget)
    for other in others:
        wanted.add(other)
    return [item for item in items if item in wanted and seen.add(item)]


def _exclude(model: Model, frame: Frame, items: Items, others: Items) -> Items:
    unwanted = Distinct(model, frame.shared.budget)
    for other in others:
        unwanted.add(other)
    return [item for item in items if item not in unwanted]


def _union(model: Model, frame: Frame, items: Items, others: Items) -> Items:
    return united(model, frame, items, others)


def _combine(model: Model, frame: Frame, items: Items, others: Items, preserve_order: Items | None = None) -> Items:
    return items + others


FUNCTIONS = {
    "single": Function(_single),
    "first": Function(_first),
    "last": Function(_last),
    "tail": Function(_tail),
    "skip": Function(_skip, 1, 1),
    "take": Function(_take, 1, 1),
    "intersect": Function(_intersect, 1, 1),
    "exclude": Function(_exclude, 1, 1),
    "union": Function(_union, 1, 1),
    "combine": Function(_combine, 1, 2),
}
