"""Instances as they leave the archive: chosen by UIDs, with coerced attributes, in a syntax that the receiver takes."""

from __future__ import annotations

import io
import json
import sqlite3
from collections.abc import Collection, Sequence
from typing import Any

from interfaces.dicom.archive.archive import Archive
from interfaces.dicom.archive.levels import LEVELS
from interfaces.dicom.archive.matching import as_text, asked
from interfaces.dicom.archive.query import attributes_of
from interfaces.dicom.dataset.model import Model
from interfaces.dicom.dataset.syntaxes import EXPLICIT_LITTLE, UNCOMPRESSED

_UNIQUE = (("00100020", "p.patient_id"), ("0020000D", "t.uid"), ("0020000E", "s.uid"), ("00080018", "i.uid"))
COLUMNS = (
    "p.attributes AS patient, t.attributes AS study, t.coercion, t.modalities, t.series_count, t.instance_count,"
    " t.uid AS study_uid, s.attributes AS series, s.uid AS series_uid, s.instance_count AS series_instances,"
    " i.attributes AS instance, i.uid AS instance_uid, i.sop_class, i.transfer_syntax, i.digest, i.size, i.start,"
    " i.frames, t.fhir_study"
)
TABLES = "instance i JOIN series s ON s.pk = i.series JOIN study t ON t.pk = s.study JOIN patient p ON p.pk = t.patient"


def chosen(connection: sqlite3.Connection, keys: Model) -> list[sqlite3.Row]:
    """The instances that unique keys name, each one UID or a list; [] where no unique key has a value."""
    where, values = [], []
    for tag, column in _UNIQUE:
        key = keys.get(tag)
        if key and asked(key):
            texts = [as_text(value) for value in key["Value"] if value is not None]
            where.append(f"{column} IN ({','.join('?' * len(texts))})")
            values += texts
    return instances(connection, " AND ".join(where), values) if where else []


def instances(connection: sqlite3.Connection, where: str, values: Sequence[Any]) -> list[sqlite3.Row]:
    """The instances for which a condition on p, t, s and i holds, in the order of series and number."""
    sql = f"SELECT {COLUMNS} FROM {TABLES} WHERE {where} ORDER BY t.pk, s.number, s.pk, i.number, i.pk"
    return connection.execute(sql, values).fetchall()


def attributes(row: sqlite3.Row) -> Model:
    """All that the index keeps of an instance."""
    return attributes_of(row, LEVELS)


def data_set(archive: Archive, row: sqlite3.Row, accepted: Collection[str] = ()) -> Any:
    """An instance as a pydicom data set, coerced; uncompressed where the receiver does not take its syntax.

    ValueError or RuntimeError where it would have to be uncompressed and can't.
    """
    from pydicom import dcmread
    from pydicom.dataset import Dataset
    from pydicom.uid import UID

    path = archive.files.local(row["digest"])
    read = dcmread(path if path else io.BytesIO(archive.files.read(row["digest"])))
    if row["coercion"]:
        read.update(Dataset.from_json(json.loads(row["coercion"])))
    syntax = row["transfer_syntax"]
    if accepted and syntax not in accepted and syntax not in UNCOMPRESSED:
        read.decompress(generate_instance_uid=False)
        read.file_meta.TransferSyntaxUID = UID(EXPLICIT_LITTLE)
    return read


def encoded(archive: Archive, row: sqlite3.Row, accepted: Collection[str] = ()) -> bytes:
    """An instance as a file of PS3.10; the stored bytes where nothing of them has to change."""
    if not row["coercion"] and (not accepted or row["transfer_syntax"] in accepted):
        return archive.files.read(row["digest"])
    from pydicom.uid import UID

    made = data_set(archive, row, accepted)
    buffer = io.BytesIO()
    if accepted and made.file_meta.TransferSyntaxUID not in accepted:
        made.file_meta.TransferSyntaxUID = UID(EXPLICIT_LITTLE)
    made.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()
