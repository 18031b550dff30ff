"""What XML may hold inside a type, made from the definitions (https://hl7.org/fhir/R4/xml.html)."""

from __future__ import annotations

import functools
from typing import NamedTuple

from fhir_server.definitions import Definitions

FHIR = "http://hl7.org/fhir"
XHTML = "http://www.w3.org/1999/xhtml"

PRIMITIVE, COMPLEX, RESOURCE, NARRATIVE = range(4)
STRING, BOOLEAN, INTEGER, DECIMAL = range(4)

_JSON_TYPES = {"boolean": BOOLEAN, "integer": INTEGER, "decimal": DECIMAL}


class Child(NamedTuple):
    """An element that a type may have inside, one for each type of a choice.

    name: in JSON and XML; element: the same without a choice's type; position: of the property among all; order: of its
    element, the same for a choice's types; kind: PRIMITIVE | COMPLEX | RESOURCE | NARRATIVE; value: a
    primitive's type in JSON.
    """

    name: str
    element: str
    position: int
    order: int
    repeats: bool
    kind: int
    value: int
    type: str


class Shape:
    """A type in XML: its attributes, and the elements inside by their JSON name (`_name` too) in definition order."""

    __slots__ = ("attributes", "children", "name")

    def __init__(self, name: str, attributes: frozenset[str], children: dict[str, Child]) -> None:
        self.name = name
        self.attributes = attributes
        self.children = children


class Shapes:
    """The shapes of all types, each made when it is first needed."""

    def __init__(self, definitions: Definitions) -> None:
        self.definitions = definitions
        self._shapes: dict[str, Shape] = {}
        self.primitive = self.of("string")
        """What is inside a primitive: id, value and extensions."""

    def of(self, type_name: str) -> Shape:
        """The shape of a type that the definitions have."""
        shape = self._shapes.get(type_name)
        if shape is None:
            shape = self._shapes[type_name] = self._made(type_name)
        return shape

    def _made(self, type_name: str) -> Shape:
        definition = self.definitions.types[type_name]
        orders = {element.name: order for order, element in enumerate(definition.elements)}
        children: dict[str, Child] = {}
        attributes = {element.name for element in definition.elements if element.representation == "attribute"}
        for name, (element, reference, primitive) in self.definitions.properties(type_name).items():
            if name in attributes:
                continue
            kind, code = PRIMITIVE if primitive else COMPLEX, reference.code
            if code == "xhtml":
                kind = NARRATIVE
            elif code == "Resource":
                kind = RESOURCE
            value = next((_JSON_TYPES[a] for a in self.definitions.ancestors(code) if a in _JSON_TYPES), STRING)
            child = Child(name, element.name, len(children), orders[element.name], element.repeats, kind, value, code)
            children[name] = child
            if kind == PRIMITIVE:
                children["_" + name] = child
        return Shape(type_name, frozenset(attributes), children)


@functools.lru_cache(maxsize=8)
def shapes(definitions: Definitions) -> Shapes:
    """The shapes of these definitions."""
    return Shapes(definitions)
