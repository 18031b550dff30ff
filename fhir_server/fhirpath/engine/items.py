"""What collections hold: Nodes of a resource, and plain values of the System types.

A System value is a bool, int, Long, Decimal, str, Temporal or Quantity. A Node is an element with its FHIR type and its
place. A TypeInfo is what type() yields.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, NamedTuple

from fhir_server.fhirpath.errors import FhirPathError
from fhir_server.fhirpath.model import ChildElement, Model
from fhir_server.fhirpath.numbers import Long
from fhir_server.fhirpath.quantity import Quantity, from_fhir
from fhir_server.fhirpath.temporal import Temporal, parse_date, parse_date_time, parse_time

Json = dict[str, Any]


class TypeInfo(NamedTuple):
    """What type() yields; its members can be navigated."""

    namespace: str
    name: str
    base: str


class Node:
    """An element.

    value: an object, or a primitive's JSON value, None where it has none; twin: the `_name` object of a primitive;
    parent, name, index: its place; index is -1 for what does not repeat.
    """

    __slots__ = ("index", "name", "parent", "twin", "type", "value")

    def __init__(
        self,
        type_name: str,
        value: Any,
        twin: Json | None = None,
        parent: Node | None = None,
        name: str = "",
        index: int = -1,
    ) -> None:
        self.type = type_name
        self.value = value
        self.twin = twin
        self.parent = parent
        self.name = name
        self.index = index

    def __repr__(self) -> str:
        return f"Node({self.path}: {self.type})"

    @property
    def path(self) -> str:
        """The FHIRPath that leads to just this element: Patient.name[0].given[1]."""
        parts = []
        node: Node | None = self
        while node is not None:
            if node.parent is None:
                parts.append(node.name or node.type)
            else:
                parts.append(node.name if node.index < 0 else f"{node.name}[{node.index}]")
            node = node.parent
        return ".".join(reversed(parts))


Item = Node | TypeInfo | bool | int | Decimal | str | Temporal | Quantity


def resource_node(resource: Json, name: str = "") -> Node:
    """The Node of a whole resource."""
    return Node(resource.get("resourceType", "Resource"), resource, name=name)


def _shape_error(parent: Node, name: str, expected: str) -> FhirPathError:
    return FhirPathError("execution", f"{parent.path}.{name} should be {expected}; validate the resource first")


def child_nodes(model: Model, parent: Node, child: ChildElement, found: list[Item]) -> None:
    """Appends the Nodes of one child element, of whichever type it has."""
    value = parent.value
    for type_name, json_name in child.alternatives:
        primitive = model.is_primitive(type_name)
        content = value.get(json_name)
        twin = value.get("_" + json_name) if primitive else None
        if content is None and twin is None:
            continue
        if child.repeats:
            _repeated(model, parent, child.name, type_name, content, twin, found)
        elif primitive:
            if isinstance(content, (dict, list)) or not isinstance(twin, (dict, type(None))):
                raise _shape_error(parent, child.name, f"a {type_name}")
            found.append(Node(type_name, content, twin, parent, child.name))
        else:
            found.append(_complex(parent, child.name, type_name, content, -1))


def _repeated(
    model: Model, parent: Node, name: str, type_name: str, content: Any, twin: Any, found: list[Item]
) -> None:
    if not isinstance(content, (list, type(None))) or not isinstance(twin, (list, type(None))):
        raise _shape_error(parent, name, f"an array of {type_name}")
    if not model.is_primitive(type_name):
        found.extend(_complex(parent, name, type_name, item, index) for index, item in enumerate(content or ()))
        return
    values, twins = content or (), twin or ()
    for index in range(max(len(values), len(twins))):
        value = values[index] if index < len(values) else None
        other = twins[index] if index < len(twins) else None
        if isinstance(value, (dict, list)) or not isinstance(other, (dict, type(None))):
            raise _shape_error(parent, name, f"an array of {type_name}")
        found.append(Node(type_name, value, other, parent, name, index))


def _complex(parent: Node, name: str, type_name: str, content: Any, index: int) -> Node:
    if not isinstance(content, dict):
        raise _shape_error(parent, name, f"{'an array of ' if index >= 0 else 'a '}{type_name}")
    if type_name == "Resource":
        type_name = content.get("resourceType", type_name)
    return Node(type_name, content, None, parent, name, index)


def element_of_twin(node: Node) -> Node:
    """A primitive's id and extensions, as an Element at the primitive's place."""
    return Node("Element", node.twin, None, node.parent, node.name, node.index)


def members(model: Model, node: Node, name: str, found: list[Item]) -> None:
    """Appends the children of a Node that have this FHIRPath name."""
    if model.is_primitive(node.type):
        if name == "value":
            value = system_value(model, node)
            if value is not None:
                found.append(value)
            return
        if node.twin is None:
            return
        node = element_of_twin(node)
    child = model.child(node.type, name)
    if child is not None:
        child_nodes(model, node, child, found)


def children(model: Model, node: Node) -> list[Item]:
    """All children of a Node, in the order of the definition."""
    found: list[Item] = []
    if model.is_primitive(node.type):
        if node.twin is None:
            return found
        node = element_of_twin(node)
    for child in model.children(node.type).values():
        child_nodes(model, node, child, found)
    return found


_PARSERS = {"System.Date": parse_date, "System.DateTime": parse_date_time, "System.Time": parse_time}


def system_value(model: Model, item: Item) -> Any:
    """The System value that an item is, or converts to implicitly; None where there is none."""
    if not isinstance(item, Node):
        return None if isinstance(item, TypeInfo) else item
    value = item.value
    if value is None:
        return None
    type_name = model.system_type(item.type)
    if not type_name:
        return None
    if type_name == "System.Quantity":
        return from_fhir(value)
    parser = _PARSERS.get(type_name)
    if parser is not None:
        return parser(value) if isinstance(value, str) else None
    if type_name == "System.Decimal":
        return Decimal(str(value)) if isinstance(value, (int, float)) and not isinstance(value, bool) else value
    return value


def system_type_of(value: Any) -> str:
    """The name of a System value's type, without the namespace."""
    for python_type, name in _SYSTEM_NAMES:
        if isinstance(value, python_type):
            return name
    return {"date": "Date", "dateTime": "DateTime", "time": "Time"}[value.kind]


_SYSTEM_NAMES: tuple[tuple[type, str], ...] = (
    (bool, "Boolean"),
    (Long, "Long"),
    (int, "Integer"),
    (Decimal, "Decimal"),
    (str, "String"),
    (Quantity, "Quantity"),
)


def type_name_of(item: Item) -> str:
    """The type of an item: "HumanName", "string", "System.String"."""
    if isinstance(item, Node):
        return item.type
    return "System.TypeInfo" if isinstance(item, TypeInfo) else f"System.{system_type_of(item)}"


def describe(items: list[Item]) -> str:
    """A short description of a collection for messages."""
    if not items:
        return "nothing"
    if len(items) == 1:
        return named(type_name_of(items[0]))
    return f"{len(items)} items"


def named(type_name: str) -> str:
    """A type with its article: an Integer, a HumanName."""
    name = type_name.removeprefix("System.")
    return f"{'an' if name[0] in 'AEIOaeio' else 'a'} {name}"
