"""Puts a record into the index: patient, study, series, instance, and the job that follows (inside a transaction)."""

from __future__ import annotations

import enum
import json
import sqlite3
from typing import Literal

from interfaces.dicom.archive.names import folded
from interfaces.dicom.archive.record import Record, accession_issuer, dumped
from interfaces.dicom.dataset.model import Model, first, text

Duplicates = Literal["refuse", "keep", "replace"]


class Outcome(enum.Enum):
    """What came of an instance."""

    NEW = "new"
    SAME = "same bytes again"
    REFUSED = "other bytes under a known UID, refused"
    KEPT = "other bytes under a known UID, the first ones stay"
    REPLACED = "other bytes under a known UID, the new ones stand"


def place(connection: sqlite3.Connection, record: Record, now: int, duplicates: Duplicates, due: int) -> Outcome:
    """Adds a record; now and due (of the study's job) in microseconds. What contradicts is noted as an event."""
    row = connection.execute("SELECT pk, digest, size FROM instance WHERE uid = ?", (record.uid,)).fetchone()
    if row is not None and row["digest"] == record.digest:
        return Outcome.SAME
    if row is not None and duplicates != "replace":
        note(connection, now, "duplicate", record.uid, {"sender": record.sender, "digest": record.digest})
        return Outcome.REFUSED if duplicates == "refuse" else Outcome.KEPT
    patient = _patient(connection, record)
    study = _study(connection, record, patient, now)
    series = _series(connection, record, study)
    if row is not None:
        note(connection, now, "replaced", record.uid, {"sender": record.sender, "digest": row["digest"]})
        remove_instance(connection, row["pk"])
        series = _series(connection, record, _study(connection, record, patient, now))
    connection.execute(
        "INSERT INTO instance (uid, series, sop_class, transfer_syntax, number, frames, digest, size, start, sender,"
        " received, attributes) VALUES (?,?,?,?,?,?,?,?,?,?,?,?)",
        (
            record.uid,
            series,
            record.sop_class,
            record.transfer_syntax,
            integer(record.instance, "00200013"),
            integer(record.instance, "00280008") or 1,
            record.digest,
            record.size,
            record.start,
            record.sender,
            now,
            dumped(record.instance),
        ),
    )
    connection.execute("UPDATE series SET instance_count = instance_count + 1 WHERE pk = ?", (series,))
    connection.execute(
        "UPDATE study SET instance_count = instance_count + 1, size = size + ?, changed = ? WHERE pk = ?",
        (record.size, now, study),
    )
    enqueue(connection, "study", record.study_uid, due)
    return Outcome.NEW if row is None else Outcome.REPLACED


def enqueue(connection: sqlite3.Connection, kind: str, key: str, due: int, payload: str = "{}") -> None:
    """A job to do at a time; one that waits for the same is put off, one under way is done once more."""
    connection.execute(
        "INSERT INTO job (kind, key, due, payload) VALUES (?,?,?,?) ON CONFLICT (kind, key) DO UPDATE SET due ="
        " excluded.due, payload = excluded.payload, round = round + 1, attempts = 0, state = 'waiting', problem = ''",
        (kind, key, due, payload),
    )


def note(connection: sqlite3.Connection, now: int, kind: str, subject: str, detail: dict[str, object]) -> None:
    """Keeps what happened, for people."""
    connection.execute(
        "INSERT INTO event (at, kind, subject, detail) VALUES (?,?,?,?)", (now, kind, subject, json.dumps(detail))
    )


def remove_instance(connection: sqlite3.Connection, pk: int) -> list[str]:
    """Takes an instance out, and the series, study and patient that nothing is left of. Digests that are free now."""
    row = connection.execute(
        "SELECT i.digest, i.size, i.series, s.study, t.patient FROM instance i JOIN series s ON s.pk = i.series"
        " JOIN study t ON t.pk = s.study WHERE i.pk = ?",
        (pk,),
    ).fetchone()
    connection.execute("DELETE FROM instance WHERE pk = ?", (pk,))
    connection.execute("UPDATE series SET instance_count = instance_count - 1 WHERE pk = ?", (row["series"],))
    connection.execute(
        "UPDATE study SET instance_count = instance_count - 1, size = size - ? WHERE pk = ?",
        (row["size"], row["study"]),
    )
    gone = connection.execute("DELETE FROM series WHERE pk = ? AND instance_count = 0", (row["series"],)).rowcount
    if gone:
        connection.execute("UPDATE study SET series_count = series_count - 1 WHERE pk = ?", (row["study"],))
        _modalities(connection, row["study"])
    connection.execute("DELETE FROM study WHERE pk = ? AND instance_count = 0", (row["study"],))
    connection.execute(
        "DELETE FROM patient WHERE pk = ? AND NOT EXISTS (SELECT 1 FROM study WHERE patient = ?)",
        (row["patient"], row["patient"]),
    )
    used = connection.execute("SELECT 1 FROM instance WHERE digest = ?", (row["digest"],)).fetchone()
    return [] if used else [row["digest"]]


def patient_row(connection: sqlite3.Connection, patient: Model) -> int:
    """The row of a patient by id and issuer, made where it is missing."""
    key = (text(patient, "00100020"), text(patient, "00100021"))
    row = connection.execute("SELECT pk FROM patient WHERE patient_id = ? AND issuer = ?", key).fetchone()
    if row is not None:
        return row["pk"]
    made = connection.execute(
        "INSERT INTO patient (patient_id, issuer, name, birth_date, sex, attributes) VALUES (?,?,?,?,?,?)",
        (
            *key,
            folded(text(patient, "00100010")),
            text(patient, "00100030"),
            text(patient, "00100040"),
            dumped(patient),
        ),
    )
    return int(made.lastrowid or 0)


def _patient(connection: sqlite3.Connection, record: Record) -> int:
    return patient_row(connection, record.patient)


def _study(connection: sqlite3.Connection, record: Record, patient: int, now: int) -> int:
    study = record.study
    row = connection.execute("SELECT pk, patient, coercion FROM study WHERE uid = ?", (record.study_uid,)).fetchone()
    if row is not None:
        if row["patient"] != patient and not row["coercion"]:
            reason = f"{record.sender} sent instances of another patient ({text(record.patient, '00100020')}) in it"
            quarantine(connection, row["pk"], reason, now)
        return row["pk"]
    made = connection.execute(
        "INSERT INTO study (uid, patient, date, time, accession, accession_issuer, study_id, description, referring,"
        " modalities, series_count, instance_count, size, sender, received, changed, attributes)"
        " VALUES (?,?,?,?,?,?,?,?,?,'',0,0,0,?,?,?,?)",
        (
            record.study_uid,
            patient,
            text(study, "00080020"),
            text(study, "00080030"),
            text(study, "00080050"),
            accession_issuer(study),
            text(study, "00200010"),
            text(study, "00081030"),
            folded(text(study, "00080090")),
            record.sender,
            now,
            now,
            dumped(study),
        ),
    )
    return int(made.lastrowid or 0)


def quarantine(connection: sqlite3.Connection, study: int, reason: str, now: int) -> None:
    """Holds a study back until a person has looked; its files stay."""
    changed = connection.execute(
        "UPDATE study SET state = 'quarantined', reason = ? WHERE pk = ? AND state <> 'quarantined'", (reason, study)
    ).rowcount
    if changed:
        uid = connection.execute("SELECT uid FROM study WHERE pk = ?", (study,)).fetchone()["uid"]
        note(connection, now, "quarantined", uid, {"reason": reason})


def _series(connection: sqlite3.Connection, record: Record, study: int) -> int:
    row = connection.execute("SELECT pk, study FROM series WHERE uid = ?", (record.series_uid,)).fetchone()
    if row is not None:
        return row["pk"]
    made = connection.execute(
        "INSERT INTO series (uid, study, modality, number, instance_count, attributes) VALUES (?,?,?,?,0,?)",
        (
            record.series_uid,
            study,
            text(record.series, "00080060"),
            integer(record.series, "00200011"),
            dumped(record.series),
        ),
    )
    connection.execute("UPDATE study SET series_count = series_count + 1 WHERE pk = ?", (study,))
    _modalities(connection, study)
    return int(made.lastrowid or 0)


def _modalities(connection: sqlite3.Connection, study: int) -> None:
    rows = connection.execute("SELECT DISTINCT modality FROM series WHERE study = ? ORDER BY 1", (study,)).fetchall()
    joined = "".join(f"\\{row['modality']}" for row in rows if row["modality"])
    connection.execute("UPDATE study SET modalities = ? WHERE pk = ?", (joined + "\\" if joined else "", study))


def integer(model: Model, tag: str) -> int | None:
    """The first value as a whole number that SQLite can hold; None for none."""
    value = first(model, tag)
    return value if isinstance(value, int) and abs(value) < 2**63 else None
