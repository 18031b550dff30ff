"""What billing knows of the FHIR resources that it follows: their current content."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Any

from fhir_server.codec.json import decode
from fhir_server.subsystems.billing.models import SYSTEM
from fhir_server.subsystems.store import SubsystemStore
from fhir_server.subsystems.subsystem import Change

Json = dict[str, Any]
Connection = sqlite3.Connection | SubsystemStore

TYPES = (
    "Patient", "Coverage", "Organization", "Practitioner", "Encounter", "Condition", "Procedure", "ServiceRequest",
    "MedicationAdministration", "MedicationDispense", "ChargeItem", "ChargeItemDefinition", "Claim", "ClaimResponse",
    "CoverageEligibilityRequest", "CoverageEligibilityResponse", "PaymentReconciliation", "PaymentNotice", "Invoice",
    "Task", "DocumentReference",
)  # fmt: skip


def rows(connection: Connection, sql: str, values: tuple[Any, ...] = ()) -> list[sqlite3.Row]:
    """All rows, inside of a transaction or beside it."""
    return (
        connection.execute(sql, values).fetchall()
        if isinstance(connection, sqlite3.Connection)
        else connection.rows(sql, values)
    )


def keep(connection: sqlite3.Connection, change: Change) -> Json | None:
    """Takes a change in and gives its content, None where the resource is gone."""
    reference = f"{change.type}/{change.id}"
    body = bytes(change.resource)
    if change.type == "Organization":
        connection.execute("DELETE FROM payer WHERE reference = ?", (reference,))
    if not body:
        connection.execute("DELETE FROM fact WHERE type = ? AND id = ?", (change.type, change.id))
        connection.execute("INSERT OR REPLACE INTO gone VALUES (?, ?)", (reference, change.version))
        return None
    resource = decode(body)
    connection.execute("DELETE FROM gone WHERE reference = ?", (reference,))
    version = int(resource.get("meta", {}).get("versionId", change.version))
    connection.execute(
        "INSERT OR REPLACE INTO fact VALUES (?, ?, ?, ?, ?, ?, ?)",
        (change.type, change.id, version, change.updated, encounter_of(resource), patient_of(resource), body),
    )
    if change.type == "Organization":
        values = [(each["value"], reference) for each in resource.get("identifier", ()) if each.get("value")]
        connection.executemany("INSERT OR IGNORE INTO payer VALUES (?, ?)", values)
    return resource


def known(connection: Connection, reference: str) -> Json | None:
    """The content of what a reference such as Patient/1 names; a version in it is not looked at."""
    type, _, id = reference.partition("/_history/")[0].rpartition("/")
    found = rows(connection, "SELECT body FROM fact WHERE type = ? AND id = ?", (type.rpartition("/")[2], id))
    return decode(bytes(found[0][0])) if found else None


def patient_kept(connection: Connection, reference: str) -> str:
    """Patient/id that a resource is about as it was taken in last, "" for none."""
    type, _, id = reference.rpartition("/")
    found = rows(connection, "SELECT patient FROM fact WHERE type = ? AND id = ?", (type.rpartition("/")[2], id))
    return found[0][0] if found else ""


def numbers_of(connection: sqlite3.Connection, change: Change) -> set[str]:
    """The identifiers, without their systems, of the Organization that a change is of; none for other types."""
    if change.type != "Organization":
        return set()
    found = connection.execute("SELECT value FROM payer WHERE reference = ?", (f"Organization/{change.id}",))
    return {row[0] for row in found}


def insured_by(connection: sqlite3.Connection, numbers: set[str]) -> set[str]:
    """The patients whose Coverages name a payer by one of these identifiers."""
    sql = "SELECT patient, body FROM fact WHERE type = 'Coverage' AND instr(body, ?) = 0"  # most name it by reference
    found = connection.execute(sql, (b'"payor":[{"reference"',)) if numbers else ()
    return {
        patient
        for patient, body in found
        for payor in decode(bytes(body)).get("payor", ())
        if payor.get("identifier", {}).get("value") in numbers
    }


def of_patient(connection: Connection, type: str, patient: str) -> Iterator[Json]:
    """All of a type of a patient, in order of their ids."""
    for row in rows(connection, "SELECT body FROM fact WHERE patient = ? AND type = ? ORDER BY id", (patient, type)):
        yield decode(bytes(row[0]))


def of_encounter(connection: Connection, type: str, encounter: str) -> Iterator[Json]:
    """All of a type of an encounter."""
    for row in rows(connection, "SELECT body FROM fact WHERE link = ? AND type = ? ORDER BY id", (encounter, type)):
        yield decode(bytes(row[0]))


def encounter_of(resource: Json) -> str:
    """Encounter/id that a resource belongs to, "" for none."""
    for name in ("encounter", "context"):
        found = resource.get(name)
        if isinstance(found, list):
            found = found[0] if found else None
        if isinstance(found, dict) and isinstance(found.get("reference"), str):
            return relative(found["reference"])
    return ""


def patient_of(resource: Json) -> str:
    """Patient/id that a resource is about, "" for none."""
    for name in ("subject", "patient", "beneficiary", "for"):
        found = resource.get(name)
        if isinstance(found, dict) and isinstance(found.get("reference"), str):
            return relative(found["reference"])
    return ""


def organization_of(connection: Connection, named: Json) -> str:
    """Organization/id that a Reference, such as a serviceProvider or payor, names by reference or by an identifier; ""
    where it is not here."""
    if named.get("reference"):
        return relative(named["reference"])
    wanted = named.get("identifier", {})
    for row in rows(
        connection, "SELECT reference FROM payer WHERE value = ? ORDER BY reference", (wanted.get("value", ""),)
    ):
        found = (known(connection, row["reference"]) or {}).get("identifier", ())
        if any((each.get("system"), each.get("value")) == (wanted.get("system"), wanted["value"]) for each in found):
            return row["reference"]
    return ""


def survivor_of(connection: Connection, patient: str) -> str:
    """The patient whom this one was merged into; itself for one who was not."""
    found = rows(connection, "SELECT survivor FROM merged WHERE patient = ?", (patient,))
    return found[0][0] if found else patient


def relative(reference: str) -> str:
    """The last two segments of a reference, without a version."""
    return "/".join(reference.partition("/_history/")[0].split("/")[-2:])


def ours(resource: Json, code: str = "") -> bool:
    """Whether a resource has our tag, of a code where one is given."""
    tags = resource.get("meta", {}).get("tag", ())
    return any(tag.get("system") == SYSTEM and (not code or tag.get("code") == code) for tag in tags)


def identifier(resource: Json | None, *systems: str) -> str:
    """The first identifier of these systems, in their order."""
    for system in systems:
        for each in (resource or {}).get("identifier", ()):
            if each.get("system") == system and each.get("value"):
                return each["value"]
    return ""
