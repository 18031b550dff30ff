"""Steps by matching keys (PS3.4 section CC.2.8)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from interfaces.dicom.archive.index import Row, Rows, Test, one_of
from interfaces.dicom.archive.matching import as_text, asked, matches
from interfaces.dicom.dataset.model import Model
from interfaces.dicom.workitems.attributes import SOP_INSTANCE, STATE, TRANSACTION, WORKLIST_LABEL

PAGE = 500
LAST = 2**63 - 1
# attributes with a column of their own
COLUMNS = {SOP_INSTANCE: "uid", STATE: "state", WORKLIST_LABEL: "label", "00100020": "patient_id"}
NOT_COMPARED = ("00080005", "00080201", TRANSACTION)  # how the query is written, and the lock that nobody may ask for


class Found(NamedTuple):
    """A step and its row."""

    model: Model
    row: Row

    @property
    def uid(self) -> str:
        """Its SOP Instance UID."""
        return self.row["uid"]


def find(index: Rows, keys: Model) -> Iterator[Found]:
    """The steps that match, in the order in which they were made."""
    keys = compared(keys)
    where: dict[str, Any] = {}
    for tag, column in COLUMNS.items():
        values = [as_text(value) for value in keys.get(tag, {}).get("Value", ()) if value is not None]
        if tag in keys and asked(keys[tag]) and not any("*" in value or "?" in value for value in values):
            where[column] = one_of(values)
    after = 0
    while True:
        rows = index.all("workitem", {**where, "pk": Test("between", (after + 1, LAST))}, limit=PAGE)
        for row in rows:
            model = attributes_of(row)
            if matches(model, keys):
                yield Found(model, row)
        if len(rows) < PAGE:
            return
        after = rows[-1]["pk"]


def attributes_of(row: Row) -> Model:
    """The attributes of a row's step, with what FHIR knows better of its patient."""
    return {**json.loads(row["attributes"]), **json.loads(row["coercion"])}


def patients_of(index: Rows, uids: Iterable[str]) -> list[str]:
    """References of the Patients that steps are of, as far as FHIR has said so."""
    return index.distinct("workitem", "fhir_patient", {"uid": one_of(list(uids))})


def compared(keys: Model) -> Model:
    """The keys that are compared."""
    return {tag: key for tag, key in keys.items() if tag not in NOT_COMPARED}
