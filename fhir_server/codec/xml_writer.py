"""A resource as XML: https://hl7.org/fhir/R4/xml.html. Elements in the order of the definitions."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from fhir_server.codec import narrative
from fhir_server.codec.xml_shapes import COMPLEX, FHIR, NARRATIVE, PRIMITIVE, Child, Shape, Shapes
from fhir_server.core.errors import FhirError, error

_SPECIAL = re.compile('[&<>"\x00-\x1f\ud800-\udfff\ufffe\uffff]')
_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\t": "&#9;", "\n": "&#10;", "\r": "&#13;"}


class Writer:
    """Writes one resource; parts: the pieces of the document so far."""

    def __init__(self, shapes: Shapes, pretty: bool) -> None:
        self.shapes = shapes
        self.pretty = pretty
        self.parts: list[str] = ['<?xml version="1.0" encoding="UTF-8"?>']
        self.path: list[str] = []

    def document(self, resource: dict[str, Any]) -> bytes:
        """The whole document."""
        self.resource(resource, f' xmlns="{FHIR}"', "\n" if self.pretty else "")
        return "".join(self.parts).encode()

    def resource(self, resource: Any, namespace: str, indent: str) -> None:
        """The element of a resource."""
        name = resource.get("resourceType") if isinstance(resource, dict) else None
        if not isinstance(name, str) or not self.shapes.definitions.is_resource(name):
            raise self.problem("is no resource with a known resourceType")
        self.path.append(name)
        self.parts.append(f"{indent}<{name}{namespace}>")
        self.content(resource, self.shapes.of(name), self.deeper(indent))
        self.parts.append(f"{indent}</{name}>")
        self.path.pop()

    def content(self, node: dict[str, Any], shape: Shape, indent: str) -> None:
        """The elements inside a resource, a complex element or a primitive."""
        known = shape.children
        present: dict[int, Child] = {}
        for name in node:
            child = known.get(name)
            if child is not None:
                present[child.position] = child
            elif name not in shape.attributes and name != "resourceType":
                raise self.problem(f"has no element {name} in R4")
        for position in sorted(present):
            child = present[position]
            name = child.name
            self.path.append(name)
            value, extra = node.get(name), node.get("_" + name)
            if not child.repeats:
                self.element(child, value, extra, indent)
            elif not isinstance(value or [], list) or not isinstance(extra or [], list):
                raise self.problem("must be an array")
            else:
                self.elements(child, value or [], extra or [], indent)
            self.path.pop()

    def elements(self, child: Child, values: list[Any], extras: list[Any], indent: str) -> None:
        """A repeating element."""
        if not extras:
            for value in values:
                self.element(child, value, None, indent)
            return
        count = max(len(values), len(extras))
        padded = (array + [None] * (count - len(array)) for array in (values, extras))
        for value, extra in zip(*padded, strict=True):
            self.element(child, value, extra, indent)

    def element(self, child: Child, value: Any, extra: Any, indent: str) -> None:
        """One element with its content."""
        name, kind = child.name, child.kind
        if kind == PRIMITIVE:
            if extra is None:
                self.parts.append(f'{indent}<{name} value="{self.text(value)}"/>')
                return
            shape = self.shapes.primitive
            stated = "" if value is None else f' value="{self.text(value)}"'
            self.complex(name, extra, shape, indent, stated)
        elif kind == COMPLEX:
            self.complex(name, value, self.shapes.of(child.type), indent, "")
        elif kind == NARRATIVE:
            self.parts.append(indent + self.narrative(value))
        else:
            self.parts.append(f"{indent}<{name}>")
            self.resource(value, "", self.deeper(indent))
            self.parts.append(f"{indent}</{name}>")

    def complex(self, name: str, node: Any, shape: Shape, indent: str, attributes: str) -> None:
        """An element with attributes and elements inside."""
        if not isinstance(node, dict):
            raise self.problem("must be an object")
        for attribute in ("id", "url"):
            if attribute in node and attribute in shape.attributes:
                attributes = f' {attribute}="{self.text(node[attribute])}"{attributes}'
        self.parts.append(f"{indent}<{name}{attributes}>")
        before = len(self.parts)
        self.content(node, shape, self.deeper(indent))
        if len(self.parts) == before:
            self.parts[-1] = f"{indent}<{name}{attributes}/>"
        else:
            self.parts.append(f"{indent}</{name}>")

    def text(self, value: Any) -> str:
        """A primitive's value, escaped for an attribute."""
        if isinstance(value, str):
            return _SPECIAL.sub(self.escaped, value) if _SPECIAL.search(value) else value
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, (int, float, Decimal)):
            return str(value)
        raise self.problem("must be a string, number or boolean")

    def escaped(self, found: re.Match[str]) -> str:
        """A character that XML can't have as it is."""
        escape = _ESCAPES.get(found[0])
        if escape is None:
            raise self.problem(f"has the character U+{ord(found[0]):04X}, which XML can't hold; ask for JSON")
        return escape

    def narrative(self, div: Any) -> str:
        """The XHTML of a narrative."""
        if not isinstance(div, str):
            raise self.problem("must be a string")
        try:
            return narrative.to_xml(div)
        except ValueError as problem:
            raise self.problem(f"can't be written as XML: {problem}; ask for JSON") from None

    def deeper(self, indent: str) -> str:
        """The indentation one level in."""
        return indent + "  " if indent else ""

    def problem(self, what: str) -> FhirError:
        """The error for what XML can't say, with its place."""
        path = ".".join(self.path)
        return error("not-acceptable", f"{path or 'The resource'} {what}.", expression=path)
