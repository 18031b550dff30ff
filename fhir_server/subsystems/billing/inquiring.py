"""What a person asks payers: whether a patient is covered (270), where a claim is (276)."""

from __future__ import annotations

import hashlib

from fhir_server.client import FhirClient
from fhir_server.core.errors import error
from fhir_server.core.keys import instant
from fhir_server.subsystems.billing import claiming
from fhir_server.subsystems.billing.claim_data import data_of, payer_of, provider_of, subscriber_of
from fhir_server.subsystems.billing.coverages import coverages
from fhir_server.subsystems.billing.days import local, today
from fhir_server.subsystems.billing.facts import Json, known, of_patient, organization_of
from fhir_server.subsystems.billing.interchanges import envelope, keep_sent, next_control
from fhir_server.subsystems.billing.models import SYSTEM
from fhir_server.subsystems.billing.service import Billing
from interfaces.x12.inquiries import Inquiry, write_eligibility, write_status
from interfaces.x12.shapes import Envelope, Party


async def ask_eligibility(
    billing: Billing, client: FhirClient, patient: str, receiver: str, now: int, who: str
) -> Json:
    """Asks a patient's first payer by a 270 whether the coverage is in force today; the 271 is loaded like any file."""
    async with billing.desk:
        return await _ask_eligibility(billing, client, patient, receiver, now, who)


async def _ask_eligibility(
    billing: Billing, client: FhirClient, patient: str, receiver: str, now: int, who: str
) -> Json:
    day = today(now, billing.zone)
    found = coverages(billing.store, patient, day)
    person = known(billing.store, patient)
    if not found or person is None:
        raise error("not-found", f"{patient} has no coverage that is active on {day}, or is not there.")
    coverage = found[0]
    insurer = claiming.payer(billing.store, coverage)["reference"]
    payer, provider = known(billing.store, insurer), _provider(billing, patient)
    if payer is None:
        raise error("not-found", f"The payer {insurer} is not there.")
    trace = "E" + hashlib.sha256(f"{patient}|{coverage['id']}|{now}".encode()).hexdigest()[:20]
    member = subscriber_of(person, coverage)
    inquiry = Inquiry(trace, payer_of(payer), provider, member, day.replace("-", ""))
    text = write_eligibility(inquiry, _envelope(billing, provider, receiver, now))
    request = {
        "resourceType": "CoverageEligibilityRequest",
        "id": trace,
        "status": "active",
        "purpose": ["validation"],
        "meta": {"tag": [{"system": SYSTEM, "code": "eligibility"}]},
        "patient": {"reference": patient},
        "created": instant(now),
        "insurer": {"reference": insurer},
        "insurance": [{"coverage": {"reference": f"Coverage/{coverage['id']}"}}],
    }
    return await _asked(billing, client, text, "270", [request], now, who)


async def ask_status(billing: Billing, client: FhirClient, id: str, receiver: str, now: int, who: str) -> Json:
    """Asks the payer by a 276 where a claim is."""
    async with billing.desk:
        return await _ask_status(billing, client, id, receiver, now, who)


async def _ask_status(billing: Billing, client: FhirClient, id: str, receiver: str, now: int, who: str) -> Json:
    claim = known(billing.store, f"Claim/{id}")
    if claim is None:
        raise error("not-found", f"There is no Claim/{id}.")
    data = data_of(billing.store, claim, billing.zone)
    inquiry = Inquiry(id, data.payer, data.billing, data.subscriber, min(line.date for line in data.lines), data.cents)
    text = write_status(inquiry, _envelope(billing, data.billing, receiver, now))
    return await _asked(billing, client, text, "276", [], now, who)


async def _asked(
    billing: Billing, client: FhirClient, text: str, kind: str, resources: list[Json], now: int, who: str
) -> Json:
    """Stores what is asked."""
    file = await keep_sent(billing, client, text, kind, str(now), now, who, resources=resources)
    return {"file": file, "kind": kind, "text": text}


def _envelope(billing: Billing, provider: Party, receiver: str, now: int) -> Envelope:
    return envelope(provider, receiver, next_control(billing.store), local(now, billing.zone))


def _provider(billing: Billing, patient: str) -> Party:
    """Who asks: the organization of the patient's newest encounter."""
    found = [each for each in of_patient(billing.store, "Encounter", patient) if each.get("serviceProvider")]
    newest = max(found, key=lambda each: each.get("period", {}).get("start", ""), default=None)
    organization = known(billing.store, organization_of(billing.store, newest["serviceProvider"])) if newest else None
    if organization is None:
        raise error("business-rule", f"{patient} has no encounter with a serviceProvider, which would be who asks.")
    return provider_of(organization)
