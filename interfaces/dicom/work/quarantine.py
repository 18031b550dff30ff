"""Quarantine: studies whose patient and order do not fit, and the one step in which a person settles it."""

from __future__ import annotations

import json
import sqlite3
from typing import Any

from fhir_server.core.errors import error
from interfaces.dicom.archive.archive import Archive
from interfaces.dicom.archive.placing import enqueue, note
from interfaces.dicom.dataset.model import text


def held(archive: Archive) -> list[dict[str, Any]]:
    """The studies in quarantine, with why."""
    rows = archive.reading.execute(
        "SELECT t.uid, t.reason, t.date, t.accession, t.description, t.sender, t.received, t.instance_count,"
        " p.attributes FROM study t JOIN patient p ON p.pk = t.patient WHERE t.state = 'quarantined' ORDER BY t.pk"
    ).fetchall()
    found = []
    for row in rows:
        patient = json.loads(row["attributes"])
        shown = {key: row[key] for key in row.keys() if key != "attributes"}  # noqa: SIM118  a row gives its values
        found.append({**shown, "patient_id": text(patient, "00100020"), "patient_name": text(patient, "00100010")})
    return found


def reconcile(archive: Archive, study: str, patient: str, order: str, who: str) -> None:
    """Says whose study it is (Patient/id, and ServiceRequest/id or ""); its ImagingStudy follows at once.

    FhirError "not-found" where no such study is in quarantine.
    """
    moment = archive.clock()

    def work(connection: sqlite3.Connection) -> bool:
        row = connection.execute(
            "SELECT pk, reason FROM study WHERE uid = ? AND state = 'quarantined'", (study,)
        ).fetchone()
        if row is None:
            return False
        decision = {"patient": patient, "order": order}
        connection.execute(
            "UPDATE study SET state = 'kept', reason = '', decision = ? WHERE pk = ?", (json.dumps(decision), row["pk"])
        )
        note(connection, moment, "reconciled", study, {**decision, "by": who, "reason": row["reason"]})
        enqueue(connection, "study", study, moment)
        return True

    if not archive.write(work):
        raise error("not-found", f"No study {study} is in quarantine.")
