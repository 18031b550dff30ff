"""Erasure of a patient from the archive: files, rows of all levels, and what the index noted of them.

A study is the patient's where FHIR said so (fhir_patient), and else by its Patient ID and issuer.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

from fhir_server.core.erasing import Erased
from interfaces.dicom.archive.archive import REMOVED_TOGETHER, Archive
from interfaces.dicom.archive.index import Row, Rows, one_of
from interfaces.dicom.archive.placing import note, remove_instance
from interfaces.dicom.dataset.model import text
from mappings.dicom.identifiers import systems_of


class Erasing:
    """Erases in one archive."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive

    async def __call__(self, erased: Erased) -> dict[str, int]:
        """See Erase: images (instances), procedure steps of modalities, and unified ones (workitems)."""
        return await asyncio.to_thread(self._erase, erased)

    def _erase(self, erased: Erased) -> dict[str, int]:
        reading = self._archive.reading
        patients = _patients(reading, erased)
        studies = _studies(reading, erased, patients)
        images = sum(self._erase_study(study["pk"], study["uid"]) for study in studies)
        steps = [row["uid"] for row in reading.all("procedure_step", {}, "uid") if _names(row, erased)]
        workitems = _workitems(reading, erased)
        moment = self._archive.clock()

        def work(index: Rows) -> None:
            index.remove("procedure_step", {"uid": one_of(steps)})
            index.remove("job", {"kind": "procedure-step", "key": one_of(steps)})
            _forget_workitems(index, workitems)
            for patient in patients:
                if index.one("study", {"patient": patient}) is None:
                    index.remove("patient", {"pk": patient})
            counted: dict[str, object] = {"images": images, "procedure_steps": len(steps), "workitems": len(workitems)}
            if any(counted.values()):
                note(index, moment, "erased", "", counted)

        self._archive.write(work)
        return {"images": images, "procedureSteps": len(steps), "workitems": len(workitems)}

    def _erase_study(self, study: int, uid: str) -> int:
        """Files first, so that none is left that a start would put into the index again; how many instances."""
        reading, files = self._archive.reading, self._archive.files
        series = [row["pk"] for row in reading.all("series", {"study": study})]
        rows = reading.all("instance", {"series": one_of(series)})
        for row in rows:
            files.delete(row["digest"])
        for start in range(0, len(rows), REMOVED_TOGETHER):
            part = [row["uid"] for row in rows[start : start + REMOVED_TOGETHER]]
            self._archive.write(lambda index, part=part: _forget_instances(index, part))
        for row in rows:  # once more: what was sent again meanwhile was named until now
            self._archive.drop(row["digest"])
        self._archive.destroy_key(uid)
        self._archive.write(lambda index: _forget_study(index, uid))
        return len(rows)


def _forget_instances(index: Rows, uids: Sequence[str]) -> None:
    for uid in uids:
        remove_instance(index, uid)
    named = one_of(uids)
    index.remove("sent", {"uid": named})
    index.remove("event", {"subject": named})
    index.remove("job", {"kind": "report", "key": named})


def _forget_study(index: Rows, uid: str) -> None:
    index.remove("event", {"subject": uid})
    index.remove("job", {"kind": one_of(["study", "contents"]), "key": uid})
    for job in index.all("job", {"kind": "forward"}):
        if job["key"].endswith(f" {uid}"):
            index.remove("job", {"pk": job["pk"]})


def _forget_workitems(index: Rows, uids: Sequence[str]) -> None:
    named = one_of(uids)
    index.remove("job", {"kind": "workitem", "key": named})
    for table in ("workitem", "subscription", "workitem_event"):
        index.remove(table, {"uid": named})


def _patients(reading: Rows, erased: Erased) -> list[int]:
    """The rows of the patient's numbers."""
    values = one_of(sorted({value for _, value in erased.identifiers}))
    rows = reading.all("patient", {"patient_id": values})
    return [row["pk"] for row in rows if _number(row["issuer"], row["patient_id"], erased)]


def _studies(reading: Rows, erased: Erased, patients: Sequence[int]) -> list[Row]:
    """Those that FHIR gave to the patient, and those of the patient's numbers that it gave to nobody."""
    found = {row["pk"]: row for row in reading.all("study", {"fhir_patient": erased.reference})}
    for row in reading.all("study", {"patient": one_of(patients)}):
        if row["fhir_patient"] in ("", erased.reference):
            found[row["pk"]] = row
    return list(found.values())


def _workitems(reading: Rows, erased: Erased) -> list[str]:
    """Those whose Task is the patient's, and those with a number of the patient whose Task is nobody's."""
    values = one_of(sorted({value for _, value in erased.identifiers}))
    found = reading.all("workitem", {"fhir_patient": erased.reference})
    found += [row for row in reading.all("workitem", {"patient_id": values, "fhir_patient": ""}) if _names(row, erased)]
    return [row["uid"] for row in found]


def _names(step: Any, erased: Erased) -> bool:
    """Whether a procedure step is about the patient (PS3.4 table F.7.2-1)."""
    attributes = json.loads(step["attributes"])
    return _number(text(attributes, "00100021"), text(attributes, "00100020"), erased)


def _number(issuer: str, patient_id: str, erased: Erased) -> bool:
    return any((system, patient_id) in erased.identifiers for system in systems_of(issuer))
