"""What number, quantity and special parameters search (https://hl7.org/fhir/R4/search.html#quantity)."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

from fhir_server.core.values import NUMBER, POSITION, QUANTITY
from fhir_server.search.extract.adding import Add

CURRENCIES = "urn:iso:std:iso:4217"


def add_number(add: Add, field: str, value: Decimal | int) -> None:
    """A decimal or integer."""
    number = float(value)
    add((NUMBER, field, number, number))


def add_range_of_numbers(add: Add, field: str, value: dict[str, Any]) -> None:
    """A Range that is searched as numbers."""
    low, high = _limits(value)
    if low != -math.inf or high != math.inf:
        add((NUMBER, field, low, high))


def add_quantity(add: Add, field: str, value: dict[str, Any]) -> None:
    """A Quantity; with a comparator it is all that it may be."""
    if "value" not in value:
        return
    low = high = float(value["value"])
    if "comparator" in value:
        if value["comparator"][0] == "<":
            low = -math.inf
        else:
            high = math.inf
    add((QUANTITY, field, low, high, value.get("system", ""), value.get("code", ""), value.get("unit", "")))


def add_money(add: Add, field: str, value: dict[str, Any]) -> None:
    """Money, in its currency."""
    if "value" in value:
        amount = float(value["value"])
        currency = value.get("currency", "")
        add((QUANTITY, field, amount, amount, CURRENCIES if currency else "", currency, ""))


def add_range(add: Add, field: str, value: dict[str, Any]) -> None:
    """A Range, open where it has no low or no high, in the unit of either."""
    low, high = _limits(value)
    if low != -math.inf or high != math.inf:
        unit = value.get("low") or value["high"]
        add((QUANTITY, field, low, high, unit.get("system", ""), unit.get("code", ""), unit.get("unit", "")))


def add_sampled_data(add: Add, field: str, value: dict[str, Any]) -> None:
    """SampledData, from its lowest to its highest sample; E, L and U among them are none."""
    origin = value["origin"]
    zero, factor = float(origin.get("value", 0)), float(value.get("factor", 1))
    samples = [float(text) * factor + zero for text in value.get("data", "").split() if text not in ("E", "L", "U")]
    if samples:
        unit = origin.get("system", ""), origin.get("code", ""), origin.get("unit", "")
        add((QUANTITY, field, min(samples), max(samples), *unit))


def add_position(add: Add, field: str, value: dict[str, Any]) -> None:
    """A place with latitude and longitude."""
    add((POSITION, field, float(value["latitude"]), float(value["longitude"])))


def _limits(value: dict[str, Any]) -> tuple[float, float]:
    low, high = value.get("low", {}).get("value"), value.get("high", {}).get("value")
    return -math.inf if low is None else float(low), math.inf if high is None else float(high)
