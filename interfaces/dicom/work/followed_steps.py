"""What changes in FHIR of the Tasks and patients of Unified Procedure Steps."""

from __future__ import annotations

from interfaces.dicom.archive.archive import Archive
from interfaces.dicom.archive.index import Rows
from interfaces.dicom.archive.placing import enqueue
from interfaces.dicom.fhir import Resource
from interfaces.dicom.workitems import steps
from interfaces.dicom.workitems.statuses import ALREADY_CANCELED, NO_SUCH_STEP, Refused
from mappings.dicom.task import is_procedure_step, step_uid

ENDED = ("cancelled", "rejected", "failed", "entered-in-error")
BY = steps.Who("", "FHIR")


def follow_tasks(archive: Archive, tasks: list[Resource]) -> None:
    """Whoever ends a Task that a step is behind asks for the step to be cancelled; the Task then says what it is."""
    for uid in {step_uid(task) for task in tasks if is_procedure_step(task) and task["status"] in ENDED}:
        try:
            said = steps.request_cancel(archive, uid, {}, BY)
        except Refused as refusal:
            said = refusal.code
        if said not in (ALREADY_CANCELED, NO_SUCH_STEP):
            archive.enqueue(steps.JOB, uid)


def follow_patient(index: Rows, patient: str, moment: int) -> None:
    """Has the steps of a patient looked at again (inside a transaction)."""
    for row in index.all("workitem", {"fhir_patient": patient}):
        enqueue(index, steps.JOB, row["uid"], moment)
