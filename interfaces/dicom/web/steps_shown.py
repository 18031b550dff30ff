"""Unified Procedure Steps as the page shows them."""

from __future__ import annotations

from typing import Any

from fhir_server.core.errors import error
from interfaces.dicom.archive.archive import Archive
from interfaces.dicom.archive.index import Row, above, one_of
from interfaces.dicom.dataset.model import items, text
from interfaces.dicom.web.workitems import CATEGORIES
from interfaces.dicom.workitems import steps
from interfaces.dicom.workitems.attributes import (
    PRIORITY,
    PROGRESS,
    READINESS,
    START,
    STATE,
    STEP_LABEL,
    WORKLIST_LABEL,
)
from interfaces.dicom.workitems.finding import attributes_of
from interfaces.dicom.workitems.states import FINAL, IN_PROGRESS, SCHEDULED
from interfaces.dicom.workitems.statuses import Refused
from mappings.dicom.task import progress

MOST_ENDED = 50
SHOWN = {
    "state": STATE,
    "label": STEP_LABEL,
    "worklist": WORKLIST_LABEL,
    "priority": PRIORITY,
    "start": START,
    "readiness": READINESS,
    "patient_id": "00100020",
    "patient_name": "00100010",
}


def listed(archive: Archive, after: int, most: int) -> list[dict[str, Any]]:
    """The steps that are open, oldest first, from behind a number (pk) on; behind the last of them the MOST_ENDED that
    have ended last."""
    index = archive.reading
    found = index.all("workitem", {"state": one_of((SCHEDULED, IN_PROGRESS)), "pk": above(after)}, limit=most)
    if len(found) < most:
        found += index.all("workitem", {"state": one_of(FINAL)}, newest=True, limit=MOST_ENDED)
    return [_shown(row) for row in found]


def cancel(archive: Archive, uid: str, name: str) -> None:
    """Asks for a step to be cancelled; FhirError where that can't be."""
    try:
        steps.request_cancel(archive, uid, {}, steps.Who("", name))
    except Refused as refusal:
        raise error(CATEGORIES.get(refusal.code, "value"), f"{refusal.comment}.") from refusal


def _shown(row: Row) -> dict[str, Any]:
    model = attributes_of(row)
    parts = items(model, PROGRESS)
    return {
        "pk": row["pk"],
        "uid": row["uid"],
        "open": row["state"] not in FINAL,
        "performer": row["performer"],
        "progress": progress(parts, model) if parts else "",
        **{name: text(model, tag) for name, tag in SHOWN.items()},
    }
