"""Quarantine: studies whose patient and order do not fit, and the one step in which a person settles it."""

from __future__ import annotations

import json
from typing import Any

from fhir_server.core.errors import error
from interfaces.dicom.archive.archive import Archive
from interfaces.dicom.archive.index import QUARANTINED, Rows
from interfaces.dicom.archive.placing import enqueue, note
from interfaces.dicom.archive.query import related_instances
from interfaces.dicom.dataset.model import text

HELD = ("uid", "reason", "date", "accession", "description", "sender", "received")


def held(archive: Archive) -> list[dict[str, Any]]:
    """The studies in quarantine, with why."""
    found = []
    for row in archive.reading.all("study", {"state": QUARANTINED}):
        kept = archive.reading.one("patient", {"pk": row["patient"]})
        patient = json.loads(kept["attributes"]) if kept else {}
        found.append(
            {
                **{name: row[name] for name in HELD},
                "instance_count": related_instances(archive.reading, [row["pk"]]),
                "patient_id": text(patient, "00100020"),
                "patient_name": text(patient, "00100010"),
            }
        )
    return found


def reconcile(archive: Archive, study: str, patient: str, order: str, who: str) -> None:
    """Says whose study it is (Patient/id, and ServiceRequest/id or ""); its ImagingStudy follows at once.

    FhirError "not-found" where no such study is in quarantine.
    """
    moment = archive.clock()

    def work(index: Rows) -> bool:
        row = index.one("study", {"uid": study, "state": QUARANTINED})
        if row is None:
            return False
        decision = {"patient": patient, "order": order}
        index.change("study", {"pk": row["pk"]}, {"state": "kept", "reason": "", "decision": json.dumps(decision)})
        note(index, moment, "reconciled", study, {**decision, "by": who, "reason": row["reason"]})
        enqueue(index, "study", study, moment)
        return True

    if not archive.write(work):
        raise error("not-found", f"No study {study} is in quarantine.")
