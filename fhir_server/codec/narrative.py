"""XHTML of narratives: kept letter for letter between JSON and XML (https://hl7.org/fhir/R4/narrative.html)."""

from __future__ import annotations

import html.entities
import re
from xml.parsers import expat
from xml.sax.saxutils import quoteattr

from lxml import etree  # pyright: ignore[reportAttributeAccessIssue]

from fhir_server.codec.xml_shapes import XHTML
from fhir_server.codec.xml_tree import parse_tree
from fhir_server.core.errors import FhirError

_ENTITY = re.compile(r"&([A-Za-z][A-Za-z0-9]*);")
_OF_XML = frozenset({"amp", "lt", "gt", "quot", "apos"})
NEAR = 4096  # bytes of a start tag, at whose beginning the parser sees a mistake in an attribute
_START = re.compile(r"<div(?=[\s/>])")
_START_TAG = re.compile(r"""<(?:"[^"]*"|'[^']*'|[^"'>])*>""")
_DEFAULT_NAMESPACE = re.compile(r"""\sxmlns\s*=\s*["']""")


def to_xml(div: str) -> str:
    """The narrative of JSON as an element to write into XML: as it is, unless it would break the document.

    HTML's own entities become characters and a missing namespace is added. ValueError where it is no single <div>.
    """
    problem = _problem(div)
    if problem and _ENTITY.search(div):
        div = _ENTITY.sub(_character, div)
        problem = _problem(div)
    if problem:
        raise ValueError(problem)
    div = div.strip()
    start = _START_TAG.match(div)
    if start and not _DEFAULT_NAMESPACE.search(start[0]):
        div = _START.sub(f'<div xmlns="{XHTML}"', div, count=1)
    return div


def from_xml(source: str, outer: dict[str, str]) -> str:
    """The narrative of XML as JSON has it: the letters of the document where they stand by themselves.

    outer: prefix -> namespace in scope; where the narrative leans on one, it is written anew without. ValueError where
    that can't be done.
    """
    start = _START_TAG.match(source)
    if start and _START.match(source) and _DEFAULT_NAMESPACE.search(start[0]):
        leans = (f"{prefix}:" in source and f"xmlns:{prefix}" not in start[0] for prefix in outer if prefix)
        if not any(leans):
            return source
    declarations = "".join(
        f" xmlns{':' + prefix if prefix else ''}={quoteattr(uri)}" for prefix, uri in outer.items() if prefix != "xml"
    )
    try:
        around = parse_tree(f"<around{declarations}>{source}</around>")
    except FhirError as problem:
        raise ValueError(str(problem)) from None
    return etree.tostring(_unprefixed(around[0]), encoding="unicode", with_tail=False)


def instead_of_entity(source: bytes, at: int) -> str:
    """What to write for an entity of HTML, the first from this byte on: "; write &#160; for &nbsp;"; "" for none."""
    for found in _ENTITY.finditer(source[at : at + NEAR].decode(errors="replace")):
        if found[1] not in _OF_XML:
            point = html.entities.name2codepoint.get(found[1])
            return f"; write &#{point}; for {found[0]}" if point else ""
    return ""


def _unprefixed(element: etree._Element) -> etree._Element:
    """A copy of the element whose XHTML names have no prefix and whose namespaces are its own."""
    copy = etree.Element(element.tag, dict(element.attrib), nsmap={None: XHTML})  # pyright: ignore[reportArgumentType]  None is the default namespace
    copy.text, copy.tail = element.text, element.tail
    copy.extend([_unprefixed(child) if isinstance(child.tag, str) else child for child in element])
    return copy


def _character(found: re.Match[str]) -> str:
    name = found[1]
    point = None if name in _OF_XML else html.entities.name2codepoint.get(name)
    return chr(point) if point else found[0]


def _problem(div: str) -> str:
    """Why a text is not one well-formed <div> element; "" where it is."""
    depth = 0
    wrong = ""

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth, wrong
        depth += 1
        if depth == 1 and name not in ("div", f"{XHTML} div"):
            wrong = f"its element is <{name.rpartition(' ')[2]}>, not <div> of {XHTML}"

    def doctype(*_: object) -> None:
        nonlocal wrong
        wrong = "it has a DOCTYPE"

    parser = expat.ParserCreate("utf-8", " ")
    parser.StartElementHandler = start
    parser.StartDoctypeDeclHandler = doctype
    try:
        parser.Parse(div.strip().encode(), True)
    except (expat.ExpatError, UnicodeEncodeError) as problem:
        return f"it is not well-formed XHTML: {problem}"
    if not wrong and not div.lstrip().startswith("<div"):
        wrong = "it does not begin with <div"
    return wrong
