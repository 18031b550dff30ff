"""C-FIND of the Patient Root and Study Root models (PS3.4 section C.4.1)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pynetdicom import evt

from interfaces.dicom.archive.levels import LEVELS, PATIENT, UNIQUE_KEYS
from interfaces.dicom.archive.matching import asked, wrong
from interfaces.dicom.archive.query import Match, compared_at
from interfaces.dicom.archive.query import find as find_in
from interfaces.dicom.dataset.model import Model
from interfaces.dicom.dataset.walk import Malformed
from interfaces.dicom.disclosing import disclosed
from interfaces.dicom.services.identifiers import LEVEL, answer, keys_of, level_of
from interfaces.dicom.services.service import (
    COMBINED,
    FUZZY,
    NOT_AUTHORIZED,
    RELATIONAL,
    Context,
    Service,
    allowed,
    negotiated,
    peer_of,
    status,
)

PENDING, NOT_ALL_SUPPORTED = 0xFF00, 0xFF01
CANCELLED = 0xFE00
WRONG_IDENTIFIER = 0xA900
CANNOT_UNDERSTAND = 0xC000
RETRIEVE_TITLE = "00080054"
PATIENT_ROOT = "1.2.840.10008.5.1.4.1.2.1.1"
SOP_CLASSES = {
    "Patient Root Query/Retrieve Information Model - FIND": PATIENT_ROOT,
    "Study Root Query/Retrieve Information Model - FIND": "1.2.840.10008.5.1.4.1.2.2.1",
}
STATUSES = (
    ("FF00", "One match."),
    ("FF01", "One match; some of the keys are not kept at this level: they match everything and are not given."),
    ("0000", "All matches were given."),
    ("0124", "The peer may not query (its entry in the peers file)."),
    (
        "A900",
        "The level is none of the model's, or a unique key above it is missing and dicom_relational is false, or "
        "a date or time is none.",
    ),
    ("C000", "The identifier is no data set."),
    ("FE00", "The query was cancelled."),
)


def find(context: Context, event: Any) -> Iterator[tuple[Any, Any]]:
    """Gives the matches of a query."""
    if not allowed(context, event, "query"):
        yield status(NOT_AUTHORIZED, "this peer may not query"), None
        return
    try:
        keys = keys_of(event)
    except Malformed as problem:
        yield status(CANNOT_UNDERSTAND, str(problem)), None
        return
    level = level_of(keys)
    relational = context.settings.dicom_relational or negotiated(event, RELATIONAL)
    problem = refused(str(event.request.AffectedSOPClassUID) == PATIENT_ROOT, level, keys, relational=relational)
    if problem:
        yield status(WRONG_IDENTIFIER, problem), None
        return
    known = {tag: key for tag, key in keys.items() if compared_at(level, tag)}
    pending = PENDING if len(known) == len(keys) else NOT_ALL_SUPPORTED
    every = {
        LEVEL: {"vr": "CS", "Value": [level]},
        RETRIEVE_TITLE: {"vr": "AE", "Value": [context.settings.dicom_ae_title]},
    }
    how = {"fuzzy": negotiated(event, FUZZY), "combined": negotiated(event, COMBINED)}
    index = context.archive.reading

    def patients(match: Match) -> list[str]:
        if level == PATIENT:
            return index.distinct("study", "fhir_patient", {"patient": match.row["patient_pk"]})
        return [match.row["fhir_patient"]]

    found = find_in(index, level, known, **how)
    for match in disclosed(context, peer_of(event), f"C-FIND/{level}", found, patients):
        if event.is_cancelled:
            yield CANCELLED, None
            return
        yield pending, {**answer(match.model, known), **every}


def refused(patient_root: bool, level: str, keys: Model, *, relational: bool) -> str:
    """Why an identifier can't be a query at its level; "" where it can."""
    levels = LEVELS if patient_root else LEVELS[1:]
    if level not in levels:
        return f"level {level[:16] or 'missing'}: one of {', '.join(levels)}"
    problem = wrong(keys)
    if problem:
        return problem
    if relational:
        return ""
    for above in levels[: levels.index(level)]:
        key = keys.get(UNIQUE_KEYS[above])
        if key is None or not asked(key):
            return f"the unique key of level {above} is missing"
    return ""


FIND = Service("Query", SOP_CLASSES, ((evt.EVT_C_FIND, find),), "query", STATUSES)
