"""From what was done to proposals of charges: rules/charges.json says what is charged, prices say how much.

A proposal is keyed by the source and the rule, carries the source's version, and is made anew whenever the source or a
price changes. What is on a claim stays as it was claimed.

Modifiers stand behind a code (80053-76 or 80053:76) or beside it in extensions; a price of the code with them, which a
fee schedule writes 80053-76, goes before that of the code alone.
"""

from __future__ import annotations

import functools
import hashlib
import itertools
import json
import re
import sqlite3
from collections.abc import Iterator
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from importlib import resources
from typing import Any

from fhir_server.subsystems.billing.facts import Json, encounter_of, of_patient, ours, patient_of, relative
from fhir_server.subsystems.billing.models import CODES, CPT, MODIFIER, REVENUE

SELF_PAYING = "http://terminology.hl7.org/CodeSystem/coverage-selfpay"
PEOPLE = (["Patient"], ["RelatedPerson"])
MODIFIERS = 4  # that a claim has room for
_CODE = re.compile(rb'"code":"([^"]*)"')


@functools.cache
def rules() -> dict[str, Json]:
    """The rules by the type that they are about."""
    text = (resources.files("fhir_server.subsystems.billing") / "rules" / "charges.json").read_text()
    return {rule["type"]: rule for rule in json.loads(text)}


def id_of(source: str, rule: str, number: int) -> str:
    """The id of a charge and of its ChargeItem."""
    return "charge-" + hashlib.sha256(f"{source}|{rule}|{number}".encode()).hexdigest()[:24]


def propose(connection: sqlite3.Connection, type: str, id: str, resource: Json | None) -> set[str]:
    """Makes the proposals of a source anew; gives the encounters that they were and are of."""
    source = f"{type}/{id}"
    before = {row[0] for row in connection.execute("SELECT encounter FROM charge WHERE source = ?", (source,))}
    connection.execute("INSERT OR IGNORE INTO dirty SELECT 'charge', id FROM charge WHERE source = ?", (source,))
    connection.execute("DELETE FROM charge WHERE source = ?", (source,))
    rule = rules().get(type)
    if resource is None or rule is None or resource.get("status") not in rule["status"] or ours(resource):
        return before
    version = int(resource["meta"]["versionId"])
    encounter = source if rule.get("encounter") == "itself" else encounter_of(resource)
    patient = patient_of(resource)
    date = next((found[:10] for found in _values(resource, rule["dates"]) if isinstance(found, str)), "")
    units = _units(next(_values(resource, rule.get("units", ())), None))
    beside = modifiers_of(resource)
    concepts = [found for name in rule["codes"] for found in _listed(resource.get(name))]
    number = 0
    for concept in concepts:
        priced = _priced(connection, concept, beside, date, _payer(connection, patient))
        if priced is None:
            continue
        coding, price = priced
        cents, problem = None, ""
        if rule.get("price") and isinstance(resource.get(rule["price"], {}).get("value"), int | Decimal):
            cents = _cents(resource[rule["price"]]["value"])
        elif price is not None:
            cents = int((price["cents"] * units).to_integral_value(ROUND_HALF_UP))
        else:
            problem = f"there is no price for {coding.get('code')} on {date or 'an unknown day'}: load a fee schedule"
        if not date:
            problem = "the day of the service is missing"
        elif not patient:
            problem = "the patient is missing"
        own, modifiers = parted(coding)
        base, of_price = parted({"system": CPT, "code": price["hcpcs"]}) if price is not None else ("", ())
        base = base or (own if coding.get("system") in CODES else "")
        modifiers = tuple(dict.fromkeys((*of_price, *modifiers, *beside)))
        connection.execute(
            "INSERT INTO charge VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, '')",
            (
                id_of(source, rule["rule"], number),
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
        connection.execute("INSERT OR IGNORE INTO dirty VALUES ('charge', ?)", (id_of(source, rule["rule"], number),))
        number += 1
    return before | {encounter}


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
    period = definition.get("effectivePeriod", {})
    payers = [
        relative(context["valueReference"]["reference"])
        for context in definition.get("useContext", ())
        if context.get("valueReference", {}).get("reference")
    ] or [""]
    for group in definition.get("propertyGroup", ()):
        for component in group.get("priceComponent", ()):
            value = component.get("amount", {}).get("value")
            if component.get("type") != "base" or value is None:
                continue
            hcpcs = next(
                (each["code"] for each in component.get("code", {}).get("coding", ()) if each.get("system") in CODES),
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
                            period.get("start", "")[:10],
                            period.get("end", "")[:10] or "9999-12-31",
                            _cents(value),
                            hcpcs,
                            revenue,
                            reference,
                        ),
                    )
                codes.append(base)
    return codes


def priced_by(connection: sqlite3.Connection, codes: set[str]) -> Iterator[str]:
    """The sources, as Type/id, of what may be charged by one of these codes, with modifiers or without."""
    wanted = {code.encode() for code in codes}
    for type in rules() if wanted else ():
        for row in connection.execute("SELECT id, body FROM fact WHERE type = ?", (type,)):
            found = _CODE.findall(bytes(row[1]))
            if not wanted.isdisjoint(found) or not wanted.isdisjoint(re.split(rb"[-: ]", each)[0] for each in found):
                yield f"{type}/{row[0]}"


def _priced(
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


def _payer(connection: sqlite3.Connection, patient: str) -> str:
    found = coverages(connection, patient)
    return relative(found[0]["payor"][0].get("reference", "")) if found and found[0].get("payor") else ""


def coverages(connection: Any, patient: str, date: str = "") -> list[Json]:
    """A patient's insurance that is active (on a day), in the order in which it pays."""
    found = [
        each
        for each in of_patient(connection, "Coverage", patient)
        if each.get("status") == "active" and not paid_by_patient(each) and (not date or in_force(each, date))
    ]
    return sorted(found, key=lambda each: (int(each.get("order", 1)), each["id"]))


def paid_by_patient(coverage: Json) -> bool:
    """Whether a coverage says that the patient, or somebody for the patient, pays: it is no insurance."""
    types = {
        each.get("code") for each in coverage.get("type", {}).get("coding", ()) if each.get("system") == SELF_PAYING
    }
    payors = [each.get("reference", "") for each in coverage.get("payor", ())]
    return "pay" in types or (bool(payors) and all(each.split("/")[-2:-1] in PEOPLE for each in payors))


def in_force(coverage: Json, date: str) -> bool:
    """Whether a coverage's period has a day."""
    period = coverage.get("period", {})
    return period.get("start", "")[:10] <= date <= (period.get("end", "")[:10] or "9999-12-31")


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
    try:
        units = Decimal(str(found)) if found is not None else Decimal(1)
    except InvalidOperation:
        return Decimal(1)
    return units if units.is_finite() and 0 < units < 10**6 else Decimal(1)


def _cents(value: Any) -> int:
    return int((Decimal(str(value)) * 100).to_integral_value(ROUND_HALF_UP))
