"""Billing as a subsystem: it takes the feed into its tables, and writes charges, answers and work items to FHIR."""

from __future__ import annotations

import asyncio
import datetime
import json
import sqlite3
from collections.abc import Sequence
from pathlib import Path

import msgspec

from fhir_server.client import FhirClient
from fhir_server.codec.json import serialize
from fhir_server.subsystems.billing import facts, output, posting, written
from fhir_server.subsystems.billing.booking import book
from fhir_server.subsystems.billing.charges import charged_in, of_another, propose, rules, services_of
from fhir_server.subsystems.billing.claiming import NO_VISIT, diagnoses_of
from fhir_server.subsystems.billing.days import DAY_OF, day_of
from fhir_server.subsystems.billing.facts import Json, known, ours
from fhir_server.subsystems.billing.items import close_items, id_of, open_item, take_task
from fhir_server.subsystems.billing.links import ways
from fhir_server.subsystems.billing.merging import take_merge
from fhir_server.subsystems.billing.models import LAYOUT, SCHEMA, SELF_PAY, STANDS
from fhir_server.subsystems.billing.notices import take_notice, withdraw
from fhir_server.subsystems.billing.output import Due
from fhir_server.subsystems.billing.payments import INVOICE, take_payment
from fhir_server.subsystems.billing.prices import priced_by, take_prices
from fhir_server.subsystems.billing.scrub import Edits
from fhir_server.subsystems.billing.self_pay import billed
from fhir_server.subsystems.billing.self_pay import book as book_invoice
from fhir_server.subsystems.billing.services import matched
from fhir_server.subsystems.store import SubsystemStore
from fhir_server.subsystems.subsystem import ERASED, Change, Portion
from fhir_server.subsystems.tracing import Ways

COMPARED = ("modifiers", "units", "date", "cents")  # of a charge and what was claimed, beside the code
BOOKED = {"Claim": book, "Invoice": book_invoice}
AT_ONCE = 200  # that are written together


class Billing:
    """The subsystem on two files of a folder: its tables, and the code edits that were loaded; zone: of its days."""

    name = "billing"
    types: tuple[str, ...] = facts.TYPES
    pause = 1.0

    def __init__(self, folder: Path, zone: datetime.tzinfo = datetime.UTC) -> None:
        self.zone = zone
        self.store = SubsystemStore(
            folder / "billing.sqlite", SCHEMA, LAYOUT, {DAY_OF: lambda text: day_of(text, self.zone)}
        )
        self.edits = Edits(folder / "billing-edits.sqlite")
        self.desk = asyncio.Lock()  # held while a payment is made, so that two do not pay the same

    def position(self) -> int:
        """How far in the feed its tables are."""
        return self.store.position()

    def drop(self) -> None:
        """Forgets all but the code edits, which do not come from the feed."""
        self.store.drop()

    def close(self) -> None:
        """Closes its files."""
        self.store.close()
        self.edits.close()

    def links(self, reference: str) -> Ways:
        """What its tables know of the way to and from a reference, journal/NUMBER among them."""
        return ways(self.store, reference)

    def take(self, portion: Portion) -> None:
        """Takes changes in, in one commit."""
        self._take_all(portion.changes, portion.position)
        if any(change.method == ERASED for change in portion.changes):
            self.store.forget()

    async def take_at_once(self, resource: Json) -> None:
        """Takes in what was just stored, before the feed brings it: who asks next must not do the same again."""
        body = msgspec.Raw(serialize(resource))
        made = Change(
            0,
            resource["resourceType"],
            resource["id"],
            1,
            "PUT",
            str(resource.get("created") or resource["date"]),
            body,
        )
        await asyncio.to_thread(self._take_all, [made], None)

    def _take_all(self, changes: Sequence[Change], position: int | None) -> None:
        with self.store.writing(position) as connection:
            numbers: set[str] = set()  # identifiers of Organizations that others have now
            payers_changed = False
            sources: set[str] = set()
            codes: set[str] = set()
            encounters: set[str] = set()
            for change in changes:
                payers_changed |= change.type == "Organization"
                before = facts.numbers_of(connection, change)
                sources |= self._take(connection, change, codes, encounters)
                numbers |= before ^ facts.numbers_of(connection, change)
            sources |= _insured_otherwise(connection, facts.insured_by(connection, numbers))
            sources.update(priced_by(connection, codes, rules()))
            visits: dict[str, set[str]] = {}
            for source in sorted(sources):
                type, _, id = source.partition("/")
                visits[source] = propose(connection, type, id, known(connection, source), self.zone)
                encounters |= visits[source]
            for encounter in sorted(encounters):
                sources |= matched(connection, encounter)
            for source in sorted(sources):
                _look(connection, source, visits.get(source, set()), changes[-1].updated if changes else "")
            if payers_changed:
                self._try_again(connection)

    def _take(self, connection: sqlite3.Connection, change: Change, codes: set[str], encounters: set[str]) -> set[str]:
        """Takes a change in; gives the sources whose charges have to be made anew, adds codes with new prices, and
        encounters that are claimed otherwise now."""
        reference = f"{change.type}/{change.id}"
        patients = {facts.patient_kept(connection, reference)}
        resource = facts.keep(connection, change)
        patients.add(facts.patient_of(resource or {}))
        if change.type == "ChargeItemDefinition":
            codes.update(take_prices(connection, change.id, resource))
            return set()
        if change.type == "Coverage":
            return _insured_otherwise(connection, patients)
        if change.type == "Condition":
            return _diagnosed_otherwise(connection, patients)
        if change.type in rules() and not (resource is not None and ours(resource)):
            services = services_of(resource) if change.type == "ChargeItem" and resource is not None else set()
            return {reference, *services, *of_another(connection, reference)}
        if resource is None:
            if change.type in ("PaymentNotice", "PaymentReconciliation"):
                withdraw(connection, reference, change.updated)
            return set()
        if change.type == "Patient":
            return take_merge(connection, resource, change.updated)
        if change.type in BOOKED:
            try:
                encounter = BOOKED[change.type](connection, resource)
                encounters.add(encounter)
                return charged_in(connection, encounter)  # one may have come while the claim was made
            except (KeyError, TypeError, ValueError, ArithmeticError, IndexError, AttributeError):
                text = f"{reference} is not posted: it lacks a part that each of billing has."
                open_item(connection, "set-aside", reference, change.updated, text)
        elif change.type == "PaymentNotice" or (change.type == "PaymentReconciliation" and not ours(resource)):
            take_notice(connection, resource, change.updated)
        elif change.type == "PaymentReconciliation":
            take_payment(connection, resource)
        elif change.type == "DocumentReference" and (ours(resource, "incoming") or ours(resource, "outgoing")):
            posting.take_file(connection, change.id, resource, change.updated)
        elif change.type == "Task" and ours(resource, "work"):
            take_task(connection, resource)
        return set()

    def _try_again(self, connection: sqlite3.Connection) -> None:
        waiting = [
            row[0] for row in connection.execute("SELECT id FROM file WHERE state = 'set-aside' ORDER BY loaded, id")
        ]
        found = {id: known(connection, f"DocumentReference/{id}") for id in waiting}
        posting.try_again(connection, {id: each for id, each in found.items() if each is not None})

    async def work(self, client: FhirClient, now: int) -> None:
        """Writes what has changed, each under an id of its own, so that nothing is written twice."""
        while True:
            dirty = self.store.rows("SELECT kind, id FROM dirty ORDER BY kind, id LIMIT ?", (AT_ONCE,))
            if not dirty:
                return
            due = await asyncio.to_thread(self._due, dirty)
            await output.write(client, self.store, due, now)
            with self.store.writing() as connection:
                connection.executemany("DELETE FROM dirty WHERE kind = ? AND id = ?", [tuple(row) for row in dirty])

    def _due(self, dirty: list[sqlite3.Row]) -> list[Due]:
        return [Due(row["kind"], row["id"], written.wanted(self.store, row["kind"], row["id"])) for row in dirty]


def _insured_otherwise(connection: sqlite3.Connection, patients: set[str]) -> set[str]:
    """The sources of the charges of patients who are insured otherwise now, and whose Invoices are looked at again."""
    sources: set[str] = set()
    for patient in patients - {""}:
        connection.execute(
            "INSERT OR IGNORE INTO dirty SELECT 'invoice', root FROM claim WHERE patient = ?", (patient,)
        )
        found = connection.execute("SELECT DISTINCT source FROM charge WHERE patient = ?", (patient,))
        sources.update(row[0] for row in found)
    return sources


def _diagnosed_otherwise(connection: sqlite3.Connection, patients: set[str]) -> set[str]:
    """The encounters that are claimed, of patients who are diagnosed otherwise now."""
    sql = f"SELECT encounter FROM claim WHERE {STANDS} AND kind <> ? AND patient = ?"
    return {row[0] for patient in patients for row in connection.execute(sql, (SELF_PAY, patient))}


def _look(connection: sqlite3.Connection, source: str, before: set[str], date: str) -> None:
    """Opens and closes the items about a source: charges with a problem, claims on a version that is no more, and those
    of its encounter, or of the one before, that it should be on."""
    problem = connection.execute(
        "SELECT problem, patient FROM charge WHERE source = ? AND problem <> '' AND same = '' ORDER BY id LIMIT 1",
        (source,),
    ).fetchone()
    if problem is not None:
        open_item(connection, "charge", source, date, f"{source}: {problem['problem']}.", patient=problem["patient"])
    else:
        close_items(connection, "charge", "subject", source, "resolved")
    gone = connection.execute("SELECT version FROM gone WHERE reference = ?", (source,)).fetchone()
    now = {row[0] for row in connection.execute("SELECT encounter FROM charge WHERE source = ?", (source,))}
    claims = connection.execute(
        "SELECT claim.*, id IN (SELECT claim FROM claimed WHERE source = ?1) AS made_of FROM claim WHERE "
        "(id IN (SELECT claim FROM claimed WHERE source = ?1) OR encounter IN (SELECT value FROM json_each(?2))) "
        f"AND {STANDS} ORDER BY id",
        (source, json.dumps(sorted(before | now))),
    )
    for claim in claims.fetchall():
        _compare(connection, claim, source, gone is not None, date)


def _compare(connection: sqlite3.Connection, claim: sqlite3.Row, source: str, gone: bool, date: str) -> None:
    invoiced = claim["kind"] == SELF_PAY
    subject = f"Invoice/{INVOICE}{claim['id']}" if invoiced else f"Claim/{claim['id']}"
    body = known(connection, subject) or {}
    then = billed(body, source) if invoiced else written.claimed(body, source)
    now = _charges(connection, source) if invoiced else _charged(connection, source)
    how = "is charged otherwise now" if then != now else ""
    said = f"{source} was corrected after {subject} was made of it, and"
    undo, anew = ("cancel it", "cancel it and bill anew") if invoiced else ("void the claim", "replace the claim")
    if source == claim["encounter"] and not gone:
        visit = known(connection, source) or {}
        if visit.get("status") in NO_VISIT:
            how, anew = f"is {visit['status']} now", undo
        elif not invoiced and not how:
            how = _visit_differs(connection, body, visit)
    common = {"patient": claim["patient"], "claim": claim["id"], "cents": claim["cents"], "days": 14, "detail": source}
    if not claim["made_of"]:
        said, how = f"{source} could be charged only after {subject} was made of its visit, and", how and "is not on it"
    if gone and claim["made_of"]:
        text = f"{source} was deleted after {subject} was made of it: {undo}, or {anew}."
        open_item(connection, "deleted", subject, date, text, **common)
    else:
        close_items(connection, "deleted", "id", id_of("deleted", subject, source), "it is there again")
    if how and not (gone and claim["made_of"]):
        open_item(connection, "changed", subject, date, f"{said} {how}: {anew}.", **common)
    elif not how:
        close_items(connection, "changed", "id", id_of("changed", subject, source), "as it was claimed")


def _visit_differs(connection: sqlite3.Connection, claim: Json, found: Json) -> str:
    """How a visit differs from what a Claim says of it, "" where it does not."""
    codes = [
        each["diagnosisCodeableConcept"]["coding"][0]["code"]
        for each in claim.get("diagnosis", ())
        if each.get("diagnosisCodeableConcept", {}).get("coding")
    ]
    if facts.patient_of(found) != facts.patient_of(claim):
        return "is of another patient now"
    return "has other diagnoses now" if diagnoses_of(connection, found) != codes else ""


def _charges(connection: sqlite3.Connection, source: str) -> list[tuple[str, int]]:
    rows = connection.execute(
        "SELECT id, cents FROM charge WHERE source = ? AND cents IS NOT NULL AND problem = '' AND same = ''", (source,)
    )
    return sorted((f"ChargeItem/{row['id']}", row["cents"]) for row in rows)


def _charged(connection: sqlite3.Connection, source: str) -> list[tuple]:
    rows = connection.execute(
        "SELECT hcpcs, code, modifiers, units, date, cents FROM charge "
        "WHERE source = ? AND cents IS NOT NULL AND problem = '' AND same = ''",
        (source,),
    )
    return sorted((row["hcpcs"] or row["code"], *(row[name] for name in COMPARED)) for row in rows)
