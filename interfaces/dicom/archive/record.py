"""One received instance as the index keeps it."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from interfaces.dicom.archive.levels import IMAGE, KEPT, PATIENT, SERIES, STUDY
from interfaces.dicom.dataset.model import Model, first, items, text, to_model
from interfaces.dicom.dataset.walk import DataSet, Malformed

LONGEST_UID = 64
MOST_SHARED = 64  # models of patients, studies and series that came last
_IN_ORDER = {level: sorted(tags) for level, tags in KEPT.items()}
_last: dict[tuple[Any, ...], Model] = {}
_UID_LETTERS = frozenset("0123456789.")


class Mismatch(Exception):
    """The data set is none of the SOP class or instance that it was announced as, or lacks what names it."""


class Record(NamedTuple):
    """One instance: the attributes of each level, where its bytes are and who sent it."""

    patient: Model
    study: Model
    series: Model
    instance: Model
    sop_class: str
    transfer_syntax: str
    digest: str
    size: int
    start: int
    sender: str

    @property
    def uid(self) -> str:
        """SOP Instance UID."""
        return text(self.instance, "00080018")

    @property
    def study_uid(self) -> str:
        """Study Instance UID."""
        return text(self.study, "0020000D")

    @property
    def series_uid(self) -> str:
        """Series Instance UID."""
        return text(self.series, "0020000E")


def record_of(
    data_set: DataSet, *, transfer_syntax: str, digest: str, size: int, start: int, sender: str, issuer: str
) -> Record:
    """The record of a walked data set; issuer: of the patient id, where the data set itself names none.

    Mismatch where a UID that names it is missing or is none.
    """
    try:
        patient, study, series = (_shared(data_set, level) for level in (PATIENT, STUDY, SERIES))
        instance = to_model(data_set, only=KEPT[IMAGE])
    except (UnicodeError, ValueError) as problem:
        raise Malformed(f"an attribute can't be read: {problem}") from problem
    for model, tag, name in (
        (instance, "00080016", "SOP Class UID"),
        (instance, "00080018", "SOP Instance UID"),
        (study, "0020000D", "Study Instance UID"),
        (series, "0020000E", "Series Instance UID"),
    ):
        if not is_uid(text(model, tag)):
            raise Mismatch(f"{name} is missing or no UID")
    if issuer and not first(patient, "00100021"):
        patient = {**patient, "00100021": {"vr": "LO", "Value": [issuer]}}
    sop_class = text(instance, "00080016")
    return Record(patient, study, series, instance, sop_class, transfer_syntax, digest, size, start, sender)


def _shared(data_set: DataSet, level: str) -> Model:
    """The model of a level that one file after another has alike; not to be changed."""
    elements, data = data_set.elements, data_set.data
    found = [(tag, elements[tag]) for tag in _IN_ORDER[level] if tag in elements]
    key = (
        level,
        data_set.how,
        *((tag, each.vr, each.implicit, bytes(data[each.start : each.start + each.length])) for tag, each in found),
    )
    model = _last.get(key)
    if model is None:
        if len(_last) >= MOST_SHARED:
            _last.clear()
        model = _last[key] = to_model(data_set, only=KEPT[level])
    return model


def is_uid(text: str) -> bool:
    """Whether a text has the letters and the length of a UID (PS3.5 section 9)."""
    return 0 < len(text) <= LONGEST_UID and _UID_LETTERS.issuperset(text)


def accession_issuer(study: Model) -> str:
    """Who issued the accession number: the Local Namespace Entity ID or the Universal Entity ID of its issuer."""
    for item in items(study, "00080051"):
        return text(item, "00400031") or text(item, "00400032")
    return ""


def dumped(model: Model) -> str:
    """A model as it is kept in the index."""
    return msgspec.json.encode(model).decode()
