"""Evaluating a compiled expression on an item."""

from __future__ import annotations

from typing import Any, NamedTuple

from fhir_server.fhirpath.engine.compile import Closure
from fhir_server.fhirpath.engine.conversion import boolean
from fhir_server.fhirpath.engine.frame import Budget, Frame, Shared
from fhir_server.fhirpath.engine.items import Item, Json, Node, TypeInfo, resource_node, type_name_of
from fhir_server.fhirpath.environment import DEFAULT, Environment
from fhir_server.fhirpath.errors import FhirPathError
from fhir_server.fhirpath.model import Model
from fhir_server.fhirpath.quantity import Quantity, to_fhir
from fhir_server.fhirpath.temporal import Temporal


class Result(NamedTuple):
    """One item of a result.

    type: a FHIR type, or a System type ("System.String") for what was computed; value: JSON, decimals as Decimal,
    None for an element that has extensions only; path: where it stands (Patient.name[0].given[1]), "" for what was
    computed; extension: the `_name` object of a primitive.
    """

    type: str
    value: Any
    path: str
    extension: Json | None = None

    @property
    def fhir_type(self) -> str:
        """The FHIR type: System.Boolean is boolean, System.DateTime is dateTime."""
        return fhir_type(self.type)


def fhir_type(type_name: str) -> str:
    """The FHIR type that a System type is written as: System.Boolean -> boolean."""
    if not type_name.startswith("System."):
        return type_name
    name = type_name[7:]
    if name in ("Quantity", "TypeInfo"):
        return name
    return "integer" if name == "Long" else name[0].lower() + name[1:]


def context_node(model: Model, item: Any, context_type: str) -> Item:
    """The item that an expression is evaluated on, with its type: a resource's own, else the one given."""
    if isinstance(item, dict) and "resourceType" in item and (not context_type or model.is_resource_type(context_type)):
        return resource_node(item)
    if context_type:
        return Node(context_type, item)
    if isinstance(item, dict):
        raise FhirPathError(
            "execution", "Say which type this object has: it is no resource, and no context type is given"
        )
    return item


def frame_for(
    model: Model,
    item: Any,
    context_type: str,
    root: Json | None,
    environment: Environment | None,
    budget: Budget | None = None,
) -> Frame:
    """The outermost frame. The resource is root, else the item where it is one."""
    environment = environment or DEFAULT
    context = context_node(model, item, context_type)
    resource = None
    if root is not None and root is not item:
        resource = resource_node(root)
    elif isinstance(context, Node) and isinstance(item, dict) and "resourceType" in item:
        resource = context
    container = resource_node(environment.container) if environment.container is not None else None
    this = [] if item is None else [context]
    return Frame(this, Shared(this, resource, container, environment, budget or Budget(environment)))


def is_true(model: Model, closure: Closure, frame: Frame) -> bool | None:
    """The result as a Boolean; None for empty."""
    return boolean(model, closure(frame), "The expression")


def plain(item: Item) -> Any:
    """An item's value as JSON; decimals stay Decimal."""
    if isinstance(item, Node):
        return item.value
    if isinstance(item, Quantity):
        return to_fhir(item)
    if isinstance(item, Temporal):
        return str(item)
    if isinstance(item, TypeInfo):
        return {"namespace": item.namespace, "name": item.name, "baseType": item.base}
    return item


def result(item: Item) -> Result:
    """An item as a Result."""
    if isinstance(item, Node):
        return Result(item.type, item.value, item.path, item.twin)
    return Result(type_name_of(item), plain(item), "")
