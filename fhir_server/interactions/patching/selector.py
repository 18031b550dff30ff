"""Selectors of XML Patch: the part of XPath that RFC 5261 allows, as XPath for lxml.

Specification: https://www.rfc-editor.org/rfc/rfc5261#section-4.1. Paths step by step from the root; in predicates also
relative paths, comparisons and a few functions, since FHIR's values are attributes: f:Patient/f:name[f:use/@value='x'].
Other axes, // and absolute paths inside predicates are refused, which also bounds the work a selector can ask for.
"""

from __future__ import annotations

import re

from fhir_server.codec.xml_shapes import FHIR, XHTML

MAX_LENGTH = 1000
PREFIXES = {"f": FHIR, "h": XHTML}
"""Known without a declaration."""

_TOKEN = re.compile(
    r"""\s*(?:
    (?P<literal>"[^"]*"|'[^']*'|[0-9]+(?:\.[0-9]+)?)
  | (?P<name>(?:[^\W\d][\w.-]*:(?!:))?[^\W\d][\w.-]*)
  | (?P<refused>//|::|\.\.|\||\$)
  | (?P<symbol>!=|<=|>=|[][()/@=<>,.*])
    )""",
    re.VERBOSE,
)
_NODE_TESTS = frozenset({"text", "comment", "processing-instruction", "node"})
_FUNCTIONS = frozenset({"last", "position", "not", "count", "contains", "starts-with", "string", "normalize-space"})
_OPERATORS = frozenset({"and", "or"})
_ENDS_OPERAND = frozenset({"]", ")", "*", "."})


def to_xpath(selector: str) -> str:
    """The XPath of a selector, from the root; names without a prefix are FHIR's. ValueError says what is wrong."""
    if len(selector) > MAX_LENGTH:
        raise ValueError(f"is longer than {MAX_LENGTH} characters")
    text = selector.strip()
    parts: list[str] = []
    position = 0
    while position < len(text):
        found = _TOKEN.match(text, position)
        if found is None or found["refused"]:
            raise ValueError(f"has {text[position : position + 20].strip()!r}, which is not of RFC 5261's selectors")
        position = found.end()
        if found["symbol"] == "/" and parts and not _ends_operand(parts[-1]):
            raise ValueError("has an absolute path inside, which is not of RFC 5261's selectors")
        name = found["name"]
        parts.append(_named(name, parts, text[position:].lstrip()[:1]) if name else found[0].strip())
    if not parts:
        raise ValueError("is empty")
    return "".join(parts if parts[0] == "/" else ["/", *parts])


def _named(name: str, before: list[str], after: str) -> str:
    """A name as XPath has it: an operator with spaces, a function, an attribute, or an element with its prefix."""
    previous = before[-1] if before else ""
    if name in _OPERATORS and _ends_operand(previous):
        return f" {name} "
    if after == "(":
        if name not in _NODE_TESTS | _FUNCTIONS:
            raise ValueError(f"uses {name}(), which is not of RFC 5261's selectors")
        return name
    return name if ":" in name or previous == "@" else f"f:{name}"


def _ends_operand(token: str) -> bool:
    """Whether a value or node is complete with this token, so that an operator or a step may follow."""
    return token in _ENDS_OPERAND or token[:1] in ("'", '"', "_") or token[:1].isalnum()
