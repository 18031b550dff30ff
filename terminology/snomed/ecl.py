"""The Expression Constraint Language: text -> tree (https://confluence.ihtsdotools.org/display/DOCECL).

Supported: all hierarchy operators, member of, wildcard, AND, OR, MINUS, dotted attributes, refinements with attribute
groups, cardinalities, reverse attributes, and concrete values. Filters `{{ … }}` are refused by name.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from fhir_server.core.errors import FhirError, error

MAX_LENGTH = 4000
_MAX_DEPTH = 30

OPERATORS = ("<<!", ">>!", "<!", ">!", "<<", ">>", "<", ">")
_TOKEN = re.compile(
    r"(?P<space>(?:\s|/\*.*?\*/)+)|(?P<term>\|[^|]*\|)|(?P<id>[0-9]{6,18}\b)|(?P<op><<!|>>!|<!|>!|<<|>>|<=|>=|!=|[<>=^*:,.(){}\[\]])"
    r"|(?P<number>#[+-]?[0-9]+(?:\.[0-9]+)?)|(?P<string>\"(?:[^\"\\]|\\.)*\")|(?P<range>[0-9]+\.\.(?:[0-9]+|\*))|(?P<digits>[0-9]+)|(?P<word>[A-Za-z]+)",
    re.DOTALL,
)


class Concept(NamedTuple):
    """One concept by its identifier; "*" for any."""

    code: str


class Related(NamedTuple):
    """What is related to a set: operator one of OPERATORS, or "^" for the members of these reference sets."""

    operator: str
    of: Expression


class Compound(NamedTuple):
    """AND, OR or MINUS of two sets."""

    operator: str
    left: Expression
    right: Expression


class Attribute(NamedTuple):
    """name = value with how often it must be so (high None: any number); reverse: the concept is the value.

    comparison: = != < <= > >=; the value is a set of concepts, or a number or a text.
    """

    name: Expression
    comparison: str
    value: Expression | float | str
    low: int = 1
    high: int | None = None
    reverse: bool = False


class Group(NamedTuple):
    """A condition that must hold within one relationship group, low to high times."""

    condition: Condition
    low: int = 1
    high: int | None = None


class Both(NamedTuple):
    """AND or OR of two conditions."""

    operator: str
    left: Condition
    right: Condition


class Refined(NamedTuple):
    """Those of a set for which a condition holds."""

    focus: Expression
    condition: Condition


class Dotted(NamedTuple):
    """The values that an attribute has for a set."""

    focus: Expression
    attribute: Expression


Condition = Attribute | Group | Both
Expression = Concept | Related | Compound | Refined | Dotted


def parse(text: str) -> Expression:
    """The tree; FhirError value that says where the expression is wrong."""
    if len(text) > MAX_LENGTH:
        raise error("too-costly", f"An ECL expression may have {MAX_LENGTH} characters, this one has {len(text)}.")
    parser = _Parser(text)
    tree = parser.expression()
    if parser.kind:
        raise parser.fail(f"'{parser.token}' is not expected")
    return tree


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0
        self.depth = 0
        self.kind = self.token = ""
        self.begin = 0
        self.advance()

    def fail(self, reason: str) -> FhirError:
        return error(
            "value", f"The ECL expression '{self.text[:200]}' is wrong at character {self.begin + 1}: {reason}."
        )

    def advance(self) -> str:
        taken = self.token
        while True:
            self.begin = self.position
            if self.position >= len(self.text):
                self.kind = self.token = ""
                return taken
            match = _TOKEN.match(self.text, self.position)
            if match is None:
                raise self.fail(f"'{self.text[self.position]}' has no meaning here")
            self.position = match.end()
            self.kind, self.token = match.lastgroup or "", match.group()
            if self.kind not in ("space", "term"):
                return taken

    def accept(self, token: str) -> bool:
        if self.token.upper() != token or not self.kind:
            return False
        self.advance()
        return True

    def expect(self, token: str) -> None:
        if not self.accept(token):
            raise self.fail(f"'{token}' is expected" + (f", not '{self.token}'" if self.kind else " before the end"))

    def expression(self) -> Expression:
        self.depth += 1
        if self.depth > _MAX_DEPTH:
            raise self.fail(f"it is nested more than {_MAX_DEPTH} deep")
        left = self.refined()
        operator = ""
        while self.kind == "word" and self.token.upper() in ("AND", "OR", "MINUS"):
            following = self.advance().upper()
            if operator and (following != operator or operator == "MINUS"):
                raise self.fail("AND, OR and MINUS are mixed; parentheses must say which comes first")
            operator = following
            left = Compound(operator, left, self.refined())
        self.depth -= 1
        return left

    def refined(self) -> Expression:
        focus = self.simple()
        while self.accept("."):
            focus = Dotted(focus, self.simple())
        if self.accept(":"):
            return Refined(focus, self.conditions())
        return focus

    def simple(self) -> Expression:
        if self.token in OPERATORS or self.token == "^":
            operator = self.advance()
            return Related(operator, self.simple())
        if self.accept("("):
            inside = self.expression()
            self.expect(")")
            return inside
        if self.kind == "id" or self.token == "*":
            return Concept(self.advance())
        if self.token == "{":
            raise self.fail("filters in '{{ }}' are not supported")
        raise self.fail("a concept is expected" + (f", not '{self.token}'" if self.kind else " before the end"))

    def conditions(self) -> Condition:
        left = self.condition()
        operator = ""
        while self.token == "," or (self.kind == "word" and self.token.upper() in ("AND", "OR")):
            following = "OR" if self.advance().upper() == "OR" else "AND"
            if operator and following != operator:
                raise self.fail("AND and OR are mixed; parentheses must say which comes first")
            operator = following
            left = Both(operator, left, self.condition())
        return left

    def condition(self) -> Condition:
        low, high = self.cardinality()
        if self.accept("{"):
            if self.token == "{":
                raise self.fail("filters in '{{ }}' are not supported")
            inside = self.conditions()
            self.expect("}")
            return Group(inside, low, high)
        if self.token == "(" and self._is_bracketed_condition():
            self.advance()
            inside = self.conditions()
            self.expect(")")
            return inside
        reverse = self.kind == "word" and self.token.upper() == "R" and bool(self.advance())
        name = self.simple()
        if self.token not in ("=", "!=", "<", "<=", ">", ">="):
            raise self.fail("'=' or another comparison is expected after the attribute")
        comparison = self.advance()
        return Attribute(name, comparison, self.value(), low, high, reverse)

    def _is_bracketed_condition(self) -> bool:
        """Whether a parenthesis here holds conditions and not the names of attributes: a comparison is inside."""
        depth, at = 0, self.begin
        while at < len(self.text):
            c = self.text[at]
            depth += (c == "(") - (c == ")")
            if depth == 0:
                return False
            if c == "=" and depth == 1:
                return True
            at += 1
        return False

    def cardinality(self) -> tuple[int, int | None]:
        if self.token != "[":
            return 1, None
        self.advance()
        if self.kind != "range":
            raise self.fail("a cardinality is written [1..3] or [0..*]")
        low, _, high = self.advance().partition("..")
        self.expect("]")
        return int(low), None if high == "*" else int(high)

    def value(self) -> Expression | float | str:
        if self.kind == "number":
            return float(self.advance()[1:])
        if self.kind == "string":
            return re.sub(r"\\(.)", r"\1", self.advance()[1:-1])
        return self.simple()
