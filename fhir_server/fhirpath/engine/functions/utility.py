"""Tree navigation and utility functions (https://hl7.org/fhirpath/#tree-navigation, #utility-functions)."""

from __future__ import annotations

from collections.abc import Callable

from fhir_server.fhirpath.engine.conversion import single
from fhir_server.fhirpath.engine.frame import Frame
from fhir_server.fhirpath.engine.functions.function import Function
from fhir_server.fhirpath.engine.items import Item, Node, TypeInfo, children, type_name_of
from fhir_server.fhirpath.engine.variables import RESERVED
from fhir_server.fhirpath.errors import FhirPathError
from fhir_server.fhirpath.model import Model

Items = list[Item]
Closure = Callable[[Frame], Items]


def _children(model: Model, frame: Frame, items: Items) -> Items:
    found = [child for item in items if isinstance(item, Node) for child in children(model, item)]
    frame.shared.budget.spend(len(found))
    return found


def descendants(model: Model, frame: Frame, items: Items) -> Items:
    """All elements below the items, each before those below it."""
    found: Items = []
    todo = [item for item in reversed(items) if isinstance(item, Node)]
    while todo:
        below = children(model, todo.pop())
        frame.shared.budget.spend(len(below) + 1)
        found.extend(below)
        todo.extend(child for child in reversed(below) if isinstance(child, Node))
    return found


def _trace(model: Model, frame: Frame, items: Items, name: Closure, projection: Closure | None = None) -> Items:
    trace = frame.shared.environment.trace
    if trace is None:
        return items
    label = single(model, name(frame.branch()), "String", "The name of trace()")
    shown = items
    if projection is not None:
        shown = [found for index, item in enumerate(items) for found in projection(frame.inner(item, index))]
    trace(label or "", [(type_name_of(item), _shown(model, item)) for item in shown])
    return items


def _shown(model: Model, item: Item) -> object:
    return item.value if isinstance(item, Node) else str(item)


def _define_variable(
    model: Model, frame: Frame, items: Items, name: Closure, projection: Closure | None = None
) -> Items:
    label = single(model, name(frame.branch()), "String", "The name of defineVariable()")
    if not label:
        raise FhirPathError("execution", "defineVariable() needs a name")
    if label in frame.variables or label in RESERVED or label in frame.shared.environment.variables:
        raise FhirPathError("execution", f"`%{label}` is defined already")
    if projection is None:
        value = items
    else:
        inner = Frame(items, frame.shared, frame.index, frame.total, frame.variables.copy())
        value = projection(inner)
    frame.variables[label] = value
    return items


def _path_name(model: Model, frame: Frame, items: Items, short: Items | None = None) -> Items:
    shortened = single(model, short, "Boolean", "The argument of pathname()") if short else False
    found: Items = []
    for item in items:
        if isinstance(item, Node):
            path = item.path
            if path.startswith("%"):
                continue
            found.append(path if shortened else _indexed(item))
    return found


def _indexed(node: Node) -> str:
    if node.parent is None:
        return node.path
    return f"{_indexed(node.parent)}.{node.name}[{max(node.index, 0)}]"


def _type(model: Model, frame: Frame, items: Items) -> Items:
    return [_type_info(model, item) for item in items]


def _type_info(model: Model, item: Item) -> TypeInfo:
    name = type_name_of(item)
    if name.startswith("System."):
        return TypeInfo("System", name[7:], "System.Any")
    base = model.base(name)
    return TypeInfo("FHIR", name, f"FHIR.{base}" if base else "System.Any")


def _now(model: Model, frame: Frame, items: Items) -> Items:
    return [frame.shared.now]


def _today(model: Model, frame: Frame, items: Items) -> Items:
    now = frame.shared.now
    return [now._replace(kind="date", parts=now.parts[:3], fraction="", offset=None)]


def _time_of_day(model: Model, frame: Frame, items: Items) -> Items:
    now = frame.shared.now
    return [now._replace(kind="time", parts=now.parts[3:], offset=None)]


FUNCTIONS = {
    "children": Function(_children),
    "descendants": Function(descendants),
    "trace": Function(_trace, 1, 2, scoped=True),
    "defineVariable": Function(_define_variable, 1, 2, scoped=True),
    "pathname": Function(_path_name, 0, 1),
    "type": Function(_type),
    "now": Function(_now),
    "today": Function(_today),
    "timeOfDay": Function(_time_of_day),
}
