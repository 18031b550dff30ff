"""UCUM's grammar: a case-sensitive code becomes a Unit, or an InvalidUnit that tells where and why not.

    main      = ["/"] term | term
    term      = component {("." | "/") component}
    component = [prefix] atom [exponent] [annotation] | number [annotation] | annotation | "(" term ")" [annotation]

Specification: https://ucum.org/ucum#section-Grammar-of-Units-and-Unit-Terms
"""

from __future__ import annotations

import functools
import re
from fractions import Fraction
from typing import NamedTuple

from fhir_server.definitions.ucum import essence
from fhir_server.definitions.ucum.special import DEFINING_UNIT, FUNCTIONS, Special

MAX_LENGTH = 256
MAX_EXPONENT = 99  # what units need; more only makes numbers of a million digits
_MAX_DEPTH = 20

_SYMBOL = re.compile(r"10[*^]|(?:\[[^\[\]\s{}]*\]|[!#-'*,:-<>-Z\\^-z|~])+")
_EXPONENT = re.compile(r"[+-]?[0-9]+")
_NUMBER = re.compile(r"[0-9]+")
_ANNOTATION = re.compile(r"\{[!-z|~ ]*\}")


class InvalidUnit(ValueError):
    """A code that is no UCUM unit: code, position (from 0) of what is wrong, and reason."""

    def __init__(self, code: str, position: int, reason: str) -> None:
        super().__init__(f"'{code}' is not a UCUM unit: {reason} (at character {position + 1})")
        self.code = code
        self.position = position
        self.reason = reason


class Factor(NamedTuple):
    """A symbol as written, with the exponent that it has in all: mm of mm-2, or a number such as 100."""

    symbol: str
    exponent: int


class Unit(NamedTuple):
    """What a code means.

    factor: how many of the canonical unit it is; dimensions: base and arbitrary units with exponents, sorted by symbol;
    terms: the symbols as written, in order, numbers among them, annotations left out; special: the function where the
    unit is on no ratio scale: its value times `scale` is passed to the function, the result times `factor` is in
    canonical units; convertible: False where a special unit stands in a product, which has no meaning.
    """

    code: str
    factor: Fraction
    dimensions: tuple[Factor, ...]
    terms: tuple[Factor, ...]
    special: Special | None = None
    scale: Fraction = Fraction(1)
    convertible: bool = True

    @property
    def canonical_units(self) -> str:
        """The canonical unit as a UCUM code, symbols in alphabetical order: g.m-1.s-2; "1" where it has none."""
        return ".".join(f"{s}{e}" if e != 1 else s for s, e in self.dimensions) or "1"


ONE = Unit("1", Fraction(1), (), ())


def _merge(left: tuple[Factor, ...], right: tuple[Factor, ...], sign: int) -> dict[str, int]:
    merged = dict(left)
    for symbol, exponent in right:
        merged[symbol] = merged.get(symbol, 0) + sign * exponent
    return merged


def combine(left: Unit, right: Unit, sign: int) -> Unit:
    """left times right (sign 1) or left over right (sign -1); its code is made by render()."""
    dimensions = _merge(left.dimensions, right.dimensions, sign)
    terms = _merge(left.terms, right.terms, sign)
    special = left.special or right.special
    factor = left.factor * right.factor if sign > 0 else left.factor / right.factor
    unit = Unit(
        code="",
        factor=factor,
        dimensions=tuple(sorted(Factor(s, e) for s, e in dimensions.items() if e)),
        terms=tuple(Factor(s, e) for s, e in terms.items() if e),
        convertible=left.convertible and right.convertible and not special,
    )
    if special and (not left.special or not right.special):
        plain = right if left.special else left
        if not plain.dimensions and plain.convertible and (left.special or sign > 0):
            scaled = left if left.special else right
            scale = scaled.scale * plain.factor if sign > 0 else scaled.scale / plain.factor
            return scaled._replace(code="", terms=unit.terms, scale=scale)
    return unit


def render(unit: Unit) -> str:
    """A UCUM code for the unit's terms: kg.m/s2; "1" where it has none."""
    above = [f"{s}{e}" if e != 1 else s for s, e in unit.terms if e > 0 and not s.isdigit()]
    below = [f"{s}{-e}" if e != -1 else s for s, e in unit.terms if e < 0 and not s.isdigit()]
    for symbol, exponent in unit.terms:
        if symbol.isdigit():
            (above if exponent > 0 else below).extend([symbol] * abs(exponent))
    return ("/".join([".".join(above), *below]) if above or below else "") or "1"


@functools.lru_cache(maxsize=4096)
def _symbol(symbol: str) -> Unit | None:
    """A prefix and an atom, or an atom, without exponent; None where there is no such unit."""
    tables = essence.load()
    atom = tables.atoms.get(symbol)
    prefix = Fraction(1)
    if atom is None:
        for length in (2, 1):
            found = tables.prefixes.get(symbol[:length])
            atom = tables.atoms.get(symbol[length:]) if found else None
            if found and atom and atom.metric:
                prefix = found.factor
                break
        else:
            return None
    assert atom is not None
    terms = (Factor(symbol, 1),)
    if not atom.unit or (atom.arbitrary and atom.unit == "1"):
        return Unit(symbol, prefix, (Factor(atom.code, 1),), terms)
    if atom.function:
        base = parse(DEFINING_UNIT.get(atom.function, atom.unit))
        return Unit(symbol, base.factor * atom.factor, base.dimensions, terms, FUNCTIONS[atom.function], prefix)
    base = parse(atom.unit)
    return Unit(symbol, prefix * atom.factor * base.factor, base.dimensions, terms)


def _power(unit: Unit, exponent: int) -> Unit:
    return unit._replace(
        factor=unit.factor**exponent,
        dimensions=tuple(Factor(s, e * exponent) for s, e in unit.dimensions if exponent),
        terms=tuple(Factor(s, e * exponent) for s, e in unit.terms if exponent),
        special=None,
        scale=Fraction(1),
        convertible=unit.convertible and unit.special is None,
    )


class _Parser:
    def __init__(self, code: str) -> None:
        self.code = code
        self.position = 0
        self.depth = 0

    def fail(self, reason: str, position: int | None = None) -> InvalidUnit:
        return InvalidUnit(self.code, self.position if position is None else position, reason)

    def peek(self) -> str:
        return self.code[self.position : self.position + 1]

    def take(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self.code, self.position)
        if match is None:
            return ""
        self.position = match.end()
        return match.group()

    def main(self) -> Unit:
        if self.peek() == "/":
            self.position += 1
            unit = self.term(combine(ONE, self.component(), -1))
        else:
            unit = self.term(self.component())
        if self.position < len(self.code):
            raise self.unexpected()
        return unit

    def unexpected(self) -> InvalidUnit:
        found = self.peek()
        if found == ")":
            return self.fail("a ')' without its '('")
        if found == "{" and self.code.find("}", self.position) < 0:
            return self.fail("an annotation without its '}'")
        if not found.isascii() or found.isspace():
            return self.fail(f"{found!r} can't stand in a unit; units are written in ASCII without spaces")
        return self.fail(f"'.' or '/' must stand between this and what is before: {self.code[self.position :]!r}")

    def term(self, unit: Unit) -> Unit:
        while (operator := self.peek()) in (".", "/") and operator:
            self.position += 1
            unit = combine(unit, self.component(), 1 if operator == "." else -1)
        return unit

    def component(self) -> Unit:
        if self.peek() == "(":
            return self.group()
        if self.take(_ANNOTATION):
            return ONE
        start = self.position
        symbol = self.take(_SYMBOL)
        if not symbol:
            unit = self.number()
        else:
            found = _symbol(symbol)
            if found is None:
                raise self.fail(f"there is no unit '{symbol}'{_suggestion(symbol)}", start)
            exponent = self.take(_EXPONENT)
            if exponent and abs(int(exponent[:6])) > MAX_EXPONENT:
                raise self.fail(f"the exponent {exponent} is beyond {MAX_EXPONENT}", start + len(symbol))
            unit = _power(found, int(exponent)) if exponent else found
        self.take(_ANNOTATION)
        return unit

    def number(self) -> Unit:
        start = self.position
        digits = self.take(_NUMBER)
        if digits:
            if not int(digits):
                raise self.fail("a unit can't be zero times another", start)
            return Unit(digits, Fraction(int(digits)), (), (Factor(digits, 1),) if digits != "1" else ())
        if start >= len(self.code):
            raise self.fail("a unit is expected at the end" if self.code else "it is empty; the unit without name is 1")
        if self.peek() in "./)":
            raise self.fail(f"a unit is expected before '{self.peek()}'")
        raise (
            self.unexpected()
            if self.peek() in "{" or not self.peek().isascii() or self.peek().isspace()
            else (self.fail(f"{self.peek()!r} can't begin a unit"))
        )

    def group(self) -> Unit:
        start = self.position
        self.position += 1
        self.depth += 1
        if self.depth > _MAX_DEPTH:
            raise self.fail(f"parentheses are nested more than {_MAX_DEPTH} deep")
        unit = self.term(self.component())
        if self.peek() != ")":
            raise self.fail("a '(' without its ')'", start) if self.position >= len(self.code) else self.unexpected()
        self.position += 1
        self.depth -= 1
        self.take(_ANNOTATION)
        return unit


def _bare(symbol: str) -> str:
    return symbol.casefold().replace("[", "").replace("]", "")


def _suggestion(symbol: str) -> str:
    """The unit that is written the same but for case and brackets, and differs least from what was written."""
    tables = essence.load()
    wanted = _bare(symbol)
    prefixed = [p + code for p in tables.prefixes for code, atom in tables.atoms.items() if atom.metric]
    alike = [code for code in (*tables.atoms, *prefixed) if _bare(code) == wanted]
    if not alike:
        return ""
    nearest = min(alike, key=lambda code: sum(a != b for a, b in zip(code, symbol, strict=False)))
    return f"; codes are case-sensitive and brackets belong to them: is '{nearest}' meant?"


@functools.lru_cache(maxsize=8192)
def parse(code: str) -> Unit:
    """The unit that a case-sensitive UCUM code stands for; InvalidUnit where it is none."""
    if len(code) > MAX_LENGTH:
        raise InvalidUnit(code[:20] + "…", MAX_LENGTH, f"it is longer than {MAX_LENGTH} characters")
    return _Parser(code).main()._replace(code=code)
