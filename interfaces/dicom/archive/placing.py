"""Puts a record into the index: patient, study, series, instance, and the job that follows (inside a transaction)."""

from __future__ import annotations

import enum
import json
from collections.abc import Callable
from typing import Literal

from interfaces.dicom.archive.index import QUARANTINED, Row, Rows, above, is_not
from interfaces.dicom.archive.names import folded
from interfaces.dicom.archive.record import Mismatch, Record, accession_issuer, dumped
from interfaces.dicom.dataset.model import Model, first, text

Duplicates = Literal["refuse", "keep", "replace"]
Same = Callable[[str, str], bool]
NOTHING_DECIDED = {"state": "kept", "reason": "", "coercion": "", "decision": "", "fhir_study": "", "fhir_patient": "",
                   "fhir_order": ""}  # fmt: skip


class Outcome(enum.Enum):
    """What came of an instance."""

    NEW = "new"
    SAME = "same bytes again"
    REFUSED = "other bytes under a known UID, refused"
    KEPT = "other bytes under a known UID, the first ones stay"
    REPLACED = "other bytes under a known UID, the new ones stand"


def place(
    index: Rows,
    record: Record,
    now: int,
    duplicates: Duplicates,
    due: int,
    same: Same = lambda kept, new: kept == new,
    slack: int = 0,
) -> Outcome:
    """Adds a record; now and due (of the study's job) in microseconds. What contradicts is noted as an event.

    Mismatch where its series is one of another study.
    same: whether two digests are of the same bytes; slack: microseconds by which the job may come later than due, so
    that one that waits is not changed each time.
    """
    uids = record.uid, record.series_uid, record.study_uid
    standing = index.standing(*uids)
    known = standing["digest"]
    if known is not None:
        if same(known, record.digest):
            return Outcome.SAME
        if duplicates != "replace":
            note(index, now, "duplicate", record.uid, {"sender": record.sender, "digest": record.digest})
            return Outcome.REFUSED if duplicates == "refuse" else Outcome.KEPT
        note(index, now, "replaced", record.uid, {"sender": record.sender, "digest": known})
        remove_instance(index, record.uid)  # first: what nothing is left of goes with it
        standing = index.standing(*uids)
    series = _placed_in(index, record, standing, now)
    index.insert(
        "instance",
        {
            "uid": record.uid,
            "series": series,
            "sop_class": record.sop_class,
            "transfer_syntax": record.transfer_syntax,
            "number": integer(record.instance, "00200013"),
            "frames": integer(record.instance, "00280008") or 1,
            "digest": record.digest,
            "size": record.size,
            "start": record.start,
            "sender": record.sender,
            "received": now,
            "attributes": dumped(record.instance),
        },
    )
    index.change("series", {"pk": series}, {}, {"instance_count": 1})
    if (standing["due"] or 0) < due:
        enqueue(index, "study", record.study_uid, due + slack)
    return Outcome.NEW if known is None else Outcome.REPLACED


def enqueue(index: Rows, kind: str, key: str, due: int, payload: str = "{}") -> None:
    """A job to do at a time; one that waits for the same is put off, one under way is done once more."""
    asked = {"due": due, "payload": payload, "attempts": 0, "state": "waiting", "problem": ""}
    if not index.change("job", {"kind": kind, "key": key}, asked, {"round": 1}):
        index.insert("job", {"kind": kind, "key": key, **asked, "round": 0, "leased": 0})


def note(index: Rows, now: int, kind: str, subject: str, detail: dict[str, object]) -> None:
    """Keeps what happened, for people."""
    index.insert("event", {"at": now, "kind": kind, "subject": subject, "detail": json.dumps(detail)})


def replaced(index: Rows, uid: str) -> set[str]:
    """The digests of what other bytes were put in place of, now or once, under a SOP Instance UID."""
    events = index.all("event", {"subject": uid, "kind": "replaced"})
    return {json.loads(event["detail"])["digest"] for event in events}


def remove_instance(index: Rows, uid: str) -> list[str] | None:
    """Takes an instance out, and the series, study and patient that nothing is left of; None where there is none.

    Gives the digests that are free now.
    """
    instance = index.one("instance", {"uid": uid})
    if instance is None:
        return None
    series = index.one("series", {"pk": instance["series"]})
    assert series is not None
    study = index.one("study", {"pk": series["study"]})
    assert study is not None
    index.remove("instance", {"pk": instance["pk"]})
    index.remove("sent", {"uid": uid})  # what comes under this UID again goes to peers again
    index.change("series", {"pk": series["pk"]}, {}, {"instance_count": -1})
    if index.remove("series", {"pk": series["pk"], "instance_count": 0}):
        index.change("study", {"pk": study["pk"]}, {}, {"series_count": -1})
        _modalities(index, study["pk"])
        index.remove("study", {"pk": study["pk"], "series_count": 0})
    if index.one("study", {"patient": study["patient"]}) is None:
        index.remove("patient", {"pk": study["patient"]})
    return [] if index.one("instance", {"digest": instance["digest"]}) else [instance["digest"]]


def patient_row(index: Rows, patient: Model) -> int:
    """The row of a patient by id and issuer, made where it is missing."""
    key = _patient_key(patient)
    row = index.one("patient", key)
    return row["pk"] if row is not None else index.insert("patient", {**key, **patient_columns(patient)})


def patient_columns(patient: Model) -> dict[str, str]:
    """What the index keeps of a patient beside id and issuer."""
    return {
        "name": folded(text(patient, "00100010")),
        "birth_date": day(patient, "00100030"),
        "sex": text(patient, "00100040"),
        "attributes": dumped(patient),
    }


def _patient_key(patient: Model) -> dict[str, str]:
    return {"patient_id": text(patient, "00100020"), "issuer": text(patient, "00100021")}


def _placed_in(index: Rows, record: Record, standing: Row, now: int) -> int:
    """The row of its series, made where it is missing, as those above it are."""
    if (
        standing["study_uid"] == record.study_uid
        and standing["patient_id"] == text(record.patient, "00100020")
        and standing["issuer"] == text(record.patient, "00100021")
    ):
        return standing["series"]
    return _series(index, record, _study(index, record, patient_row(index, record.patient), now))


def _study(index: Rows, record: Record, patient: int, now: int) -> int:
    study = record.study
    row = index.one("study", {"uid": record.study_uid})
    if row is not None:
        if row["patient"] != patient and not _goes_with(index, row, record.patient):
            reason = f"{record.sender} sent instances of another patient ({text(record.patient, '00100020')}) in it"
            quarantine(index, row["pk"], reason, now)
        return row["pk"]
    return index.insert(
        "study",
        {
            "uid": record.study_uid,
            "patient": patient,
            "date": day(study, "00080020"),
            "time": text(study, "00080030"),
            "accession": text(study, "00080050"),
            "accession_issuer": accession_issuer(study),
            "study_id": text(study, "00200010"),
            "description": text(study, "00081030"),
            "referring": folded(text(study, "00080090")),
            "modalities": "",
            "series_count": 0,
            "sender": record.sender,
            "received": now,
            "attributes": dumped(study),
            **NOTHING_DECIDED,
        },
    )


def _goes_with(index: Rows, study: Row, patient: Model) -> bool:
    """Whether a patient is the one whom a study was of before its answers were coerced, or a person has settled it."""
    if not study["coercion"] or study["decision"]:
        return bool(study["coercion"])
    sent = sent_patient(index, study)
    return sent is not None and _patient_key(sent) == _patient_key(patient)


def sent_patient(index: Rows, study: Row) -> Model | None:
    """The patient attributes of a coerced study as they were sent, from the event that first changed them; of one that
    was deleted and sent again, since then."""
    since = {"subject": study["uid"], "kind": "coerced", "at": above(study["received"] - 1)}
    return next((json.loads(each["detail"])["before"] for each in index.all("event", since, limit=1)), None)


def quarantine(index: Rows, study: int, reason: str, now: int) -> None:
    """Holds a study back until a person has looked; its files stay."""
    changed = {"state": QUARANTINED, "reason": reason}
    if index.change("study", {"pk": study, "state": is_not(QUARANTINED)}, changed):
        row = index.one("study", {"pk": study})
        assert row is not None
        note(index, now, "quarantined", row["uid"], {"reason": reason})


def _series(index: Rows, record: Record, study: int) -> int:
    row = index.one("series", {"uid": record.series_uid})
    if row is not None and row["study"] != study:
        raise Mismatch("its Series Instance UID is one of another study")
    if row is not None:
        return row["pk"]
    made = index.insert(
        "series",
        {
            "uid": record.series_uid,
            "study": study,
            "modality": text(record.series, "00080060"),
            "number": integer(record.series, "00200011"),
            "instance_count": 0,
            "attributes": dumped(record.series),
        },
    )
    index.change("study", {"pk": study}, {}, {"series_count": 1})
    _modalities(index, study)
    return made


def _modalities(index: Rows, study: int) -> None:
    found = [modality for modality in index.distinct("series", "modality", {"study": study}) if modality]
    joined = "".join(f"\\{modality}" for modality in found)
    index.change("study", {"pk": study}, {"modalities": joined + "\\" if joined else ""})


def day(model: Model, tag: str) -> str:
    """A date as it is compared; one of before (PS3.5 table 6.2-1: 1993.08.22) without its dots."""
    return text(model, tag).replace(".", "")


def integer(model: Model, tag: str) -> int | None:
    """The first value as a whole number that SQLite can hold; None for none."""
    value = first(model, tag)
    return value if isinstance(value, int) and abs(value) < 2**63 else None
