"""htmlChecks(): the rules txt-1 and txt-2 for a narrative (https://hl7.org/fhir/R4/narrative.html#xhtml)."""

from __future__ import annotations

import functools
import re
from xml.parsers import expat

NAMESPACE = "http://www.w3.org/1999/xhtml"
# the lists of txt-1, as R4's Schematron has them
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
_XML = "http://www.w3.org/XML/1998/namespace "
_NAMES = frozenset(f"{NAMESPACE} {name}" for name in ELEMENTS)
# a text that begins so and whose tags are all plain is judged without a look inside
_BEGIN = f'<div xmlns="{NAMESPACE}"'
_TAG = re.compile("<[^>]*>")
_PLAIN_TAG = re.compile(
    rf"""<(?:
        (?P<name>[a-z][a-z0-9]*)
        (?:\s+(?:
            (?!href|src|xmlns)[a-z]+="[^"<&]*"
          | (?:href|src)="(?!\s*(?i:javascript|vbscript|data):)[^"<&]*"
          | xmlns="{re.escape(NAMESPACE)}"
        ))*\s*/?
      | /[a-z][a-z0-9]*\s*
    )>""",
    re.VERBOSE,
)
_ATTRIBUTE = re.compile(r'\s([a-z]+)="')
_TEXT = re.compile(r">\s*[^<\s]")
_ACTIVE = re.compile(r"\s*(?:javascript|vbscript|data:text/html)", re.IGNORECASE).match


@functools.lru_cache(maxsize=4096)
def _is_plain(tag: str) -> bool:
    """Whether a tag is certainly allowed, with no prefix, reference or odd quote in it. Texts repeat their tags."""
    match = _PLAIN_TAG.fullmatch(tag)
    if match is None:
        return False
    return match["name"] is None or (
        match["name"] in ELEMENTS and all(name in ATTRIBUTES or name == "xmlns" for name in _ATTRIBUTE.findall(tag))
    )


class _NotAllowed(Exception):
    pass


class _Reader:
    def __init__(self) -> None:
        self.started = False
        self.content = False

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if name not in _NAMES or not (self.started or name == f"{NAMESPACE} div"):
            raise _NotAllowed
        self.started = True
        for attribute, value in attributes.items():
            if attribute not in ATTRIBUTES and not attribute.startswith(_XML):
                raise _NotAllowed
            if attribute in ("href", "src") and _ACTIVE(value):
                raise _NotAllowed
        if name == f"{NAMESPACE} img":
            self.content = True

    def text(self, text: str) -> None:
        if not self.content and not text.isspace():
            self.content = True

    def refuse(self, *_: object) -> None:
        raise _NotAllowed


def html_checks(div: str) -> bool:
    """Whether a narrative is one XHTML <div> of basic formatting, without active content, that says something."""
    if not isinstance(div, str):
        return False
    if div.startswith(_BEGIN) and all(map(_is_plain, set(_TAG.findall(div)))) and _TEXT.search(div) is not None:
        try:
            expat.ParserCreate().Parse(div, True)
        except (expat.ExpatError, UnicodeEncodeError):
            return False
        return True
    reader = _Reader()
    parser = expat.ParserCreate(None, " ")
    parser.StartElementHandler = reader.start
    parser.CharacterDataHandler = reader.text
    parser.StartDoctypeDeclHandler = reader.refuse
    try:
        parser.Parse(div, True)
    except (_NotAllowed, expat.ExpatError, UnicodeEncodeError):
        return False
    return reader.content
