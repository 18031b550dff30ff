"""The text of a pattern -> its tree."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from fhir_server.core.errors import FhirError, error

MAX_LENGTH = 500
MAX_REPEAT = 200
_MAX_DEPTH = 50

Test = Callable[[str], bool]


class One(NamedTuple):
    """One character for which the test holds."""

    test: Test


class Sequence(NamedTuple):
    """One after the other."""

    parts: tuple[Node, ...]


class Choice(NamedTuple):
    """Any one of them."""

    parts: tuple[Node, ...]


class Repeat(NamedTuple):
    """low to high times; high None for any number."""

    part: Node
    low: int
    high: int | None


Node = One | Sequence | Choice | Repeat


def _digit(c: str) -> bool:
    return c.isdecimal()


def _word(c: str) -> bool:
    return c.isalnum() or c == "_"


_CLASSES: dict[str, Test] = {
    "d": _digit, "D": lambda c: not _digit(c), "w": _word, "W": lambda c: not _word(c),
    "s": str.isspace, "S": lambda c: not c.isspace(),
}  # fmt: skip
_CONTROLS = {"n": "\n", "r": "\r", "t": "\t"}
_QUANTIFIERS: dict[str, tuple[int, int | None]] = {"*": (0, None), "+": (1, None), "?": (0, 1)}


def parse(pattern: str) -> Node:
    """The tree; FhirError value where the pattern is wrong or uses what is not supported."""
    if len(pattern) > MAX_LENGTH:
        raise error("too-costly", f"A pattern may have {MAX_LENGTH} characters, this one has {len(pattern)}.")
    parser = _Parser(pattern)
    tree = parser.choice()
    if parser.position < len(pattern):
        raise parser.fail("a ')' without its '('")
    return tree


class _Parser:
    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self.position = 0
        self.depth = 0

    def fail(self, reason: str) -> FhirError:
        return error(
            "value", f"The pattern {self.pattern!r} can't be used: {reason}, at character {self.position + 1}."
        )

    def peek(self) -> str:
        return self.pattern[self.position : self.position + 1]

    def next(self) -> str:
        c = self.peek()
        self.position += 1
        return c

    def choice(self) -> Node:
        parts = [self.sequence()]
        while self.peek() == "|":
            self.position += 1
            parts.append(self.sequence())
        return parts[0] if len(parts) == 1 else Choice(tuple(parts))

    def sequence(self) -> Node:
        parts: list[Node] = []
        while (c := self.peek()) and c not in "|)":
            if (c == "^" and self.position == 0) or (c == "$" and self.position == len(self.pattern) - 1):
                self.position += 1
                continue
            part = self.single()
            while (bounds := self.quantifier()) is not None:
                part = Repeat(part, *bounds)
            parts.append(part)
        return Sequence(tuple(parts))

    def quantifier(self) -> tuple[int, int | None] | None:
        c = self.peek()
        if c in _QUANTIFIERS:
            self.position += 1
            return _QUANTIFIERS[c]
        if c != "{":
            return None
        close = self.pattern.find("}", self.position)
        low, comma, high = self.pattern[self.position + 1 : close].partition(",") if close > 0 else ("", "", "")
        if not _number(low) or (high and not _number(high)):
            raise self.fail("'{' begins a repeat such as {2}, {2,} or {2,5}; the character itself is written \\{")
        least = int(low)
        most = int(high) if high else None if comma else least
        if max(least, most or 0) > MAX_REPEAT or (most is not None and most < least):
            raise self.fail(f"a repeat goes from less to more, and to {MAX_REPEAT} at most")
        self.position = close + 1
        return least, most

    def single(self) -> Node:
        c = self.next()
        if c == "(":
            return self.group()
        if c in "*+?{":
            self.position -= 1
            raise self.fail(f"there is nothing before '{c}' to repeat")
        if c == ".":
            return One(lambda found: found not in "\r\n")
        if c == "[":
            return One(self.character_class())
        return One(self.escape() if c == "\\" else c.__eq__)

    def group(self) -> Node:
        if self.peek() == "?":
            if self.pattern[self.position : self.position + 2] != "?:":
                raise self.fail("of the groups that begin with '(?' only '(?:' is supported")
            self.position += 2
        self.depth += 1
        if self.depth > _MAX_DEPTH:
            raise self.fail("groups are nested too deep")
        inside = self.choice()
        self.depth -= 1
        if self.next() != ")":
            self.position -= 1
            raise self.fail("a '(' without its ')'")
        return inside

    def escape(self) -> Test:
        c = self.next()
        if c in _CLASSES:
            return _CLASSES[c]
        if not c or (c.isalnum() and c not in _CONTROLS):
            raise self.fail(f"'\\{c}' is not supported")
        return _CONTROLS.get(c, c).__eq__

    def character_class(self) -> Test:
        negated = self.peek() == "^"
        self.position += negated
        singles: set[str] = set()
        ranges: list[tuple[str, str]] = []
        tests: list[Test] = []
        begin = self.position
        while self.peek() != "]" or self.position == begin:
            low = self.member(tests)
            if not low:
                continue
            if self.peek() == "-" and self.pattern[self.position + 1 : self.position + 2] not in ("]", ""):
                self.position += 1
                high = self.member(tests)
                if high < low:
                    raise self.fail(f"the range {low}-{high} runs backwards")
                ranges.append((low, high))
            else:
                singles.add(low)
        self.position += 1

        def test(found: str) -> bool:
            inside = found in singles or any(a <= found <= b for a, b in ranges) or any(t(found) for t in tests)
            return inside != negated

        return test

    def member(self, tests: list[Test]) -> str:
        """One character of a class; "" where it was a class of its own, which is added to the tests."""
        c = self.next()
        if not c:
            raise self.fail("a '[' without its ']'")
        if c != "\\":
            return c
        following = self.peek()
        test = self.escape()
        if following in _CLASSES:
            tests.append(test)
            return ""
        return _CONTROLS.get(following, following)


def _number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 6
