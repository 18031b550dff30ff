"""Conversion, canonical forms and products of units."""

from __future__ import annotations

import decimal
import functools
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import TypeVar

from fhir_server.definitions.ucum.grammar import InvalidUnit, Unit, combine, parse, render

Number = TypeVar("Number", Decimal, float)

# As many digits as UCUM's own constants bear; traps are off: a value out of range converts to None.
_CONTEXT = decimal.Context(prec=34, Emax=999999, Emin=-999999, traps=[])


@functools.lru_cache(maxsize=8192)
def _unit(code: str) -> Unit | None:
    """Like parse, None for what is no unit; kept, so that wrong codes cost no more than right ones."""
    try:
        return parse(code)
    except InvalidUnit:
        return None


def is_valid(code: str) -> bool:
    """Whether this is a UCUM unit."""
    return _unit(code) is not None


def decimal_of(value: Fraction) -> Decimal:
    """A fraction as a decimal of up to 34 digits, without an exponent where it is a whole number."""
    quotient = _CONTEXT.divide(Decimal(value.numerator), Decimal(value.denominator))
    if not quotient.is_finite():
        return quotient
    if quotient == quotient.to_integral_value() and abs(quotient.adjusted()) < _CONTEXT.prec:
        return quotient.quantize(Decimal(1))
    return quotient.normalize(_CONTEXT)


@functools.lru_cache(maxsize=8192)
def canonical(code: str) -> tuple[Decimal, str] | None:
    """How many of which canonical unit: `mg` is (0.001, "g"), `mm[Hg]` is (133322, "g.m-1.s-2").

    None for what is no unit and for special units (Cel, [pH]), of which no factor is true.
    """
    unit = _unit(code)
    if unit is None or unit.special or not unit.convertible:
        return None
    factor = decimal_of(unit.factor)
    return (factor, unit.canonical_units) if factor.is_finite() else None


@functools.lru_cache(maxsize=8192)
def canonical_unit(code: str) -> str | None:
    """The unit that canonical forms are in, of special units too: of Cel it is K; None for what is no unit."""
    unit = _unit(code)
    return unit.canonical_units if unit is not None and unit.convertible else None


def comparable(left: str, right: str) -> bool:
    """Whether the two convert into one another."""
    return left == right or _conversion(left, right) is not None


@functools.lru_cache(maxsize=8192)
def _conversion(from_code: str, to_code: str) -> tuple[Fraction, float] | Callable[[Fraction], Fraction | float] | None:
    """The ratio of two units, exact and as a float, or the function between special ones; None: they don't convert."""
    source, target = _unit(from_code), _unit(to_code)
    if source is None or target is None or source.dimensions != target.dimensions:
        return None
    if not source.convertible or not target.convertible:
        return None
    if source.special is None and target.special is None:
        ratio = source.factor / target.factor
        try:
            return ratio, float(ratio)
        except OverflowError:
            return ratio, float("inf")
    return functools.partial(_special, source, target)


def _special(source: Unit, target: Unit, value: Fraction) -> Fraction | float:
    """A value between two units of which one at least is special; exact where both are."""
    if source.special:
        scaled = value * source.scale
        based = source.special.to_base(scaled if source.special.exact else float(scaled)) * source.factor
    else:
        based = value * source.factor
    based = based / target.factor
    if not target.special:
        return based
    result = target.special.from_base(based if target.special.exact else float(based))
    return result / target.scale


def convert(value: Number, from_code: str, to_code: str) -> Number | None:
    """The value in the other unit, as the type that it came in; None where the units don't convert.

    Decimals are converted exactly, up to 34 digits (15 through logarithms); annotations play no part; an arbitrary
    unit such as [iU] converts only to itself and its multiples.
    """
    conversion = _conversion(from_code, to_code)
    if conversion is None:
        return value if from_code == to_code and is_valid(from_code) else None
    try:
        if isinstance(conversion, tuple):
            if isinstance(value, Decimal):
                if conversion[0] == 1:
                    return value
                result = decimal_of(Fraction(value) * conversion[0])
                return result if result.is_finite() else None
            return value * conversion[1]
        if from_code == to_code:
            return value
        converted = conversion(Fraction(value))
        if isinstance(value, Decimal):
            return decimal_of(converted) if isinstance(converted, Fraction) else Decimal(f"{converted:.15g}")
        return float(converted)
    except (OverflowError, ValueError, ZeroDivisionError):  # infinite, or a logarithm of what has none
        return None


@functools.lru_cache(maxsize=4096)
def multiply(left: str, right: str) -> str | None:
    """The unit of a product: `cm` and `cm` make `cm2`, `10*3/uL` and `uL` make `10*3`; None where one is no unit."""
    return _combined(left, right, 1)


@functools.lru_cache(maxsize=4096)
def divide(left: str, right: str) -> str | None:
    """The unit of a quotient: `g` over `m` is `g/m`, `g` over `g` is `1`; None where one is no unit."""
    return _combined(left, right, -1)


def _combined(left: str, right: str, sign: int) -> str | None:
    first, second = _unit(left), _unit(right)
    if first is None or second is None:
        return None
    unit = combine(first, second, sign)
    return render(unit) if unit.convertible else None
