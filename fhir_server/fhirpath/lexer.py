"""Text to tokens (https://hl7.org/fhirpath/grammar.html, the lexical rules)."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any, NamedTuple

from fhir_server.fhirpath.errors import FhirPathError
from fhir_server.fhirpath.numbers import MAX_LONG, Long
from fhir_server.fhirpath.temporal import parse_literal

MAX_LENGTH = 50_000
MAX_DIGITS = 36

_TOKEN = re.compile(
    r"""
    (?P<space>\s+|//[^\n\r]*|/\*.*?\*/)
  | (?P<open_comment>/\*)
  | (?P<date>@T?\d[0-9\-T:.]*(?:Z|[+\-]\d\d:\d\d)?)
  | (?P<long>\d+L\b)
  | (?P<number>\d+(?:\.\d+)?)
  | (?P<word>[A-Za-z_][A-Za-z0-9_]*)
  | (?P<delimited>`(?:[^`\\]|\\.)*`)
  | (?P<string>'(?:[^'\\]|\\.)*')
  | (?P<open_quote>['`])
  | (?P<dollar>\$[A-Za-z]+)
  | (?P<external>%(?:[A-Za-z_][A-Za-z0-9_\-]*|`(?:[^`\\]|\\.)*`|'(?:[^'\\]|\\.)*'))
  | (?P<symbol><=|>=|!=|!~|[=~<>|+\-*/&.,()\[\]{}])
    """,
    re.VERBOSE | re.DOTALL,
)
# dates and times end where their grammar ends, so that the dot of `@2015.is(Date)` starts an invocation
_DATE = re.compile(
    r"@(?:\d{4}(?:-\d\d(?:-\d\d)?)?(?:T(?:\d\d(?::\d\d(?::\d\d(?:\.\d+)?)?)?(?:Z|[+\-]\d\d:\d\d)?)?)?"
    r"|T\d\d(?::\d\d(?::\d\d(?:\.\d+)?)?)?)"
)
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))", re.DOTALL)
_ESCAPES = {"f": "\f", "n": "\n", "r": "\r", "t": "\t"}


class Token(NamedTuple):
    """kind: word | delimited | literal | number | dollar | external | symbol | end; value: its text or its value."""

    kind: str
    value: Any
    position: int


def unescape(text: str, position: int) -> str:
    r"""The characters that a quoted text stands for: \uXXXX, \n, \r, \t, \f; else the character after the backslash."""
    if "\\" not in text:
        return text

    def replace(match: re.Match[str]) -> str:
        code, char = match.groups()
        if code:
            return chr(int(code, 16))
        return _ESCAPES.get(char, char)

    replaced = _ESCAPE.sub(replace, text)
    if not any("\ud800" <= char <= "\udfff" for char in replaced):
        return replaced
    try:  # two escapes of surrogates are one character
        return replaced.encode("utf-16", "surrogatepass").decode("utf-16")
    except UnicodeDecodeError:
        raise FhirPathError("syntax", "A surrogate escape stands without its partner", position) from None


def _number(text: str, position: int) -> int | Decimal:
    if "." in text:
        if len(text) > MAX_DIGITS:
            raise FhirPathError("syntax", f"A number has at most {MAX_DIGITS} digits", position)
        return Decimal(text)
    return _integer(text, 10**MAX_DIGITS, position, int)


def _integer(text: str, maximum: int, position: int, kind: type[int]) -> int:
    value = kind(text) if len(text) <= MAX_DIGITS else maximum + 1
    if value > maximum:
        raise FhirPathError("syntax", f"`{text[:40]}` is a larger number than FHIRPath has", position)
    return value


def tokenize(expression: str) -> list[Token]:
    """The tokens of an expression, the last of kind end. Raises FhirPathError of kind syntax."""
    if len(expression) > MAX_LENGTH:
        raise FhirPathError("limit", f"The expression has {len(expression)} characters; {MAX_LENGTH} are allowed")
    tokens: list[Token] = []
    position = 0
    while position < len(expression):
        match = _TOKEN.match(expression, position)
        if match is None:
            raise FhirPathError("syntax", f"`{expression[position]}` does not belong here", position)
        kind, text, start = match.lastgroup, match[0], position
        position = match.end()
        if kind == "space":
            continue
        if kind == "open_comment":
            raise FhirPathError("syntax", "The comment is not closed with `*/`", start)
        if kind == "open_quote":
            raise FhirPathError("syntax", f"The text is not closed with `{text}`", start)
        if kind == "date":
            date = _DATE.match(expression, start)
            if date is None:
                raise FhirPathError("syntax", f"`{text}` is no date or time literal", start)
            position = date.end()
            tokens.append(Token("literal", parse_literal(date[0], start), start))
        elif kind == "long":
            tokens.append(Token("literal", _integer(text[:-1], MAX_LONG, start, Long), start))
        elif kind == "number":
            tokens.append(Token("number", _number(text, start), start))
        elif kind == "string":
            tokens.append(Token("literal", unescape(text[1:-1], start), start))
        elif kind == "delimited":
            tokens.append(Token("delimited", unescape(text[1:-1], start), start))
        elif kind == "external":
            name = text[1:]
            tokens.append(Token("external", unescape(name[1:-1], start) if name[0] in "`'" else name, start))
        else:
            assert kind is not None
            tokens.append(Token(kind, text, start))
    tokens.append(Token("end", "", len(expression)))
    return tokens
