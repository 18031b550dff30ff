"""Who insures a patient, in which order, on which day, and what the payer has answered about it."""

from __future__ import annotations

from typing import Any

from fhir_server.subsystems.billing.days import bounds
from fhir_server.subsystems.billing.facts import Json, of_patient, organization_of, relative

SELF_PAYING = "http://terminology.hl7.org/CodeSystem/coverage-selfpay"
PEOPLE = (["Patient"], ["RelatedPerson"])


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


def payer_of(connection: Any, coverage: Json) -> str:
    """Organization/id of the payer, "" where none that is here is named."""
    return organization_of(connection, next(iter(coverage.get("payor", ())), {}))


def in_force(coverage: Json, date: str) -> bool:
    """Whether a coverage's period has a day."""
    start, end = bounds(coverage.get("period", {}))
    return start <= date <= end


def eligibility(store: Any, patient: str, coverage: str, day: str) -> bool | None:
    """What the newest answer on file says of a coverage: in force on a day or not, None for no answer."""
    found = [
        (
            answer.get("created", ""),
            insurance["inforce"] and in_force({"period": insurance.get("benefitPeriod", {})}, day),
        )
        for answer in of_patient(store, "CoverageEligibilityResponse", patient)
        for insurance in answer.get("insurance", ())
        if relative(insurance.get("coverage", {}).get("reference", "")) == coverage and "inforce" in insurance
    ]
    return max(found)[1] if found else None
