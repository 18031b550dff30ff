"""The XHTML of a narrative (https://hl7.org/fhir/R4/narrative.html, txt-1 and txt-2)."""

from __future__ import annotations

import re
from typing import Any
from xml.parsers import expat

from fhir_server.codec.narrative import instead_of_entity
from fhir_server.fhirpath.xhtml import ATTRIBUTES, ELEMENTS
from fhir_server.fhirpath.xhtml import NAMESPACE as XHTML
from profiles.structure.primitives import explain
from profiles.structure.problems import Problems, problem, shown

_ALONE = re.compile(r"\s*<div\b.*(</div\s*|/)>\s*", re.DOTALL).fullmatch
_LINKS = frozenset({"href", "src"})
_IGNORED = re.compile(r"[\s\x00-\x1f]+")  # what browsers leave out of a URL's scheme
_ACTIVE = re.compile(r"(?:javascript|vbscript|data:text/html)", re.IGNORECASE).match


class _Refused(Exception):
    """Raised out of the parser with (rule, text)."""


class _Reader:
    """Receives the parser's events; raises _Refused at the first thing that R4 does not allow."""

    def __init__(self, parser: expat.XMLParserType) -> None:
        self.parser = parser
        self.started = False
        self.content = False
        parser.ordered_attributes = True
        parser.StartElementHandler = self.start
        parser.CharacterDataHandler = self.text
        parser.StartDoctypeDeclHandler = self.doctype

    def start(self, name: str, attributes: list[str]) -> None:
        """An element begins; attributes are name, value, name, value…"""
        if not self.started:
            self.started = True
            namespace = dict(zip(attributes[::2], attributes[1::2], strict=True)).get("xmlns")
            if name != "div" or namespace != XHTML:
                text = f'the narrative must be one <div xmlns="{XHTML}">, but begins with <{name}>'
                raise _Refused("xhtml", text)
        if name not in ELEMENTS:
            text = f"<{name}> is not allowed in a narrative: only basic formatting, links and images are"
            raise _Refused("txt-1", text)
        for position in range(0, len(attributes), 2):
            attribute = attributes[position]
            if attribute not in ATTRIBUTES:
                self.special(name, attribute, attributes[position + 1])
            elif attribute in _LINKS:
                target = attributes[position + 1]
                if _ACTIVE(_IGNORED.sub("", target)):
                    text = f"{attribute}={shown(target)} is active content, not allowed in a narrative"
                    raise _Refused("txt-1", text)
                if name == "img" and attribute == "src":
                    self.content = True

    def special(self, name: str, attribute: str, value: str) -> None:
        """An attribute that is not of HTML: a namespace, or one of XML."""
        if attribute == "xmlns" and value == XHTML:
            return
        if attribute == "xmlns":
            raise _Refused("txt-1", f"<{name}> is not in the XHTML namespace")
        if not attribute.startswith("xml:"):
            text = f"the attribute {shown(attribute)} of <{name}> is not allowed in a narrative"
            raise _Refused("txt-1", text)

    def text(self, text: str) -> None:
        """Text between tags."""
        if not text.isspace():
            self.content = True
            self.parser.CharacterDataHandler = None

    def doctype(self, *_declaration: Any) -> None:
        """A DOCTYPE, which could bring entities."""
        raise _Refused("xhtml", "a DOCTYPE is not allowed in a narrative")


def check_xhtml(value: Any) -> Problems | None:
    """The problems of Narrative.div."""
    if type(value) is not str or not value:
        return explain("xhtml", value)
    parser = expat.ParserCreate()
    reader = _Reader(parser)
    try:
        parser.Parse(value, True)
    except expat.ExpatError as wrong:
        place = f"line {wrong.lineno}, column {wrong.offset + 1}"
        reason = expat.ErrorString(wrong.code)
        if reason == expat.errors.XML_ERROR_UNDEFINED_ENTITY:
            reason += instead_of_entity(value.encode(), parser.ErrorByteIndex)
        text = f"the narrative is not well-formed XHTML: {reason} ({place})"
        return problem("xhtml", "structure", text)
    except (_Refused, UnicodeEncodeError) as refused:
        rule, text = refused.args if isinstance(refused, _Refused) else ("xhtml", "the narrative has a lone surrogate")
        return problem(rule, "invariant" if rule == "txt-1" else "structure", text)
    if not _ALONE(value):
        text = "the narrative must be one <div> alone, with nothing before or behind it"
        return problem("xhtml", "structure", text)
    if not reader.content:
        return problem("txt-2", "invariant", "the narrative must have some text or an image")
    return None
