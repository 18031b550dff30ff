"""XML from outside to a resource: one pass over expat's events, with a frame for each open element.

What R4 does not have is noted and passed over, so that one reading tells all of it; where it stood, the resource has
something that no check takes for right.
"""

from __future__ import annotations

import re
from typing import Any
from xml.parsers import expat

from fhir_server.codec import narrative, xml_problems
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
from fhir_server.core.errors import FhirError, Issue, error

_SCHEMA_HINTS = "http://www.w3.org/2001/XMLSchema-instance "  # xsi:schemaLocation and the like say nothing to us
_NUMBERS = {
    INTEGER: re.compile(r"-?(0|[1-9][0-9]*)\Z"),
    DECIMAL: re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?\Z"),
}
_WIDE = (b"\xff\xfe", b"\xfe\xff", b"\x00", b"<\x00")  # how UTF-16 and UTF-32 begin
ENOUGH = 100  # problems after which a document is not read any further
_TAG = re.compile(rb"""<(?:"[^"]*"|'[^']*'|[^"'>])*>""")


class _Enough(Exception):
    """Ends the reading of a document that has too many problems."""


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
    """Reads one document; problems: what kept it from being a resource of R4."""

    def __init__(self, shapes: Shapes) -> None:
        self.shapes = shapes
        self.frames: list[_Frame] = []
        self.resource: dict[str, Any] = {}
        self.problems: list[Issue] = []
        self.namespaces: list[tuple[str, str]] = []  # (prefix, URI) in scope
        self.depth = 0  # inside a narrative's div, or inside what is passed over
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
        """The resource of the whole document, or what can be read of it; FhirError where that is nothing."""
        self.data = data
        if data.startswith(_WIDE):
            raise error("malformed", "The body is UTF-16 or UTF-32; FHIR is sent as UTF-8.")
        try:
            self.parser.Parse(data, True)
        except expat.ExpatError as cause:
            raise self.not_xml(cause) from None
        except _Enough:
            return self.frames[0].node
        return self.resource

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """An element opens."""
        namespace, _, local = name.rpartition(" ")
        if not self.frames:
            self.open_resource(None, namespace, local, attributes)
            return
        if len(self.frames) > MAX_DEPTH:
            raise self.fatal(f"The XML is nested too deep; at most {MAX_DEPTH} levels are taken.")
        top = self.frames[-1]
        if top.shape is None:
            if top.node:
                self.skip(f"<{local}> is one resource too many here; one element holds one resource.")
                return
            self.open_resource(top.child, namespace, local, attributes)
            return
        child = top.shape.children.get(local)
        if child is None or child.name != local:
            self.skip(xml_problems.unknown_element(local, top.shape), f".{local}")
            if local[:1] != "_":
                top.node.setdefault(local, "")
            return
        if namespace != (XHTML if child.kind == NARRATIVE else FHIR):
            self.skip(xml_problems.wrong_namespace(namespace, child), self.step(top, child))
            self.put(top, child, None)
            return
        if child.order <= top.order and (child.order < top.order or not child.repeats):
            if not child.repeats and (child.order == top.order or child.name in top.node):
                self.skip(xml_problems.misplaced(child, top.shape, top.order), self.step(top, child))
                return
            self.note(xml_problems.misplaced(child, top.shape, top.order), self.step(top, child))
        else:
            top.order = child.order
        if child.kind == PRIMITIVE:
            self.open_primitive(child, attributes)
        elif child.kind == COMPLEX:
            shape = self.shapes.of(child.type)
            if attributes and not attributes.keys() <= shape.attributes:
                attributes = self.known(local, attributes, shape.attributes, self.step(top, child))
            self.frames.append(_Frame(child, shape, dict(attributes)))
        elif child.kind == RESOURCE:
            if attributes:
                self.known(local, attributes, frozenset(), self.step(top, child))
            self.frames.append(_Frame(child, None, {}))
        else:
            self.open_division(child)

    def open_resource(self, child: Child | None, namespace: str, name: str, attributes: dict[str, str]) -> None:
        """The element of a resource opens."""
        if namespace != FHIR or not self.shapes.definitions.is_resource(name):
            wrong = xml_problems.wrong_resource(name, namespace, self.shapes.definitions)
            if child is None:
                raise self.fatal(wrong)
            self.skip(wrong)
            self.frames[-1].node["resource"] = None
            return
        if unknown := {each: "" for each in attributes if not each.startswith(_SCHEMA_HINTS)}:
            self.known(name, unknown, frozenset(), "" if child is not None else name)
        self.frames.append(_Frame(child, self.shapes.of(name), {"resourceType": name}))

    def open_primitive(self, child: Child, attributes: dict[str, str]) -> None:
        """The element of a primitive opens."""
        value = attributes.pop("value", None)
        if attributes and attributes.keys() != {"id"}:
            where = self.step(self.frames[-1], child)
            attributes = self.known(child.name, attributes, frozenset({"id", "value"}), where)
        if value is not None and child.value != STRING:
            value = self.converted(child, value)
        self.frames.append(_Frame(child, self.shapes.primitive, attributes, value))

    def converted(self, child: Child, text: str) -> Any:
        """A boolean or number in its JSON type; a decimal keeps its digits. What is none stays text."""
        where = self.step(self.frames[-1], child)
        if child.value == BOOLEAN:
            if text in ("true", "false"):
                return text == "true"
            self.note(f'<{child.name} value="{text[:40]}"/> is no boolean; write true or false.', where)
            return text
        if _NUMBERS[child.value].match(text):
            try:
                return decode(text.encode())
            except (ValueError, ArithmeticError):
                pass
        kind = "decimal" if child.value == DECIMAL else "integer"
        self.note(f'<{child.name} value="{text[:40]}"/> is no {kind} that can be kept.', where)
        return text

    def end(self, _: str) -> None:
        """An element closes: what it holds goes to the one around it."""
        frame = self.frames.pop()
        node: Any = frame.node
        child = frame.child
        if frame.extended is not None:
            _align(node, frame.extended)
        if not self.frames:
            self.resource = node
            return
        top = self.frames[-1]
        if frame.shape is not None and top.shape is None:
            top.node["resource"] = node
            return
        assert child is not None
        if child.kind == PRIMITIVE:
            self.close_primitive(top, child, frame.value, node)
            return
        if not node:
            content = "put a resource inside" if frame.shape is None else "give it content"
            self.note(f"<{child.name}> is empty; {content} or leave it out.", self.step(top, child))
        self.put(top, child, node if frame.shape is not None else node.get("resource"))

    def put(self, top: _Frame, child: Child, value: Any) -> None:
        """A child's value goes to the element around it."""
        if child.repeats:
            top.node.setdefault(child.name, []).append(value)
        else:
            top.node[child.name] = value

    def close_primitive(self, top: _Frame, child: Child, value: Any, extra: dict[str, Any]) -> None:
        """The element of a primitive closes; extra holds its id and extensions."""
        name, node = child.name, top.node
        empty = value is None and not extra
        if empty:
            self.note(f"<{name}> is empty; give it a value attribute or leave it out.", self.step(top, child))
        if not child.repeats:
            if value is not None or empty:
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
        self.depth = 1
        self.division_starts = self.parser.CurrentByteIndex
        parser = self.parser
        parser.StartElementHandler = self.start_inside_division
        parser.EndElementHandler = lambda _: self.end_inside_division(child)
        parser.CharacterDataHandler = None

    def start_inside_division(self, name: str, attributes: dict[str, str]) -> None:
        """An element of a narrative opens."""
        self.depth += 1

    def end_inside_division(self, child: Child) -> None:
        """An element of a narrative closes, the div itself at last."""
        self.depth -= 1
        if self.depth:
            return
        self.resume()
        parser, data, start = self.parser, self.data, self.division_starts
        start_tag = _TAG.match(data, start)
        assert start_tag is not None
        empty = start_tag[0].endswith(b"/>")
        stop = start_tag.end() if empty else data.index(b">", parser.CurrentByteIndex) + 1
        try:
            self.frames[-1].node[child.name] = narrative.from_xml(data[start:stop].decode(), dict(self.namespaces))
        except ValueError as problem:
            self.note(f"The narrative can't be read: {problem}", f".{child.name}")
            self.frames[-1].node[child.name] = None

    def namespace(self, prefix: str | None, uri: str) -> None:
        """A prefix is declared."""
        self.namespaces.append((prefix or "", uri or ""))

    def text(self, data: str) -> None:
        """Text between elements: R4 has none outside of narratives."""
        if not data.isspace():
            self.note(f"The text {data.strip()[:40]!r} stands between elements; values belong into value attributes.")

    def doctype(self, *_: Any) -> None:
        """A DOCTYPE, and with it entities."""
        raise self.fatal("The XML has a DOCTYPE; leave it out: DTDs and entities are not read.")

    def skip(self, message: str, inside: str = "") -> None:
        """Notes a problem of the element that opens, and passes over the element."""
        self.note(message, inside)
        self.depth = 1
        parser = self.parser
        parser.StartElementHandler = self.start_inside_division
        parser.EndElementHandler = lambda _: self.end_skipped()
        parser.CharacterDataHandler = None

    def end_skipped(self) -> None:
        """An element of what is passed over closes, or that itself."""
        self.depth -= 1
        if not self.depth:
            self.resume()

    def resume(self) -> None:
        """The next element is one of R4's again."""
        parser = self.parser
        parser.StartElementHandler = self.start
        parser.EndElementHandler = self.end
        parser.CharacterDataHandler = self.text

    def step(self, top: _Frame, child: Child) -> str:
        """The path from an open element to the child that comes next."""
        return f".{child.element}[{len(top.node.get(child.name, ()))}]" if child.repeats else f".{child.element}"

    def path(self) -> str:
        """The FHIRPath of the innermost open element."""
        steps: list[str] = []
        for outer, frame in zip([None, *self.frames], self.frames, strict=False):
            if frame.child is None or outer is None:
                steps.append(frame.node.get("resourceType", ""))
            elif outer.shape is not None:
                steps.append(self.step(outer, frame.child))
        return "".join(steps)

    def note(self, message: str, inside: str = "") -> None:
        """Keeps a problem at this place of the document; inside: the path from the innermost open element."""
        self.problems += self.fatal(message, inside).issues
        if len(self.problems) >= ENOUGH and self.frames:
            raise _Enough

    def fatal(self, message: str, inside: str = "") -> FhirError:
        """The error malformed at this place of the document."""
        path = self.path()
        line = f"line {self.parser.CurrentLineNumber}, column {self.parser.CurrentColumnNumber + 1}"
        where = f"{line}, in {path}" if path else line
        return error("malformed", f"{message} ({where})", expression=path + inside, location=line)

    def known(self, name: str, attributes: dict[str, str], known: frozenset[str], inside: str) -> dict[str, str]:
        """The attributes without those that an element does not have, which are noted."""
        self.note(xml_problems.unknown_attribute(name, attributes, known), inside)
        return {each: value for each, value in attributes.items() if each in known}

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


def _align(node: dict[str, Any], names: list[str]) -> None:
    """Fills the arrays of values and of extensions to one length; values that are all missing are left out."""
    for name in names:
        values, extras = node[name], node["_" + name]
        extras.extend([None] * (len(values) - len(extras)))
        if not any(value is not None for value in values):
            del node[name]
