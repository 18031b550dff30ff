"""Whose study it is: the Patient of an id and issuer, the order of an accession number, and whether they agree."""

from __future__ import annotations

from typing import Any, NamedTuple

from fhir_server.client import FhirClient
from fhir_server.core.errors import FhirError, error
from interfaces.dicom.fhir import Resource, read, reference, search
from mappings.dicom.engine import Model
from mappings.dicom.identifiers import tokens
from mappings.dicom.imaging_study import first

MOST_MERGES = 8


class Held(Exception):
    """The study must be looked at by a person; the text says why."""


class Subject(NamedTuple):
    """The patient (None: unknown to FHIR) and the order (None: none) of a study."""

    patient: Resource | None
    order: Resource | None


async def subject(
    client: FhirClient, patient: Model, accession: str, issuer: str, decision: dict[str, Any], known: str = ""
) -> Subject:
    """Finds patient and order; decision: what a person said; Held where they contradict or are not one.

    known: the order that the study was of before, "" for none; it stays so whatever number the order has now.
    """
    if decision:
        order = await read(client, decision["order"]) if decision.get("order") else None
        return Subject(await survivor(client, await read(client, decision["patient"])), order)
    order = await _order_before(client, known) or await order_of(client, accession, issuer)
    found = await _patient(client, first(patient, "00100020"), first(patient, "00100021"))
    if order is None:
        return Subject(found, None)
    ordered = order.get("subject", {}).get("reference", "")
    if not ordered.startswith("Patient/"):
        return Subject(found, order)
    of_order = await survivor(client, await read(client, ordered))
    if found is None and not first(patient, "00100020"):
        raise Held("no Patient ID, and the order of its accession number is another proof than none")
    if found is None or reference(found) != reference(of_order):
        raise Held(
            f"the order with its accession number is of {reference(of_order)}, the images are of "
            f"{reference(found) if found else 'a patient that is not known'}"
        )
    return Subject(found, order)


async def check_order(client: FhirClient, patient: Resource, order: Resource) -> None:
    """FhirError "business-rule" where an order is of somebody else, as it can't be what the patient's images are of."""
    ordered = order.get("subject", {}).get("reference", "")
    if not ordered.startswith("Patient/"):
        return
    try:
        whose, of_order = await survivor(client, patient), await survivor(client, await read(client, ordered))
    except Held as held:
        raise error("business-rule", f"{held}.") from held
    if reference(whose) != reference(of_order):
        raise error(
            "business-rule",
            f"{reference(order)} is of {reference(of_order)}, not of {reference(whose)}; name the order's patient, or "
            "no order.",
        )


async def survivor(client: FhirClient, patient: Resource) -> Resource:
    """The patient that this one was merged into (Patient.link replaced-by), itself where it was not."""
    for _ in range(MOST_MERGES):
        replaced = [link for link in patient.get("link", ()) if link.get("type") == "replaced-by"]
        if not replaced:
            return patient
        patient = await read(client, replaced[0]["other"]["reference"])
    raise Held("the patient's merges go round in a circle")


async def _patient(client: FhirClient, patient_id: str, issuer: str) -> Resource | None:
    if not patient_id:
        raise Held("no Patient ID")
    found = await search(client, "Patient", ("identifier", tokens(patient_id, issuer)))
    survivors = {reference(each): each for each in [await survivor(client, patient) for patient in found]}
    if len(survivors) > 1:
        raise Held(f"{len(survivors)} patients have its Patient ID; an issuer would tell them apart")
    return next(iter(survivors.values()), None)


async def _order_before(client: FhirClient, known: str) -> Resource | None:
    """The order of that reference; None for none, one that is gone, and one that was an error."""
    if not known:
        return None
    try:
        order = await read(client, known)
    except FhirError as problem:
        if problem.category in ("not-found", "deleted"):
            return None
        raise
    return None if order.get("status") == "entered-in-error" else order


async def order_of(client: FhirClient, accession: str, issuer: str) -> Resource | None:
    """The order of an accession number, None for none; Held where several have it."""
    if not accession:
        return None
    found = await search(client, "ServiceRequest", ("identifier", tokens(accession, issuer)))
    if len(found) > 1:
        raise Held(f"{len(found)} orders have its accession number; an issuer would tell them apart")
    return found[0] if found else None
