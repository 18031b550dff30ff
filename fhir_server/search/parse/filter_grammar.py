"""The grammar of _filter: text to a small tree (https://hl7.org/fhir/R4/search_filter.html).

filter    = paramExp / logExp / "not" "(" filter ")" / "(" filter ")"
logExp    = filter ("and" / "or" filter)+          left to right, neither before the other
paramExp  = paramPath SP compareOp SP compValue
paramPath = name ("[" filter "]")? ("." paramPath)?     or _has:Type:reference:paramPath
compValue = JSON string / token, which ends at a space, ")" or "]"
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from fhir_server.core.errors import FhirError, error
from fhir_server.search.parse.suggestions import shorten

MAX_DEPTH = 40
ALIASES = {"id": "_id"}  # the page's examples say subject.id

_NAME = re.compile(r"_has:[A-Za-z]+:[\w-]+:|[A-Za-z_][\w-]*(?::[A-Z][A-Za-z]+)?")
_WORD = re.compile(r"[a-z]+")
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_TOKEN = re.compile(r"[^\s)\]]+")


@dataclass(frozen=True, slots=True)
class Step:
    """One name of a path; a filter in brackets, about the resource that the name leads to."""

    name: str
    filter: Node | None = None


@dataclass(frozen=True, slots=True)
class Test:
    """path operator value."""

    path: tuple[Step, ...]
    operator: str
    value: str


@dataclass(frozen=True, slots=True)
class Negation:
    """not (filter)."""

    inner: Node


@dataclass(frozen=True, slots=True)
class Logic:
    """Operands with and or or between them."""

    operator: str
    operands: tuple[Node, ...]


Node = Test | Negation | Logic


def parse_filter(text: str) -> Node:
    """The tree of a filter; FhirError value that says where it can't be read."""
    reader = _Reader(text)
    node = reader.filter(0)
    if reader.position < len(text):
        raise reader.expected("'and', 'or' or the end")
    return node


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0
        self._space()

    def filter(self, depth: int) -> Node:
        operands: list[Node] = [self._operand(depth)]
        operator = ""
        while word := self._keyword("and", "or"):
            if operator and word != operator:
                operands, depth = [Logic(operator, tuple(operands))], depth + 1
            operator = word
            operands.append(self._operand(depth))
        return Logic(operator, tuple(operands)) if operator else operands[0]

    def _operand(self, depth: int) -> Node:
        if depth > MAX_DEPTH:
            raise error("value", f"The filter is nested more than {MAX_DEPTH} deep.")
        if self._symbol("("):
            inner = self.filter(depth + 1)
            self._close(")")
            return inner
        start = self.position
        if self._keyword("not"):
            if self._symbol("("):
                inner = self.filter(depth + 1)
                self._close(")")
                return Negation(inner)
            self.position = start
        return self._test(depth)

    def _test(self, depth: int) -> Node:
        path = [self._step(depth)]
        while path[-1].name.endswith(":") or self.text[self.position : self.position + 1] == ".":
            if not path[-1].name.endswith(":"):
                self.position += 1
            path.append(self._step(depth))
        self._space()
        operator = self._match(_WORD)
        if not operator:
            raise self.expected("an operator such as eq")
        self._space()
        value = self._match(_STRING)
        if value:
            try:
                value = json.loads(value)
            except ValueError:
                raise error("value", f"{shorten(value)} in the filter is no JSON string.") from None
        elif self.text.startswith('"', self.position):
            raise self.expected("a string that ends with a quotation mark")
        else:
            value = self._match(_TOKEN)
        if not value:
            raise self.expected("a value")
        self._space()
        return Test(tuple(path), operator, value)

    def _step(self, depth: int) -> Step:
        name = self._match(_NAME)
        if not name:
            raise self.expected("the name of a search parameter")
        name = ALIASES.get(name, name)
        if self.text[self.position : self.position + 1] != "[":
            return Step(name)
        self.position += 1
        self._space()
        inner = self.filter(depth + 1)
        if self.text[self.position : self.position + 2] != "].":
            raise self.expected("']' and the path that goes on after it")
        self.position += 1
        return Step(name, inner)

    def _match(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self.text, self.position)
        if match is None:
            return ""
        self.position = match.end()
        return match[0]

    def _space(self) -> None:
        while self.text[self.position : self.position + 1].isspace():
            self.position += 1

    def _symbol(self, symbol: str) -> bool:
        if not self.text.startswith(symbol, self.position):
            return False
        self.position += 1
        self._space()
        return True

    def _close(self, symbol: str) -> None:
        if not self._symbol(symbol):
            raise self.expected(f"'{symbol}'")

    def _keyword(self, *words: str) -> str:
        """The word, if it comes next and stands alone."""
        for word in words:
            end = self.position + len(word)
            if self.text.startswith(word, self.position) and (
                self.text[end : end + 1] in ("", "(") or self.text[end].isspace()
            ):
                self.position = end
                self._space()
                return word
        return ""

    def expected(self, what: str) -> FhirError:
        rest = self.text[self.position :]
        where = f"at {shorten(rest[:30])}" if rest else "at its end"
        return error("value", f"The filter can't be read {where}: {what} was expected there.")
