"""Prices: ChargeItemDefinitions as rows, and the price of a code with its modifiers, for a payer on a day.

Modifiers stand behind a code (80053-76 or 80053:76) or beside it in extensions; a price of the code with them, which a
fee schedule writes 80053-76, goes before that of the code alone.
"""

from __future__ import annotations

import itertools
import re
import sqlite3
from collections.abc import Iterable, Iterator
from typing import Any

from fhir_server.subsystems.billing.cents import CURRENCY, cents_of_price, currency_of
from fhir_server.subsystems.billing.days import bounds
from fhir_server.subsystems.billing.facts import Json, relative
from fhir_server.subsystems.billing.models import CODES, MODIFIER, REVENUE

MODIFIERS = 4  # that a claim has room for
_CODE = re.compile(rb'"code":"([^"]*)"')


def modifiers_of(resource: Json) -> tuple[str, ...]:
    """The modifiers that stand beside its code."""
    concepts = [
        each.get("valueCodeableConcept", {}) for each in resource.get("extension", ()) if each["url"] == MODIFIER
    ]
    codes = [next((each["code"] for each in concept.get("coding", ()) if each.get("code")), "") for concept in concepts]
    return tuple(filter(None, codes))[:MODIFIERS]


def parted(coding: Json) -> tuple[str, tuple[str, ...]]:
    """A code without its modifiers, and these."""
    if coding.get("system") not in CODES:
        return coding.get("code", ""), ()
    base, *modifiers = re.split(r"[-: ]+", coding.get("code", ""))
    return base, tuple(modifiers)[:MODIFIERS]


def take_prices(connection: sqlite3.Connection, id: str, definition: Json | None) -> list[str]:
    """Takes the prices of a ChargeItemDefinition in; gives the codes whose prices may have changed."""
    reference = f"ChargeItemDefinition/{id}"
    found = connection.execute("SELECT code FROM price WHERE definition = ?", (reference,))
    codes = [row[0].partition(":")[0] for row in found]
    connection.execute("DELETE FROM price WHERE definition = ?", (reference,))
    if definition is None or definition.get("status") != "active":
        return codes
    start, until = bounds(definition.get("effectivePeriod", {}))
    payers = [
        relative(context["valueReference"]["reference"])
        for context in definition.get("useContext", ())
        if context.get("valueReference", {}).get("reference")
    ] or [""]
    for group in definition.get("propertyGroup", ()):
        for component in group.get("priceComponent", ()):
            amount = component.get("amount", {})
            value = amount.get("value")
            if component.get("type") != "base" or value is None or currency_of(amount) != CURRENCY:
                continue
            cents = cents_of_price(value)
            if cents is None:
                continue
            hcpcs = next(
                (
                    each["code"]
                    for each in component.get("code", {}).get("coding", ())
                    if each.get("system") in CODES and each.get("code")
                ),
                "",
            )
            revenue = next(
                (each.get("valueCode", "") for each in component.get("extension", ()) if each["url"] == REVENUE), ""
            )
            for coding in definition.get("code", {}).get("coding", ()):
                base, modifiers = parted(coding)
                for payer in payers:
                    connection.execute(
                        "INSERT OR REPLACE INTO price VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                        (
                            coding.get("system", ""),
                            ":".join((base, *modifiers)),
                            payer,
                            start,
                            until,
                            cents,
                            hcpcs,
                            revenue,
                            reference,
                        ),
                    )
                codes.append(base)
    return codes


def priced_by(connection: sqlite3.Connection, codes: set[str], types: Iterable[str]) -> Iterator[str]:
    """The sources, as Type/id, of what may be charged by one of these codes, with modifiers or without."""
    wanted = {code.encode() for code in codes}
    for type in types if wanted else ():
        for row in connection.execute("SELECT id, body FROM fact WHERE type = ?", (type,)):
            found = _CODE.findall(bytes(row[1]))
            if not wanted.isdisjoint(found) or not wanted.isdisjoint(re.split(rb"[-: ]", each)[0] for each in found):
                yield f"{type}/{row[0]}"


def priced(
    connection: sqlite3.Connection, concept: Json, beside: tuple[str, ...], date: str, payer: str
) -> tuple[Json, Any] | None:
    """The coding that is charged, with its price, None for no price; None where nothing is to be charged."""
    codings = [each for each in concept.get("coding", ()) if each.get("code")]
    for coding in codings:
        base, modifiers = parted(coding)
        modifiers = (*modifiers, *beside)[:MODIFIERS]
        for number in range(len(modifiers), -1, -1):
            for chosen in itertools.combinations(modifiers, number):
                price = connection.execute(
                    "SELECT * FROM price WHERE code = ? AND system = ? AND payer IN ('', ?) AND start <= ? "
                    "AND until >= ? ORDER BY payer = '', start DESC, definition LIMIT 1",
                    (":".join((base, *chosen)), coding.get("system", ""), payer, date, date),
                ).fetchone()
                if price is not None:
                    return coding, price
    chargeable = next((each for each in codings if each.get("system") in CODES), None)
    return (chargeable, None) if chargeable else None
