"""Exact decimal arithmetic; None stands for what can't be represented (https://hl7.org/fhirpath/#math)."""

from __future__ import annotations

import decimal
from decimal import ROUND_HALF_UP, Decimal

# wider than FHIRPath's least range of 28 digits with 8 decimals; what goes beyond is an overflow, and empty
CONTEXT = decimal.Context(
    prec=38,
    Emax=60,
    Emin=-60,
    rounding=ROUND_HALF_UP,
    traps=[decimal.InvalidOperation, decimal.DivisionByZero, decimal.Overflow, decimal.Underflow],
)
_WIDE = decimal.Context(prec=60, Emax=99, Emin=-99, traps=CONTEXT.traps)
MAX_INTEGER = 2**31 - 1
MAX_LONG = 2**63 - 1


def is_integer(value: int | Decimal) -> bool:
    """Whether a number is not too large for an Integer, nor too small."""
    return -MAX_INTEGER - 1 <= value <= MAX_INTEGER


def is_long(value: int) -> bool:
    """The same of a Long."""
    return -MAX_LONG - 1 <= value <= MAX_LONG


class Long(int):
    """An integer of 64 bits."""


def _guarded(operation, *operands: Decimal) -> Decimal | None:
    try:
        result = operation(*operands)
    except (decimal.DecimalException, ArithmeticError):
        return None
    return result if result.is_finite() else None


def add(left: Decimal, right: Decimal) -> Decimal | None:
    """left + right."""
    return _guarded(CONTEXT.add, left, right)


def subtract(left: Decimal, right: Decimal) -> Decimal | None:
    """left - right."""
    return _guarded(CONTEXT.subtract, left, right)


def multiply(left: Decimal, right: Decimal) -> Decimal | None:
    """left * right."""
    return _guarded(CONTEXT.multiply, left, right)


def divide(left: Decimal, right: Decimal) -> Decimal | None:
    """left / right; None by zero."""
    return _guarded(CONTEXT.divide, left, right)


def truncated_divide(left: Decimal, right: Decimal) -> Decimal | None:
    """The whole part of left / right; None by zero."""
    return _guarded(CONTEXT.divide_int, left, right)


def remainder(left: Decimal, right: Decimal) -> Decimal | None:
    """What truncated_divide leaves; None by zero."""
    return _guarded(CONTEXT.remainder, left, right)


def power(base: Decimal, exponent: Decimal) -> Decimal | None:
    """base ** exponent; None where that is no real number."""
    if base == 0 and exponent == 0:
        return Decimal(1)
    return _guarded(CONTEXT.power, base, exponent)


def square_root(value: Decimal) -> Decimal | None:
    """The square root; None of what is negative."""
    return _guarded(CONTEXT.sqrt, value)


def exponential(value: Decimal) -> Decimal | None:
    """e ** value."""
    return _guarded(CONTEXT.exp, value)


def natural_logarithm(value: Decimal) -> Decimal | None:
    """ln value; None of what is not positive."""
    return _guarded(CONTEXT.ln, value) if value > 0 else None


def logarithm(value: Decimal, base: Decimal) -> Decimal | None:
    """The logarithm to a base; None where there is none."""
    if value <= 0 or base <= 0 or base == 1:
        return None
    # more digits on the way, so that the logarithm of an exact power comes out exact
    return _guarded(lambda: CONTEXT.plus(_WIDE.divide(_WIDE.ln(value), _WIDE.ln(base))))


def rounded(value: Decimal, digits: int) -> Decimal:
    """To so many decimals, halves away from zero."""
    return value.quantize(Decimal(1).scaleb(-digits), rounding=ROUND_HALF_UP, context=CONTEXT)


def decimals(value: Decimal) -> int:
    """How many digits stand after the point."""
    exponent = value.as_tuple().exponent
    return max(-exponent, 0) if isinstance(exponent, int) else 0


def _significant_decimals(value: Decimal) -> int:
    return decimals(value.normalize(CONTEXT))


def equivalent(left: Decimal, right: Decimal) -> bool:
    """Whether both are equal once rounded to the decimals of the less precise; zeros at the end do not count."""
    if left == right:
        return True
    digits = min(_significant_decimals(left), _significant_decimals(right))
    try:
        return rounded(left, digits) == rounded(right, digits)
    except decimal.DecimalException:
        return False


def text(value: Decimal) -> str:
    """As FHIRPath writes it: digits and a point, no exponent."""
    return f"{value:f}" if abs(value.adjusted()) <= CONTEXT.Emax else str(value)
