"""What an 837 says of a Claim: the parties, the lines, and what the payer before it paid."""

from __future__ import annotations

import datetime
from decimal import Decimal
from typing import Any

import msgspec

from fhir_server.core.errors import error
from fhir_server.subsystems.billing.cents import cents_of
from fhir_server.subsystems.billing.claiming import extension, inpatient
from fhir_server.subsystems.billing.days import time_of
from fhir_server.subsystems.billing.facts import Json, identifier, known, rows
from fhir_server.subsystems.billing.models import CPT, FREQUENCY, NPI, PAYER_ID, SYSTEM, TAX
from fhir_server.subsystems.billing.standing import standing
from fhir_server.subsystems.store import SubsystemStore
from interfaces.x12.shapes import ClaimAnswer, ClaimData, Line, LineAnswer, OtherPayer, Party, Place
from interfaces.x12.values import text

RELATIONSHIPS = {"self": "18", "spouse": "01", "child": "19", "parent": "G8", "common": "53", "other": "G8"}


def data_of(store: SubsystemStore, claim: Json, zone: datetime.tzinfo) -> ClaimData:
    """What an 837 says of a Claim, with the payer's number of what it replaces, and what the payer before it paid;
    times are of a zone."""
    related = claim.get("related", ())
    prior = related[0]["claim"]["reference"].rpartition("/")[2] if related else ""
    before = rows(store, "SELECT * FROM claim WHERE id = ?", (prior,)) if prior else []
    control = before[0]["payer_control"] if before and extension(claim, FREQUENCY) in ("7", "8") else ""
    data = _data(store, claim, zone, control)
    others: list[OtherPayer] = []
    said: list[list[LineAnswer | None]] = []
    for own in _paid_before(store, prior, data.responsibility):
        answer, date = answer_to(store, own["id"])
        theirs = _data(store, known(store, f"Claim/{own['id']}") or claim, zone)
        by_control = {each.control: each for each in answer.lines}
        said.append([by_control.get(line.control) for line in theirs.lines])
        others.append(OtherPayer(theirs.payer, theirs.subscriber, own["responsibility"], theirs.relationship,
                                 theirs.filing, answer.paid, date, answer.adjustments))  # fmt: skip
    if not others:
        return data
    lines = [
        msgspec.structs.replace(line, answers=tuple(each[at] if at < len(each) else None for each in said))
        for at, line in enumerate(data.lines)
    ]
    return msgspec.structs.replace(data, lines=tuple(lines), others=tuple(others))


def _paid_before(store: SubsystemStore, prior: str, responsibility: str) -> list[Any]:
    """The claims to the payers before this one, the first payer's first: the newest to each."""
    found: dict[str, Any] = {}
    while prior:
        row = store.row("SELECT * FROM claim WHERE id = ?", (prior,))
        if row is None:
            break
        if row["responsibility"] != responsibility:
            found.setdefault(row["responsibility"], row)
        prior = row["prior"]
    return [*reversed(found.values())]


def answer_to(store: SubsystemStore, claim: str) -> tuple[ClaimAnswer, str]:
    """A payer's newest answer to a claim that stands, by the claim's id, and its day; FhirError "business-rule" where
    there is none, or all was taken back."""
    row = store.row("SELECT payer FROM claim WHERE id = ?", (claim,))
    found = standing(store, claim, row["payer"]) if row is not None else None
    if not found:
        how = "not answered" if found is None else "taken back what it answered to"
        raise error(
            "business-rule", f"The payer before has {how} Claim/{claim} yet: the next payer is told what it paid."
        )
    return found[0].answer, found[0].date


def _data(store: Any, claim: Json, zone: datetime.tzinfo, payer_control: str = "") -> ClaimData:
    """What an 837 says of a Claim; FhirError "value" where the resources that it refers to lack something."""
    patient, coverage, payer, provider = (_needed(store, claim, name, reference) for name, reference in (
        ("patient", claim["patient"]["reference"]),
        ("coverage", claim["insurance"][0]["coverage"]["reference"]),
        ("payer", claim["insurer"]["reference"]),
        ("provider", claim["provider"].get("reference", "")),
    ))  # fmt: skip
    encounter = known(store, claim["item"][0]["encounter"][0]["reference"]) or {}
    institutional = claim["type"]["coding"][0]["code"] == "institutional"
    relationship, subscriber, person = _insured(store, patient, coverage)
    diagnoses = tuple(
        each["diagnosisCodeableConcept"]["coding"][0]["code"].replace(".", "") for each in claim.get("diagnosis", ())
    )
    return ClaimData(
        kind="I" if institutional else "P",
        control=claim["id"],
        cents=cents_of(claim["total"]),
        billing=provider_of(provider),
        subscriber=subscriber,
        payer=payer_of(payer),
        diagnoses=diagnoses,
        lines=tuple(_line(claim["id"], each, len(diagnoses)) for each in claim["item"]),
        facility="21" if inpatient(encounter) and not institutional else "11",
        frequency=extension(claim, FREQUENCY) or "1",
        payer_control=payer_control,
        patient=person,
        relationship=relationship,
        group=_group(coverage),
        responsibility=extension(claim, f"{SYSTEM}:responsibility") or "P",
        rendering=_rendering(store, encounter),
        start=_compact(claim["billablePeriod"].get("start", "")),
        end=_compact(claim["billablePeriod"].get("end", "")),
        admitted=_admitted(encounter.get("period", {}).get("start", ""), zone) if institutional else "",
    )


def _needed(store: Any, claim: Json, name: str, reference: str) -> Json:
    found = known(store, reference)
    if found is None:
        raise error("value", f"The {name} of the claim, {reference or 'which it does not name'}, is not there.")
    return found


def _insured(store: Any, patient: Json, coverage: Json) -> tuple[str, Party, Party | None]:
    """How the patient is related to the subscriber (18: is the subscriber), who that is, and the patient if another."""
    member = coverage.get("subscriberId") or identifier(
        coverage, *(each.get("system", "") for each in coverage.get("identifier", ()))
    )
    code = next((each.get("code", "") for each in coverage.get("relationship", {}).get("coding", ())), "self")
    relationship = RELATIONSHIPS.get(code, "18")
    person = _person(patient, member)
    if relationship == "18":
        return relationship, person, None
    holder = known(store, coverage.get("subscriber", {}).get("reference", "Patient/"))
    return relationship, _person(holder or patient, member), person


def _group(coverage: Json) -> str:
    """The number of the group that a coverage is for."""
    for each in coverage.get("class", ()):
        if each.get("type", {}).get("coding", [{}])[0].get("code") == "group":
            return each.get("value", "")
    return ""


def _admitted(start: str, zone: datetime.tzinfo) -> str:
    """The day and minute of an admission, YYYYMMDDHHMM; midnight where only the day is known."""
    if not start:
        return ""
    at = time_of(start, zone)
    return f"{at:%Y%m%d%H%M}" if at is not None else f"{_compact(start)}0000"


def payer_of(payer: Json) -> Party:
    """A payer as a party, known by the identifier that it has at the clearing house."""
    first = next((each.get("value", "") for each in payer.get("identifier", ())), "")
    return Party(
        payer.get("name", ""),
        id=identifier(payer, PAYER_ID) or first,
        qualifier="PI",
        place=_place(payer),
        tax=identifier(payer, *TAX),
    )


def provider_of(organization: Json) -> Party:
    """An organization as the provider that bills."""
    return Party(
        organization.get("name", ""),
        id=identifier(organization, NPI),
        place=_place(organization),
        tax=identifier(organization, *TAX),
        phone=_phone(organization),
    )


def subscriber_of(patient: Json, coverage: Json) -> Party:
    """A patient as a member of a plan."""
    member = coverage.get("subscriberId") or next(
        (each.get("value", "") for each in coverage.get("identifier", ())), ""
    )
    return _person(patient, member)


def _line(claim: str, item: Json, diagnoses: int) -> Line:
    coding = item["productOrService"]["coding"][0]
    modifiers = tuple(each["coding"][0]["code"] for each in item.get("modifier", ()))
    revenue = item.get("revenue", {}).get("coding", [{}])[0].get("code", "")
    return Line(
        coding["code"] if coding.get("system") == CPT else "",
        cents_of(item["net"]),
        format(Decimal(str(item["quantity"]["value"])).normalize(), "f"),
        _compact(item["servicedDate"]),
        tuple(range(1, min(diagnoses, 4) + 1)) or (1,),
        modifiers,
        f"{claim}-{item['sequence']}",
        revenue,
    )


def _rendering(store: Any, encounter: Json) -> Party | None:
    for participant in encounter.get("participant", ()):
        reference = participant.get("individual", {}).get("reference", "")
        found = known(store, reference) if "Practitioner/" in reference else None
        if found is not None and identifier(found, NPI):
            name = _written(found)
            return Party(name.get("family", ""), " ".join(name.get("given", ())[:1]), identifier(found, NPI))
    return None


def _person(patient: Json, member: str) -> Party:
    name = _written(patient)
    gender = {"male": "M", "female": "F"}.get(patient.get("gender", ""), "U")
    return Party(
        name.get("family", ""),
        " ".join(name.get("given", ())[:1]),
        member,
        "MI",
        _place(patient),
        born=_compact(patient.get("birthDate", "")),
        gender=gender,
    )


def _written(person: Json) -> Json:
    """The first name of a person that X12 has letters for, else the first one."""
    names = person.get("name") or [{}]
    return next((each for each in names if text(each.get("family", ""))), names[0])


def _place(resource: Json) -> Place:
    found = (resource.get("address") or [{}])[0]
    return Place(
        " ".join(found.get("line", ())), found.get("city", ""), found.get("state", ""), found.get("postalCode", "")
    )


def _phone(resource: Json) -> str:
    return next((each.get("value", "") for each in resource.get("telecom", ()) if each.get("system") == "phone"), "")


def _compact(date: str) -> str:
    return date[:10].replace("-", "")
