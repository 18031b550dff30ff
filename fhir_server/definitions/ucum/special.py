"""The special units: those on a scale that is no ratio scale, each with its function to the unit below it and back.

Specification: UCUM §21 and §22 and the tables' definitions (https://ucum.org/ucum#section-Special-Units-on-non-ratio-Scales).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import NamedTuple

Number = float | Fraction

_ZERO_CELSIUS = Fraction("273.15")
_ZERO_FAHRENHEIT = Fraction("459.67")


class Special(NamedTuple):
    """to_base: a value in the special unit -> in multiples of its defining unit; from_base: back.

    exact: whether both work on Fractions too, without loss. scaled: whether the definition's number multiplies the
    defining unit (2 of `2lg(2 10*-5.Pa)`); in the temperature scales the function has that number in itself.
    """

    to_base: Callable[[Number], Number]
    from_base: Callable[[Number], Number]
    exact: bool = False


def _power(base: float, sign: int = 1, divisor: int = 1) -> Special:
    logarithm = math.log(base)
    return Special(
        lambda value: base ** (sign * float(value) / divisor),
        lambda value: sign * divisor * math.log(float(value)) / logarithm if base not in (2, 10) else
        sign * divisor * (math.log10(float(value)) if base == 10 else math.log2(float(value))),
    )  # fmt: skip


def _shift(offset: Fraction) -> Special:
    """A scale with another zero; the width of a degree is the definition's number times its unit."""

    def to_base(value: Number) -> Number:
        return value + offset if isinstance(value, Fraction) else value + float(offset)

    def from_base(value: Number) -> Number:
        return value - offset if isinstance(value, Fraction) else value - float(offset)

    return Special(to_base, from_base, exact=True)


_TANGENT = Special(lambda value: math.atan(float(value) / 100), lambda value: 100 * math.tan(float(value)))

FUNCTIONS: dict[str, Special] = {
    "Cel": _shift(_ZERO_CELSIUS),
    "degF": _shift(_ZERO_FAHRENHEIT),
    "degRe": _shift(_ZERO_CELSIUS * Fraction(4, 5)),
    "pH": _power(10, -1),
    "ln": _power(math.e),
    "lg": _power(10),
    "lgTimes2": _power(10, divisor=2),
    "ld": _power(2),
    "hpX": _power(10, -1),
    "hpC": _power(100, -1),
    "hpM": _power(1000, -1),
    "hpQ": _power(50000, -1),
    "tanTimes100": _TANGENT,
    "100tan": _TANGENT,
    "sqrt": Special(lambda value: value * value, lambda value: math.sqrt(float(value))),
}
# The tangent takes radians whatever unit its row names, so that 100 %[slope] are 45 deg.
DEFINING_UNIT = {"100tan": "rad"}
