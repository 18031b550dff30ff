"""Instances whose file is gone or cut on the disk: the first who comes upon one tells it, for people to see."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import TYPE_CHECKING

import structlog

from fhir_server.core.errors import FhirError
from interfaces.dicom.archive.files import Torn
from interfaces.dicom.archive.index import Row, Rows, one_of
from interfaces.dicom.archive.placing import note

if TYPE_CHECKING:
    from interfaces.dicom.archive.archive import Archive

LOST = "lost"  # the kind of its event
MOST_LOGGED = 20  # instances that one line of the log names

log = structlog.get_logger("dicom")


def is_whole(archive: Archive, row: Row) -> bool:
    """Whether the file of an instance is there to its last byte; its content is not compared."""
    path = archive.files.local(row["digest"])
    try:
        if path is not None:
            return path.stat().st_size == row["size"]
        return len(archive.files.read(row["digest"], row["size"] - 1, 1)) == 1
    except (OSError, Torn):
        return False


def torn(archive: Archive, row: Row) -> Torn:
    """The error of an instance whose file is not whole, told."""
    tell_lost(archive, [row])
    return Torn(f"The file of instance {row['instance_uid']}")


def tell_lost(archive: Archive, rows: Sequence[Row]) -> None:
    """Has the log say that the files of instances are not whole, and keeps an event of each that has none yet."""
    uids = [row["instance_uid"] for row in rows]
    log.error("files of instances are gone, or not as they were kept", count=len(uids), instances=uids[:MOST_LOGGED])
    moment = archive.clock()

    def work(index: Rows) -> None:
        for row in rows:
            if row["instance_uid"] not in told:
                note(index, moment, LOST, row["instance_uid"], {"study": row["study_uid"], "digest": row["digest"]})

    try:
        told = set(archive.reading.distinct("event", "subject", {"subject": one_of(uids), "kind": LOST}))
        if told.issuperset(uids):
            return
        archive.write(work)
    except (OSError, sqlite3.Error, FhirError) as problem:  # what can be read is, on a full disk too
        log.error("what was lost could not be kept as an event", problem=str(problem))
