"""One received instance as the index keeps it."""

from __future__ import annotations

import string

import msgspec

from interfaces.dicom.archive.levels import KEPT, LEVELS
from interfaces.dicom.dataset.model import Model, first, items, text, to_model
from interfaces.dicom.dataset.vrs import LONGEST_UID
from interfaces.dicom.dataset.walk import DataSet, Malformed

_UID_LETTERS = frozenset("0123456789.")
_GIVEN_LETTERS = frozenset(string.ascii_letters + string.digits + ".-")  # of an id in FHIR, as a series has it


class Mismatch(Exception):
    """The data set is none of the SOP class or instance that it was announced as, or lacks what names it."""


class Description(msgspec.Struct, frozen=True):
    """What a data set says: the attributes of each level, which are not to be changed, and the UIDs among them."""

    patient: Model
    study: Model
    series: Model
    instance: Model
    sop_class: str
    uid: str  # SOP Instance UID
    study_uid: str
    series_uid: str


class Record(Description, frozen=True):
    """One instance: what its data set says, where its bytes are and who sent it."""

    transfer_syntax: str
    digest: str
    size: int
    start: int
    sender: str


def described(data_set: DataSet) -> Description:
    """What a walked data set says; Mismatch where a UID that names it is missing or is none."""
    try:
        models = [to_model(data_set, only=KEPT[level], shared=True) for level in LEVELS]
    except (UnicodeError, ValueError) as problem:
        raise Malformed(f"an attribute can't be read: {problem}") from problem
    patient, study, series, instance = models
    uids: list[str] = []
    for model, tag, name in (
        (instance, "00080016", "SOP Class UID"),
        (instance, "00080018", "SOP Instance UID"),
        (study, "0020000D", "Study Instance UID"),
        (series, "0020000E", "Series Instance UID"),
    ):
        uids.append(text(model, tag))
        if not can_name(uids[-1]):
            raise Mismatch(f"{name} is missing or no UID")
    return Description(patient, study, series, instance, *uids)


def record_of(
    said: Description, *, transfer_syntax: str, digest: str, size: int, start: int, sender: str, issuer: str
) -> Record:
    """The record of a file; issuer: of the patient id, where the data set itself names none."""
    if issuer and not first(said.patient, "00100021"):
        issued = {**said.patient, "00100021": {"vr": "LO", "Value": [issuer]}}
        said = msgspec.structs.replace(said, patient=issued)
    levels = msgspec.structs.astuple(said)
    return Record(*levels, transfer_syntax=transfer_syntax, digest=digest, size=size, start=start, sender=sender)


def is_uid(text: str) -> bool:
    """Whether a text has the letters and the length of a UID (PS3.5 section 9)."""
    return 0 < len(text) <= LONGEST_UID and _UID_LETTERS.issuperset(text)


def can_name(text: str) -> bool:
    """Whether an instance, series or study that came so can be kept: devices make UIDs with letters and hyphens too."""
    return 0 < len(text) <= LONGEST_UID and _GIVEN_LETTERS.issuperset(text)


def accession_issuer(study: Model) -> str:
    """Who issued the accession number: the Local Namespace Entity ID or the Universal Entity ID of its issuer."""
    for item in items(study, "00080051"):
        return text(item, "00400031") or text(item, "00400032")
    return ""


def dumped(model: Model) -> str:
    """A model as it is kept in the index."""
    return msgspec.json.encode(model).decode()
