"""The conditions of HL7's tables, such as `IF OBX-2 EQUALS "SN" AND OBX-5.3 NOT IN (":", "/")`, parsed to functions.

The tables call the language "computable ANTLR" but are written by many hands: IS, EQUALS and = mean one thing, commas
and brackets lack, a second IF follows an AND. What is read here:

    condition   := and { OR and }          and := one { [AND] one }
    one         := [NOT] ( "(" condition ")" | [IF] operand { (AND|OR) operand } test )
    operand     := SEGMENT[-field[.component]] | TYPE.component | nothing: the rule's own source
    test        := [IS] [NOT] VALUED | EMPTY | EXISTS | [IS] [NOT] [EQUALS] value | [IS] [NOT] IN (values)
                 | [LST.]COUNT comparison number | LENGTH comparison number
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple, Protocol

from fhir_server.core.errors import error

_TOKEN = re.compile(
    r"""\s*(?:(?P<string>"[^"]*"|'[^']*')|(?P<open>\()|(?P<close>\))|(?P<comma>,)|(?P<compare>>=|<=|>|<|=)
    |(?P<url>https?://\S+)|(?P<number>\d+(?![\w.]))|(?P<word>[A-Za-z][A-Za-z0-9]*(?:[-.][A-Za-z0-9]+)*\.?))""",
    re.VERBOSE,
)
_OPERAND = re.compile(r"([A-Z][A-Z0-9]{1,3})(?:[-.](\d+)(?:\.(\d+)(?:\.(\d+))?)?)?\.?")
_IGNORED = {"AREA", "ARE", "TO", "DOES", "IF"}


_RESERVED = {"AND", "OR", "NOT", "IF", "IS", "IN", "ARE"}


def _is_operand(token: tuple[str, str]) -> bool:
    kind, value = token
    return kind == "word" and value not in _RESERVED and bool(_OPERAND.fullmatch(value))


class Context(Protocol):
    """What a condition asks of the place where it is tried."""

    def read(self, operand: Operand) -> list[str]:
        """The values at an operand, one a repetition; [] where it is empty."""
        ...


class Operand(NamedTuple):
    """name: a segment, a data type, or "" for the rule's own source; 0 for a part that is not stated."""

    name: str = ""
    field: int = 0
    component: int = 0
    subcomponent: int = 0


Condition = Callable[[Any], bool]


class Need(NamedTuple):
    """What must be so for a condition to hold: the first value at an operand is one of these, in capitals."""

    operand: Operand
    values: frozenset[str]


class Reading(NamedTuple):
    """A condition, read. needs: what must hold at least; decided: whether nothing else is asked; asks: all operands."""

    test: Condition
    needs: tuple[Need, ...] = ()
    decided: bool = False
    asks: frozenset[Operand] = frozenset()


@lru_cache(4096)
def read_condition(text: str) -> Reading:
    """A condition and what it needs; FhirError "value" where it can't be parsed."""
    parser = _Parser(text)
    return parser.parse()._replace(asks=frozenset(parser.asked))


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens: list[tuple[str, str]] = []
        position = 0
        text = text.strip()
        while position < len(text):
            found = _TOKEN.match(text, position)
            if not found or found.end() == position:
                stray = text[position]
                if stray in ' "':  # a quotation mark that was never opened
                    position += 1
                    continue
                raise error("value", f"The condition {self.text!r} can't be read at {text[position:]!r}.")
            position = found.end()
            kind = found.lastgroup or ""
            value = found[kind]
            self.tokens.append((kind, value.upper() if kind == "word" else value))
        self.at = 0
        self.last: list[Operand] = [Operand()]
        self.asked: set[Operand] = set()
        self.wanted: frozenset[str] | None = None  # the values that the latest test asks for, where that is all of it

    def peek(self, ahead: int = 0) -> tuple[str, str]:
        """A token ahead, without taking it."""
        return self.tokens[self.at + ahead] if self.at + ahead < len(self.tokens) else ("", "")

    def take(self) -> tuple[str, str]:
        """The next token."""
        token = self.peek()
        self.at += 1
        return token

    def word(self, *words: str) -> bool:
        """Takes the next token if it is one of these words."""
        kind, value = self.peek()
        if kind == "word" and value in words:
            self.at += 1
            return True
        return False

    def parse(self) -> Reading:
        """The whole text."""
        condition = self.disjunction()
        while self.peek()[0] == "close" or self.peek()[1] == "ERROR":
            self.take()
        if self.at < len(self.tokens):
            raise error("value", f"The condition {self.text!r} can't be read at {self.peek()[1]!r}.")
        return condition

    def disjunction(self) -> Reading:
        """Parts joined by OR."""
        parts = [self.conjunction()]
        while self.word("OR"):
            parts.append(self.conjunction())
        if len(parts) == 1:
            return parts[0]
        tests = [one.test for one in parts]
        if len(tests) == 2:
            first, second = tests
            return Reading(lambda context: first(context) or second(context))
        return Reading(lambda context: any(one(context) for one in tests))

    def conjunction(self) -> Reading:
        """Parts joined by AND, which may lack between two tests."""
        parts = [self.one()]
        while self.word("AND") or _is_operand(self.peek()):
            parts.append(self.one())
        if len(parts) == 1:
            return parts[0]
        tests = [one.test for one in parts]
        needs = tuple(need for one in parts for need in one.needs)
        decided = all(one.decided for one in parts)
        if len(tests) == 2:
            first, second = tests
            return Reading(lambda context: first(context) and second(context), needs, decided)
        return Reading(lambda context: all(one(context) for one in tests), needs, decided)

    def one(self) -> Reading:
        """A bracket or a test."""
        self.skip()
        if self.peek()[0] == "open":
            self.take()
            inner = self.disjunction()
            if self.peek()[0] == "close":
                self.take()
            return inner
        operands, every = self.operands()
        test = self.test()
        if len(operands) == 1:
            operand, wanted = operands[0], self.wanted
            if wanted is None:
                return Reading(lambda context: test(context, operand))
            return Reading(lambda context: test(context, operand), (Need(operand, wanted),), True)
        if every:
            return Reading(lambda context: all(test(context, operand) for operand in operands))
        return Reading(lambda context: any(test(context, operand) for operand in operands))

    def operands(self) -> tuple[list[Operand], bool]:
        """Operands that share a test; those of the test before where none is named. Whether all must pass it."""
        found: list[Operand] = []
        every = True
        while True:
            operand = self.operand()
            if operand is None:
                break
            found.append(operand)
            following, after = self.peek(), self.peek(1)
            if following[1] not in ("AND", "OR") or not _is_operand(after):
                break
            every = following[1] == "AND"
            self.take()
        if found:
            self.last = found
        self.asked.update(self.last)
        return self.last, every

    def operand(self) -> Operand | None:
        """The operand next, None where a test stands there."""
        self.skip()
        kind, value = self.peek()
        if kind != "word" or value in ("NOT", "VALUED", "VALUE", "EMPTY", "EXIST", "IS", "IN", "EQUALS", "EQUAL"):
            return None
        if value.endswith(".NOT"):  # PL3.NOT
            self.tokens[self.at] = ("word", "NOT")
            value = re.sub(r"(\D+)(\d+)\.NOT", r"\1.\2", value)
        else:
            self.take()
        found = _OPERAND.fullmatch(value)
        if not found:
            raise error("value", f"The condition {self.text!r} names {value!r}, which is no field.")
        numbers = [int(number) if number else 0 for number in found.groups()[1:]]
        return Operand(found[1], *numbers)

    def test(self) -> Callable[[Any, Operand], bool]:
        """What an operand is asked."""
        self.skip()
        negated = False
        while self.word("IS", "NOT"):
            negated ^= self.tokens[self.at - 1][1] == "NOT"
        self.skip()
        self.wanted = None
        tested = self.positive()
        if not negated:
            return tested
        self.wanted = None
        return lambda context, operand: not tested(context, operand)

    def positive(self) -> Callable[[Any, Operand], bool]:
        """A test without its negation."""
        if self.word("VALUED", "VALUE", "EXIST"):
            if self.word("NOT"):  # VALUED NOT EQUAL other
                self.at -= 1
                differs = self.test()
                self.wanted = None
                return lambda context, operand: bool(context.read(operand)) and differs(context, operand)
            return lambda context, operand: bool(context.read(operand))
        if self.word("EMPTY"):
            return lambda context, operand: not context.read(operand)
        if self.word("IN"):
            return self.membership()
        if self.word("LST.COUNT", "COUNT"):
            return self.comparison(len)
        if self.word("LENGTH"):
            return self.comparison(lambda values: len(values[0]) if values else 0)
        if self.word("EQUALS", "EQUAL") or self.peek() == ("compare", "="):
            if self.peek() == ("compare", "="):
                self.take()
            self.skip()
            return self.equality(others=True)
        return self.equality(others=False)

    def equality(self, others: bool) -> Callable[[Any, Operand], bool]:
        """Equal to a text or, after a word that says so, to another operand."""
        kind, value = self.take()
        if kind in ("string", "number"):
            self.wanted = frozenset((value.strip("\"'").upper(),))
            return _among(self.wanted)
        found = _OPERAND.fullmatch(value) if kind == "word" and others else None
        if not found:
            raise error("value", f"The condition {self.text!r} has no test that can be read at {value!r}.")
        other = Operand(found[1], *(int(number) if number else 0 for number in found.groups()[1:]))
        self.asked.add(other)
        return lambda context, operand: context.read(operand)[:1] == context.read(other)[:1]

    def membership(self) -> Callable[[Any, Operand], bool]:
        """In a list; in a registry named by its URL never, as that list is not here."""
        if self.peek()[0] == "url":
            self.take()
            return lambda context, operand: False
        wanted: set[str] = set()
        while self.peek()[0] not in ("", "close") and self.peek() not in (("word", "AND"), ("word", "OR")):
            kind, value = self.take()
            if kind in ("string", "word", "number"):
                wanted.add(value.strip("\"'").upper())
        if self.peek()[0] == "close":
            self.take()
        self.wanted = frozenset(wanted)
        return _among(self.wanted)

    def comparison(self, measure: Callable[[list[str]], int]) -> Callable[[Any, Operand], bool]:
        """A measure compared with a number."""
        words = []
        while self.peek()[0] in ("word", "compare") and self.peek()[1] != "AND":
            words.append(self.take()[1])
        kind, number = self.take()
        if kind != "number":
            raise error("value", f"The condition {self.text!r} compares with {number!r}, which is no number.")
        wanted = int(number)
        greater = "GREATER" in words or ">" in words or ">=" in words
        less = "LESS" in words or "<" in words or "<=" in words
        equal = "EQUALS" in words or "=" in words or ">=" in words or "<=" in words or not (greater or less)

        def test(context: Any, operand: Operand) -> bool:
            found = measure(context.read(operand))
            return (greater and found > wanted) or (less and found < wanted) or (equal and found == wanted)

        return test

    def skip(self) -> None:
        """Words without meaning of their own."""
        while self.peek()[0] == "word" and self.peek()[1] in _IGNORED:
            self.take()


def _among(wanted: frozenset[str]) -> Callable[[Any, Operand], bool]:
    def test(context: Any, operand: Operand) -> bool:
        found = context.read(operand)
        return bool(found) and found[0].upper() in wanted

    return test
