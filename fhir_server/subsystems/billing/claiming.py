"""Claims: a FHIR Claim made of an encounter's charges."""

from __future__ import annotations

import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from fhir_server.core.errors import error
from fhir_server.subsystems.billing.cents import money
from fhir_server.subsystems.billing.coverages import coverages, payer_of
from fhir_server.subsystems.billing.days import day_of
from fhir_server.subsystems.billing.facts import Json, known, of_encounter, organization_of, relative, rows
from fhir_server.subsystems.billing.models import CPT, FREQUENCY, SOURCE, SYSTEM

INPATIENT = frozenset({"IMP", "ACUTE", "NONAC"})
ICD10 = "http://hl7.org/fhir/sid/icd-10-cm"
CLAIM_TYPE = "http://terminology.hl7.org/CodeSystem/claim-type"

NO_VISIT = frozenset({"cancelled", "entered-in-error"})  # statuses of an Encounter that was none
UNCHARGED = (
    "none of its services is completed and has a code of CPT or HCPCS, or one with a price; "
    "prices come by `hms billing fees FILE`."
)


def inpatient(encounter: Json) -> bool:
    """Whether an encounter is a stay in hospital."""
    return encounter.get("class", {}).get("code") in INPATIENT


def charges_of(store: Any, encounter: str) -> list[Any]:
    """The proposals of an encounter."""
    return rows(store, "SELECT * FROM charge WHERE encounter = ? ORDER BY date, source, id", (encounter,))


def claimable(charge: Any) -> bool:
    """Whether a charge has a price and no problem, and is not of a service that another one charges."""
    return charge["cents"] is not None and not charge["problem"] and not charge["same"]


class Chargeable(NamedTuple):
    """What an encounter is billed by: its resource, patient and charges, and the first day of these."""

    encounter: Json
    patient: str
    charges: list[Any]
    date: str


def known_encounter(store: Any, encounter: str) -> Json:
    """An encounter; FhirError "not-found"."""
    found = known(store, encounter)
    if found is None:
        raise error("not-found", f"There is no {encounter} here; it is deleted, or billing has not got so far yet.")
    return found


def chargeable(store: Any, encounter: str) -> Chargeable:
    """The charges of an encounter; FhirError "not-found", "value" where there is nothing to bill."""
    found = known_encounter(store, encounter)
    if found.get("status") in NO_VISIT:
        raise error("value", f"{encounter} is {found['status']}: it can't be billed; void or cancel what was.")
    all = charges_of(store, encounter)
    charges = [each for each in all if claimable(each)]
    if not charges:
        why = "; ".join(dict.fromkeys(each["problem"] for each in all if each["problem"])) or UNCHARGED
        raise error("value", f"{encounter} has no charge that can be billed: {why}")
    patient = relative(found.get("subject", {}).get("reference", ""))
    return Chargeable(found, patient, charges, min(each["date"] for each in charges))


def make(
    store: Any,
    encounter: str,
    id: str,
    created: str,
    *,
    frequency: str = "1",
    prior: str = "",
    coverage: str = "",
    responsibility: str = "P",
    zone: datetime.tzinfo = datetime.UTC,
) -> Json:
    """The Claim of an encounter, with days of a zone.

    FhirError "not-found", "value" where something that every claim has is missing.
    """
    claimed = known(store, f"Claim/{prior}") if prior else None
    if frequency == "8" and claimed is not None:
        base = {**claimed, "id": id, "created": created}
        base.pop("meta", None)
    else:
        found, patient, charges, date = chargeable(store, encounter)
        chosen = known(store, coverage) if coverage else next(iter(coverages(store, patient, date)), None)
        if chosen is None:
            raise error(
                "value",
                f"{patient} has no coverage that is active on {date}; add a Coverage, or bill the patient.",
            )
        kind = "institutional" if inpatient(found) else "professional"
        base = {
            "resourceType": "Claim",
            "id": id,
            "status": "active",
            "type": {"coding": [{"system": CLAIM_TYPE, "code": kind}]},
            "use": "claim",
            "patient": {"reference": patient},
            "billablePeriod": _period(found, charges, zone),
            "created": created,
            "insurer": payer(store, chosen),
            "provider": _provider(store, found),
            "priority": {
                "coding": [{"system": "http://terminology.hl7.org/CodeSystem/processpriority", "code": "normal"}]
            },
            "insurance": [{"sequence": 1, "focal": True, "coverage": {"reference": f"Coverage/{chosen['id']}"}}],
            "item": [_item(number, each, encounter) for number, each in enumerate(charges, 1)],
            "total": money(sum(each["cents"] for each in charges)),
        }
        diagnoses = diagnoses_of(store, found)
        if diagnoses:
            base["diagnosis"] = [
                {"sequence": number, "diagnosisCodeableConcept": {"coding": [{"system": ICD10, "code": code}]}}
                for number, code in enumerate(diagnoses, 1)
            ]
    base["meta"] = {"tag": [{"system": SYSTEM, "code": "claim"}]}
    base["identifier"] = [{"system": f"{SYSTEM}:claim", "value": id}]
    base["extension"] = [
        {"url": FREQUENCY, "valueCode": frequency},
        {"url": f"{SYSTEM}:responsibility", "valueCode": responsibility},
    ]
    base.pop("related", None)
    if prior:
        base["related"] = [
            {
                "claim": {"reference": f"Claim/{prior}"},
                "relationship": {
                    "coding": [
                        {"system": "http://terminology.hl7.org/CodeSystem/ex-relatedclaimrelationship", "code": "prior"}
                    ]
                },
            }
        ]
    return base


def extension(resource: Json, url: str) -> str:
    """The code of an extension, "" for none."""
    return next((each.get("valueCode", "") for each in resource.get("extension", ()) if each.get("url") == url), "")


def sources_of(claim: Json) -> dict[str, int]:
    """What a Claim, or an Invoice of a visit, was made of: reference -> version."""
    found = {}
    for item in (*claim.get("item", ()), *claim.get("lineItem", ())):
        for each in item.get("extension", ()):
            if each.get("url") == SOURCE:
                reference, _, version = each["valueReference"]["reference"].partition("/_history/")
                found[reference] = int(version or 0)
    return found


def _item(number: int, charge: Any, encounter: str) -> Json:
    made: Json = {
        "extension": [
            {"url": SOURCE, "valueReference": {"reference": f"{charge['source']}/_history/{charge['version']}"}}
        ],
        "sequence": number,
        "productOrService": {
            "coding": [
                {"system": CPT if charge["hcpcs"] else charge["system"], "code": charge["hcpcs"] or charge["code"]}
            ],
            "text": charge["text"],
        },
        "servicedDate": charge["date"],
        "quantity": {"value": Decimal(charge["units"])},
        "net": money(charge["cents"]),
        "encounter": [{"reference": encounter}],
    }
    if charge["modifiers"]:
        made["modifier"] = [{"coding": [{"system": CPT, "code": each}]} for each in charge["modifiers"].split()]
    if charge["revenue"]:
        made["revenue"] = {
            "coding": [{"system": "https://www.nubc.org/CodeSystem/RevenueCodes", "code": charge["revenue"]}]
        }
    return made


def diagnoses_of(store: Any, encounter: Json) -> list[str]:
    """The ICD-10-CM codes that an encounter is claimed with, the first one first."""
    conditions = [
        known(store, each["condition"]["reference"])
        for each in sorted(encounter.get("diagnosis", ()), key=lambda each: each.get("rank", 99))
        if each.get("condition", {}).get("reference")
    ] or list(of_encounter(store, "Condition", f"Encounter/{encounter['id']}"))
    codes = [
        coding["code"]
        for condition in conditions
        for coding in (condition or {}).get("code", {}).get("coding", ())
        if coding.get("system") == ICD10 and coding.get("code")
    ]
    return list(dict.fromkeys(codes))


def _period(encounter: Json, charges: list[Any], zone: datetime.tzinfo) -> Json:
    period = encounter.get("period", {})
    start = day_of(period.get("start", ""), zone) or min(each["date"] for each in charges)
    end = day_of(period.get("end", ""), zone) or max(each["date"] for each in charges)
    return {"start": start, "end": max(start, end)}


def payer(store: Any, coverage: Json) -> Json:
    """A reference to the Organization that a coverage is of; FhirError "value" where it is none that is here."""
    reference = payer_of(store, coverage)
    if not reference:
        named = next(iter(coverage.get("payor", ())), {})
        said = named.get("identifier", {})
        how = f"by the identifier {said.get('value')} of {said.get('system')}" if said else "by no reference"
        raise error(
            "value",
            f"Coverage/{coverage['id']} names its payer (payor) {how}, which is no Organization here: name one.",
        )
    return {"reference": reference}


def _provider(store: Any, encounter: Json) -> Json:
    """A reference to the organization that bills."""
    named = encounter.get("serviceProvider", {})
    if not named:
        raise error("value", f"Encounter/{encounter['id']} has no serviceProvider, the organization that bills.")
    reference = organization_of(store, named)
    if not reference:
        said = named.get("identifier", {})
        raise error(
            "value",
            f"Encounter/{encounter['id']} names who bills (serviceProvider) by the identifier {said.get('value')} of "
            f"{said.get('system')}, which no Organization has: give it to the one that bills.",
        )
    return {"reference": reference}
