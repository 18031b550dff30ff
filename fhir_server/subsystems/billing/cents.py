"""Amounts as whole cents, in which billing counts, and as FHIR writes them."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from fhir_server.subsystems.billing.facts import Json

CURRENCY = "USD"
BEYOND = 10**8  # what no price of one service is


def money(cents: int) -> Json:
    """FHIR Money."""
    return {"value": Decimal(cents) / 100, "currency": CURRENCY}


def cents_of(found: Json | None) -> int:
    """Whole cents of FHIR Money that billing wrote, 0 for none."""
    return int(_cents((found or {}).get("value", 0)))


def currency_of(found: Json) -> str:
    """The currency of FHIR Money, which is billing's own where none is named."""
    return found.get("currency", CURRENCY)


def exact_cents_of(found: Json) -> int:
    """Whole cents of FHIR Money that others may have written; ValueError for parts of cents."""
    cents = _cents(found["value"])
    if cents != int(cents):
        raise ValueError("parts of cents")
    return int(cents)


def cents_of_price(value: Any) -> int | None:
    """Whole cents of an amount, rounded half up; None for one that is too large to be a price."""
    cents = _cents(value)
    return int(cents.to_integral_value(ROUND_HALF_UP)) if abs(cents) < BEYOND * 100 else None


def _cents(value: Any) -> Decimal:
    return Decimal(str(value)) * 100
