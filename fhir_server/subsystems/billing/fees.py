"""Fee schedules: a CSV becomes ChargeItemDefinitions, one for each code and payer."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation

from fhir_server.core.errors import error
from fhir_server.subsystems.billing.cents import CURRENCY
from fhir_server.subsystems.billing.facts import Json
from fhir_server.subsystems.billing.models import CPT, REVENUE, SYSTEM

COLUMNS = ("code", "price")


def definitions(text: str) -> Iterator[Json]:
    """Columns code and price, and where they are wanted: system, title, from, to, payer (Organization/id), hcpcs,
    revenue. FhirError "value" with the line of what can't be read."""
    reader = csv.DictReader(text.lstrip("\ufeff").splitlines())
    missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
    if missing:
        raise error("value", f"The fee schedule has no column {' and '.join(missing)}; its first line must name them.")
    for number, row in enumerate(reader, 2):
        row = {
            name: (value or "").strip()
            for name, value in row.items()
            if isinstance(name, str) and not isinstance(value, list)
        }
        try:
            price = Decimal(row["price"])
        except InvalidOperation:
            raise error("value", f"Line {number}: the price {row['price'][:30]!r} is no amount.") from None
        if not row["code"] or not price.is_finite() or price < 0:
            raise error("value", f"Line {number} needs a code and a price that is not negative.")
        yield _definition(row, price)


def _definition(row: dict[str, str], price: Decimal) -> Json:
    system, payer = row.get("system") or CPT, row.get("payer", "")
    key = "|".join((system, row["code"], payer, row.get("from", "")))
    component: Json = {"type": "base", "amount": {"value": price, "currency": CURRENCY}}
    if row.get("revenue"):
        component["extension"] = [{"url": REVENUE, "valueCode": row["revenue"]}]
    if row.get("hcpcs"):
        component["code"] = {"coding": [{"system": CPT, "code": row["hcpcs"]}]}
    made: Json = {
        "resourceType": "ChargeItemDefinition",
        "id": f"fee-{hashlib.sha256(key.encode()).hexdigest()[:24]}",
        "url": f"{SYSTEM}:fee:{hashlib.sha256(key.encode()).hexdigest()[:24]}",
        "status": "active",
        "title": row.get("title") or row["code"],
        "code": {"coding": [{"system": system, "code": row["code"]}]},
        "propertyGroup": [{"priceComponent": [component]}],
    }
    period = {name: row[column] for name, column in (("start", "from"), ("end", "to")) if row.get(column)}
    if period:
        made["effectivePeriod"] = period
    if payer:
        made["useContext"] = [
            {
                "code": {"system": "http://terminology.hl7.org/CodeSystem/usage-context-type", "code": "program"},
                "valueReference": {"reference": payer},
            }
        ]
    return made
