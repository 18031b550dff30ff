"""From what was done to proposals of charges: rules/charges.json says what is charged, prices say how much.

A proposal is keyed by the source and the rule, carries the source's version, and is made anew whenever the source or a
price changes. What is on a claim stays as it was claimed.
"""

from __future__ import annotations

import datetime
import functools
import hashlib
import json
import sqlite3
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from importlib import resources
from typing import Any

from fhir_server.codec.json import decode
from fhir_server.subsystems.billing.cents import CURRENCY, cents_of_price, currency_of
from fhir_server.subsystems.billing.coverages import coverages, payer_of
from fhir_server.subsystems.billing.days import day_of
from fhir_server.subsystems.billing.facts import (
    Json,
    encounter_of,
    ours,
    patient_kept,
    patient_of,
    relative,
    survivor_of,
)
from fhir_server.subsystems.billing.models import CODES, CPT
from fhir_server.subsystems.billing.prices import modifiers_of, parted, priced


@functools.cache
def rules() -> dict[str, Json]:
    """The rules by the type that they are about."""
    text = (resources.files("fhir_server.subsystems.billing") / "rules" / "charges.json").read_text()
    return {rule["type"]: rule for rule in json.loads(text)}


def id_of(source: str, rule: str, number: int) -> str:
    """The id of a charge and of its ChargeItem."""
    return "charge-" + hashlib.sha256(f"{source}|{rule}|{number}".encode()).hexdigest()[:24]


def propose(
    connection: sqlite3.Connection, type: str, id: str, resource: Json | None, zone: datetime.tzinfo
) -> set[str]:
    """Makes the proposals of a source anew; gives the encounters that they were and are of. zone: of its days."""
    source = f"{type}/{id}"
    before = {row[0] for row in connection.execute("SELECT encounter FROM charge WHERE source = ?", (source,))}
    connection.execute("INSERT OR IGNORE INTO dirty SELECT 'charge', id FROM charge WHERE source = ?", (source,))
    connection.execute("DELETE FROM charge WHERE source = ?", (source,))
    rule = rules().get(type)
    if resource is None or rule is None or resource.get("status") not in rule["status"] or ours(resource):
        return before
    if _is_not_billable(connection, source, encounter_of(resource)):
        return before
    version = int(resource["meta"]["versionId"])
    encounter = source if rule.get("encounter") == "itself" else encounter_of(resource)
    patient = patient_of(resource)
    date = next((day_of(found, zone) for found in _values(resource, rule["dates"]) if isinstance(found, str)), "")
    stated = next(_values(resource, rule.get("units", ())), 1)
    units = _units(stated)
    beside = modifiers_of(resource)
    another = _another(connection, encounter, patient)
    concepts = [found for name in rule["codes"] for found in _listed(resource.get(name))]
    number = 0
    for concept in concepts:
        found = priced(connection, concept, beside, date, _payer(connection, patient, date))
        if found is None:
            continue
        coding, price = found
        cents, problem = _cents(resource, rule, coding, price, units, date)
        if not units:
            cents, problem = None, f"its quantity is {str(stated)[:20]}, which can't be charged"
        if not date:
            problem = "the day of the service is missing"
        elif not patient:
            problem = "the patient is missing"
        elif not problem and not encounter:
            problem = "the encounter is missing, by which it would be billed"
        elif not problem and another:
            problem = f"it is of {patient}, but {encounter} is of {another}"
        own, modifiers = parted(coding)
        base, of_price = parted({"system": CPT, "code": price["hcpcs"]}) if price is not None else ("", ())
        base = base or (own if coding.get("system") in CODES else "")
        modifiers = tuple(dict.fromkeys((*of_price, *modifiers, *beside)))
        charge = id_of(source, rule["rule"], number)
        connection.execute(
            "INSERT INTO charge VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, '')",
            (
                charge,
                source,
                version,
                rule["rule"],
                patient,
                encounter,
                coding.get("system", ""),
                coding["code"],
                concept.get("text") or coding.get("display") or coding["code"],
                base,
                " ".join(modifiers),
                price["revenue"] if price is not None else "",
                format(units.normalize(), "f"),
                date,
                cents,
                price["definition"] if price is not None else "",
                problem,
            ),
        )
        connection.execute("INSERT OR IGNORE INTO dirty VALUES ('charge', ?)", (charge,))
        number += 1
    return before | {encounter}


def charged_in(connection: sqlite3.Connection, encounter: str) -> set[str]:
    """What the charges of an encounter are made of."""
    found = connection.execute("SELECT source FROM charge WHERE encounter = ? AND encounter <> ''", (encounter,))
    return {row[0] for row in found}


def of_another(connection: sqlite3.Connection, encounter: str) -> set[str]:
    """The sources in an encounter that were, or are now, of another patient than it."""
    sql = "SELECT source FROM charge WHERE encounter = ? AND (problem <> '' OR patient <> ?)"
    return {row[0] for row in connection.execute(sql, (encounter, patient_kept(connection, encounter)))}


def _another(connection: sqlite3.Connection, encounter: str, patient: str) -> str:
    """The patient of an encounter where that is another one, "" where not."""
    of_visit = patient_kept(connection, encounter)
    return of_visit if survivor_of(connection, of_visit) != survivor_of(connection, patient) else ""


def services_of(charge: Json) -> set[str]:
    """The sources that a ChargeItem names as what was done."""
    found = _listed(charge.get("service"))
    return {relative(one["reference"]) for one in found if isinstance(one.get("reference"), str)}


def _is_not_billable(connection: sqlite3.Connection, source: str, encounter: str) -> bool:
    """Whether a ChargeItem of another system tells that what was done is not billed, as one that was credited does."""
    naming = connection.execute(
        "SELECT body FROM fact WHERE link = ? AND type = 'ChargeItem' AND instr(body, ?) > 0",
        (encounter, source.encode()),
    )
    charges = (decode(bytes(row[0])) for row in naming)
    return any(one["status"] == "not-billable" and source in services_of(one) and not ours(one) for one in charges)


def _cents(
    resource: Json, rule: Json, coding: Json, price: sqlite3.Row | None, units: Decimal, date: str
) -> tuple[int | None, str]:
    """What a charge costs, by the source itself where it states that, else by its price, times the factor that the
    source states instead of the rules' (R4 ChargeItem, factorOverride); or None and why not."""
    own = resource.get(rule["price"], {}) if rule.get("price") else {}
    stated = own.get("value")
    if isinstance(stated, int | Decimal):
        if (currency := currency_of(own)) != CURRENCY:
            return None, f"its price is in {currency}, and billing counts in {CURRENCY}"
        cents = cents_of_price(stated)
        return cents, "its price is too large to be one" if cents is None else ""
    if price is not None:
        factor = Decimal(resource.get(rule.get("factor", ""), 1))
        cents = cents_of_price(price["cents"] * units * factor / 100)
        if factor < 0 or cents is None:
            return None, f"its factor is {str(factor)[:20]}, by which no price can be multiplied"
        return cents, ""
    day = date or "an unknown day"
    return None, f"there is no price for {coding.get('code')} in {CURRENCY} on {day}: load a fee schedule"


def _payer(connection: sqlite3.Connection, patient: str, date: str) -> str:
    found = coverages(connection, patient, date)
    return payer_of(connection, found[0]) if found else ""


def _values(resource: Any, paths: Any) -> Iterator[Any]:
    for path in paths:
        found = resource
        for name in path.split("."):
            found = found.get(name) if isinstance(found, dict) else None
        if found is not None:
            yield found


def _listed(found: Any) -> list[Json]:
    return [each for each in (found if isinstance(found, list) else [found]) if isinstance(each, dict)]


def _units(found: Any) -> Decimal:
    """How often something is charged; 0 for what can't be a quantity."""
    try:
        units = Decimal(str(found))
    except InvalidOperation:
        return Decimal(0)
    return units if units.is_finite() and 0 < units < 10**6 else Decimal(0)
