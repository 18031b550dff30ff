"""XML from outside to a resource: one pass over expat's events, with a frame for each open element."""

from __future__ import annotations

import difflib
import re
from typing import Any
from xml.parsers import expat

from fhir_server.codec import narrative
from fhir_server.codec.json import MAX_DEPTH, decode
from fhir_server.codec.xml_shapes import (
    BOOLEAN,
    COMPLEX,
    DECIMAL,
    FHIR,
    INTEGER,
    NARRATIVE,
    PRIMITIVE,
    RESOURCE,
    STRING,
    XHTML,
    Child,
    Shape,
    Shapes,
)
from fhir_server.core.errors import FhirError, error

_SCHEMA_HINTS = "http://www.w3.org/2001/XMLSchema-instance "  # xsi:schemaLocation and the like say nothing to us
_NUMBERS = {
    INTEGER: re.compile(r"-?(0|[1-9][0-9]*)\Z"),
    DECIMAL: re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?\Z"),
}
_WIDE = (b"\xff\xfe", b"\xfe\xff", b"\x00", b"<\x00")  # how UTF-16 and UTF-32 begin
_TAG = re.compile(rb"""<(?:"[^"]*"|'[^']*'|[^"'>])*>""")


class _Frame:
    """An open element: shape None inside one that holds a resource; node is filled while its children close."""

    __slots__ = ("child", "extended", "node", "order", "shape", "value")

    def __init__(self, child: Child | None, shape: Shape | None, node: dict[str, Any], value: Any = None) -> None:
        self.child = child
        self.shape = shape
        self.node = node
        self.value = value
        self.order = -1  # of the last child seen
        self.extended: list[str] | None = None  # repeating primitives with an id or extensions


class Reader:
    """Reads one document."""

    def __init__(self, shapes: Shapes) -> None:
        self.shapes = shapes
        self.frames: list[_Frame] = []
        self.resource: dict[str, Any] = {}
        self.namespaces: list[tuple[str, str]] = []  # (prefix, URI) in scope
        self.division = 0  # depth inside a narrative's div
        self.division_starts = 0
        self.data = b""
        # The parser reads UTF-8 whatever the document declares: R4 allows no other.
        parser = self.parser = expat.ParserCreate("utf-8", " ")
        parser.buffer_text = True
        parser.StartElementHandler = self.start
        parser.EndElementHandler = self.end
        parser.CharacterDataHandler = self.text
        parser.StartDoctypeDeclHandler = self.doctype
        parser.StartNamespaceDeclHandler = self.namespace
        parser.EndNamespaceDeclHandler = lambda _: self.namespaces.pop()

    def document(self, data: bytes) -> dict[str, Any]:
        """The resource of the whole document."""
        self.data = data
        if data.startswith(_WIDE):
            raise error("malformed", "The body is UTF-16 or UTF-32; FHIR is sent as UTF-8.")
        try:
            self.parser.Parse(data, True)
        except expat.ExpatError as cause:
            raise self.not_xml(cause) from None
        return self.resource

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """An element opens."""
        namespace, _, local = name.rpartition(" ")
        if not self.frames:
            self.open_resource(None, namespace, local, attributes)
            return
        if len(self.frames) > MAX_DEPTH:
            raise self.problem(f"The XML is nested too deep; at most {MAX_DEPTH} levels are taken.")
        top = self.frames[-1]
        if top.shape is None:
            if top.node:
                raise self.problem(f"<{local}> is one resource too many here; one element holds one resource.")
            self.open_resource(top.child, namespace, local, attributes)
            return
        child = top.shape.children.get(local)
        if child is None or child.name != local:
            raise self.unknown_element(local, top.shape)
        if namespace != (XHTML if child.kind == NARRATIVE else FHIR):
            raise self.wrong_namespace(local, namespace, child)
        if child.order <= top.order and (child.order < top.order or not child.repeats):
            raise self.misplaced(child, top)
        top.order = child.order
        if child.kind == PRIMITIVE:
            self.open_primitive(child, attributes)
        elif child.kind == COMPLEX:
            shape = self.shapes.of(child.type)
            if attributes and not attributes.keys() <= shape.attributes:
                raise self.unknown_attribute(local, attributes, shape.attributes)
            self.frames.append(_Frame(child, shape, dict(attributes)))
        elif child.kind == RESOURCE:
            if attributes:
                raise self.unknown_attribute(local, attributes, frozenset())
            self.frames.append(_Frame(child, None, {}))
        else:
            self.open_division(child)

    def open_resource(self, child: Child | None, namespace: str, name: str, attributes: dict[str, str]) -> None:
        """The element of a resource opens."""
        if namespace != FHIR:
            raise self.wrong_namespace(name, namespace, None)
        if not self.shapes.definitions.is_resource(name):
            hint = _nearest(name, self.shapes.definitions.resource_types)
            raise self.problem(f"<{name}> is no resource type of R4.{hint}")
        if unknown := [attribute for attribute in attributes if not attribute.startswith(_SCHEMA_HINTS)]:
            raise self.unknown_attribute(name, dict.fromkeys(unknown, ""), frozenset())
        self.frames.append(_Frame(child, self.shapes.of(name), {"resourceType": name}))

    def open_primitive(self, child: Child, attributes: dict[str, str]) -> None:
        """The element of a primitive opens."""
        value = attributes.pop("value", None)
        if attributes and attributes.keys() != {"id"}:
            raise self.unknown_attribute(child.name, attributes, frozenset({"id", "value"}))
        if value is not None and child.value != STRING:
            value = self.converted(child, value)
        self.frames.append(_Frame(child, self.shapes.primitive, attributes, value))

    def converted(self, child: Child, text: str) -> Any:
        """A boolean or number in its JSON type; a decimal keeps its digits."""
        if child.value == BOOLEAN:
            if text in ("true", "false"):
                return text == "true"
            raise self.problem(f'<{child.name} value="{text[:40]}"/> is no boolean; write true or false.')
        if _NUMBERS[child.value].match(text):
            try:
                return decode(text.encode())
            except (ValueError, ArithmeticError):
                pass
        kind = "decimal" if child.value == DECIMAL else "integer"
        raise self.problem(f'<{child.name} value="{text[:40]}"/> is no {kind} that can be kept.')

    def end(self, _: str) -> None:
        """An element closes: what it holds goes to the one around it."""
        frame = self.frames.pop()
        node, child = frame.node, frame.child
        if frame.extended is not None:
            _align(node, frame.extended)
        if not self.frames:
            self.resource = node
            return
        top = self.frames[-1]
        if frame.shape is None:
            if not node:
                raise self.problem(f"<{child.name}> is empty; put a resource inside or leave it out.")  # type: ignore[union-attr]
            node = node["resource"]
        elif top.shape is None:
            top.node["resource"] = node
            return
        assert child is not None
        if child.kind == PRIMITIVE:
            self.close_primitive(top, child, frame.value, node)
        elif not node:
            raise self.problem(f"<{child.name}> is empty; give it content or leave it out.")
        elif child.repeats:
            top.node.setdefault(child.name, []).append(node)
        else:
            top.node[child.name] = node

    def close_primitive(self, top: _Frame, child: Child, value: Any, extra: dict[str, Any]) -> None:
        """The element of a primitive closes; extra holds its id and extensions."""
        name, node = child.name, top.node
        if value is None and not extra:
            raise self.problem(f"<{name}> is empty; give it a value attribute or leave it out.")
        if not child.repeats:
            if value is not None:
                node[name] = value
            if extra:
                node["_" + name] = extra
            return
        values = node.setdefault(name, [])
        values.append(value)
        if extra:
            extras = node.setdefault("_" + name, [])
            if not extras:
                top.extended = [*(top.extended or ()), name]
            extras.extend([None] * (len(values) - 1 - len(extras)))
            extras.append(extra)

    def open_division(self, child: Child) -> None:
        """A narrative begins: its letters are taken from the document when it ends."""
        self.division = 1
        self.division_starts = self.parser.CurrentByteIndex
        parser = self.parser
        parser.StartElementHandler = self.start_inside_division
        parser.EndElementHandler = lambda _: self.end_inside_division(child)
        parser.CharacterDataHandler = None

    def start_inside_division(self, name: str, attributes: dict[str, str]) -> None:
        """An element of a narrative opens."""
        self.division += 1

    def end_inside_division(self, child: Child) -> None:
        """An element of a narrative closes, the div itself at last."""
        self.division -= 1
        if self.division:
            return
        parser, data, start = self.parser, self.data, self.division_starts
        parser.StartElementHandler = self.start
        parser.EndElementHandler = self.end
        parser.CharacterDataHandler = self.text
        start_tag = _TAG.match(data, start)
        assert start_tag is not None
        empty = start_tag[0].endswith(b"/>")
        stop = start_tag.end() if empty else data.index(b">", parser.CurrentByteIndex) + 1
        try:
            self.frames[-1].node[child.name] = narrative.from_xml(data[start:stop].decode(), dict(self.namespaces))
        except ValueError as problem:
            raise self.problem(f"The narrative can't be read: {problem}") from None

    def namespace(self, prefix: str | None, uri: str) -> None:
        """A prefix is declared."""
        self.namespaces.append((prefix or "", uri or ""))

    def text(self, data: str) -> None:
        """Text between elements: R4 has none outside of narratives."""
        if not data.isspace():
            raise self.problem(
                f"The text {data.strip()[:40]!r} stands between elements; values belong into value attributes."
            )

    def doctype(self, *_: Any) -> None:
        """A DOCTYPE, and with it entities."""
        raise self.problem("The XML has a DOCTYPE; leave it out: DTDs and entities are not read.")

    def path(self) -> str:
        """The FHIRPath of the innermost open element."""
        steps: list[str] = []
        for outer, frame in zip([None, *self.frames], self.frames, strict=False):
            if frame.child is None or (outer is not None and outer.shape is None):
                if not steps:
                    steps.append(frame.node.get("resourceType", ""))
                continue
            before = len(outer.node.get(frame.child.name, ())) if outer is not None and frame.child.repeats else None
            steps.append(frame.child.name if before is None else f"{frame.child.name}[{before}]")
        return ".".join(steps)

    def problem(self, message: str, inside: str = "") -> FhirError:
        """The error malformed at this place of the document."""
        path = self.path() + inside
        line = f"line {self.parser.CurrentLineNumber}, column {self.parser.CurrentColumnNumber + 1}"
        where = f"{line}, in {path}" if path else line
        return error("malformed", f"{message} ({where})", expression=path, location=line)

    def not_xml(self, cause: expat.ExpatError) -> FhirError:
        """The error for what is no XML at all."""
        if not self.data.strip():
            return error("malformed", "The body is empty; a resource in XML is expected.")
        reason = expat.ErrorString(cause.code)
        if reason == expat.errors.XML_ERROR_UNDEFINED_ENTITY:
            reason += narrative.instead_of_entity(self.data, self.parser.ErrorByteIndex)
        try:
            self.data.decode()
        except UnicodeDecodeError:
            reason = f"{reason}; FHIR is sent as UTF-8, and this is not"
        line = f"line {cause.lineno}, column {cause.offset + 1}"
        return error("malformed", f"The body is not XML: {reason} ({line})", location=line)

    def unknown_element(self, name: str, shape: Shape) -> FhirError:
        """The error for an element that the type does not have."""
        known = [child.name for child in shape.children.values()]
        if name in shape.attributes:
            return self.problem(f"{name} is an attribute of the element around it, not an element.")
        spelled = next((child for child in known if child.startswith(name) and child[len(name) :][:1].isupper()), "")
        hint = f" Did you mean {spelled}?" if spelled else _nearest(name, known)
        return self.problem(f"{shape.name} has no element {name}.{hint}")

    def unknown_attribute(self, name: str, attributes: dict[str, str], known: frozenset[str]) -> FhirError:
        """The error for an attribute that the element does not have."""
        attribute = next(a for a in attributes if a not in known)
        allowed = f"only {' and '.join(sorted(known))}" if known else "no attributes"
        return self.problem(f"<{name}> has an attribute {attribute.rpartition(' ')[2]}; R4 gives it {allowed}.")

    def wrong_namespace(self, name: str, namespace: str, child: Child | None) -> FhirError:
        """The error for an element of another namespace."""
        right = XHTML if child is not None and child.kind == NARRATIVE else FHIR
        stated = f"the namespace {namespace}" if namespace else "no namespace"
        if child is None and not self.shapes.definitions.is_resource(name):
            return self.problem(
                f'<{name}> has {stated} and is no resource of R4, which begins like <Patient xmlns="{FHIR}">.'
            )
        return self.problem(f'<{name}> has {stated}; write <{name} xmlns="{right}">.')

    def misplaced(self, child: Child, top: _Frame) -> FhirError:
        """The error for an element that comes too late or twice."""
        assert top.shape is not None
        last = next(c for c in top.shape.children.values() if c.order == top.order)
        if child.order == top.order:
            return self.problem(f"<{child.name}> comes twice, or in two types; {top.shape.name} takes one.")
        return self.problem(f"<{child.name}> comes too late: its place is before <{last.name}>.")


def _align(node: dict[str, Any], names: list[str]) -> None:
    """Fills the arrays of values and of extensions to one length; values that are all missing are left out."""
    for name in names:
        values, extras = node[name], node["_" + name]
        extras.extend([None] * (len(values) - len(extras)))
        if not any(value is not None for value in values):
            del node[name]


def _nearest(name: str, known: Any) -> str:
    near = difflib.get_close_matches(name, list(known), 1)
    return f" Did you mean {near[0]}?" if near else ""
