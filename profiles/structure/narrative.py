"""The XHTML of a narrative (https://hl7.org/fhir/R4/narrative.html, txt-1 and txt-2)."""

from __future__ import annotations

import re
from typing import Any
from xml.parsers import expat

from profiles.structure.primitives import explain
from profiles.structure.problems import Problems, problem, shown

XHTML = "http://www.w3.org/1999/xhtml"

# The lists of the invariant txt-1, as R4's Schematron has them.
ELEMENTS = frozenset(
    """
    a abbr acronym b big blockquote br caption cite code col colgroup dd dfn div dl dt em h1 h2 h3 h4 h5 h6 hr i img
    li ol p pre q samp small span strong sub sup table tbody td tfoot th thead tr tt ul var
    """.split()  # noqa: SIM905
)
ATTRIBUTES = frozenset(
    """
    abbr accesskey align alt axis bgcolor border cellhalign cellpadding cellspacing cellvalign char charoff charset
    cite class colspan compact coords dir frame headers height href hreflang hspace id lang longdesc name nowrap rel
    rev rowspan rules scope shape span src start style summary tabindex title type valign value vspace width
    """.split()  # noqa: SIM905
)
_XML_NAMESPACE = "http://www.w3.org/XML/1998/namespace"
_ACTIVE = re.compile(r"\s*(?:javascript|vbscript|data:text/html)", re.IGNORECASE).match


class _Refused(Exception):
    """Raised out of the parser with (rule, text)."""


class _Reader:
    """Receives the parser's events; raises _Refused at the first thing that R4 does not allow."""

    def __init__(self) -> None:
        self.depth = 0
        self.content = False

    def start(self, name: str, attributes: list[str]) -> None:
        """An element begins; attributes are name, value, name, value…"""
        namespace, _, local = name.rpartition(" ")
        if self.depth == 0 and (local != "div" or namespace != XHTML):
            raise _Refused("xhtml", f'the narrative must be one <div xmlns="{XHTML}">, but begins with <{local}>')
        if namespace != XHTML:
            raise _Refused("txt-1", f"<{local}> is not in the XHTML namespace")
        if local not in ELEMENTS:
            raise _Refused(
                "txt-1", f"<{local}> is not allowed in a narrative: only basic formatting, links and images are"
            )
        for position in range(0, len(attributes), 2):
            attribute = attributes[position]
            if attribute not in ATTRIBUTES and not attribute.startswith(_XML_NAMESPACE):
                raise _Refused(
                    "txt-1",
                    f"the attribute {attribute.rpartition(' ')[2]!r} of <{local}> is not allowed in a narrative",
                )
            if attribute in ("href", "src") and _ACTIVE(attributes[position + 1]):
                raise _Refused(
                    "txt-1",
                    f"{attribute}={shown(attributes[position + 1])} is active content, not allowed in a narrative",
                )
        self.depth += 1
        if local == "img" and "src" in attributes[::2]:
            self.content = True

    def end(self, _name: str) -> None:
        """An element ends."""
        self.depth -= 1

    def text(self, text: str) -> None:
        """Text between tags."""
        if not self.content and not text.isspace():
            self.content = True

    def doctype(self, *_declaration: Any) -> None:
        """A DOCTYPE, which could bring entities."""
        raise _Refused("xhtml", "a DOCTYPE is not allowed in a narrative")


def check_xhtml(value: Any) -> Problems | None:
    """The problems of Narrative.div."""
    if type(value) is not str or not value:
        return explain("xhtml", value)
    reader = _Reader()
    parser = expat.ParserCreate(None, " ")
    parser.ordered_attributes = True
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    parser.StartDoctypeDeclHandler = reader.doctype
    try:
        parser.Parse(value, True)
    except expat.ExpatError as wrong:
        reason = expat.ErrorString(wrong.code)
        return problem(
            "xhtml",
            "structure",
            f"the narrative is not well-formed XHTML: {reason} (line {wrong.lineno}, column {wrong.offset + 1})",
        )
    except (_Refused, UnicodeEncodeError) as refused:
        rule, text = refused.args if isinstance(refused, _Refused) else ("xhtml", "the narrative has a lone surrogate")
        return problem(rule, "invariant" if rule == "txt-1" else "structure", text)
    if not reader.content:
        return problem("txt-2", "invariant", "the narrative must have some text or an image")
    return None
