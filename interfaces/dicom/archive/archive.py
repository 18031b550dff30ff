"""The archive: bytes in, an outcome out; nothing is answered as kept that is not on the disk and in the index."""

from __future__ import annotations

import errno
import json
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from fhir_server.core.errors import error
from fhir_server.core.settings import Settings
from interfaces.dicom.archive import digests
from interfaces.dicom.archive.files import FileStore, ObjectFiles
from interfaces.dicom.archive.index import Index, Rows, Work
from interfaces.dicom.archive.instances import instances
from interfaces.dicom.archive.layouts import Layouts
from interfaces.dicom.archive.local_files import LocalFiles
from interfaces.dicom.archive.placing import Duplicates, Outcome, enqueue, note, place, remove_instance, replaced
from interfaces.dicom.archive.receiving import Announced, Receiving
from interfaces.dicom.archive.record import Mismatch, Record, can_name
from interfaces.dicom.dataset.model import text, to_model
from interfaces.dicom.dataset.walk import DataSet

if TYPE_CHECKING:
    from interfaces.dicom.archive.sealed_files import SealedFiles

T = TypeVar("T")
FOLDER = "dicom"
SEALED = "sealed"  # a note: there are sealed files
MIB = 2**20
REMOVED_TOGETHER = 200  # instances in one transaction
SLACK = 8  # a study's job comes up to an eighth of the pause late, so that few of its instances change it
NAMES = frozenset({0x00080016, 0x00080018})


def now() -> int:
    """Microseconds since 1970 UTC."""
    return time.time_ns() // 1000


class Archive:
    """The files and the index of one data folder; one for each process, several share the folder."""

    def __init__(self, settings: Settings, clock: Callable[[], int] = now) -> None:
        self.settings = settings
        self.clock = clock
        self.folder: Path = settings.data / FOLDER
        self.followed: set[tuple[str, str]] = set()  # changes in FHIR that were seen already
        self.layouts = Layouts()
        self._index = open_index(settings, self.folder)
        try:
            self._sealed = sealed_files(settings, self.folder, self._index)
        except BaseException:
            self._index.close()
            raise
        self.files: FileStore = self._sealed or stored_files(settings, self.folder)

    @property
    def reading(self) -> Rows:
        """The index as it is committed, for this thread."""
        return self._index.reading

    def write(self, work: Work[T]) -> T:
        """Runs work in a transaction of the index; durable when it returns."""
        return self._index.write(work)

    def submit(self, work: Work[T]) -> Future[T]:
        """Runs work in a transaction of the index, later."""
        return self._index.submit(work)

    def receive(
        self,
        data: bytes | memoryview,
        *,
        transfer_syntax: str,
        sop_class: str = "",
        sop_instance: str = "",
        sender: str = "",
        issuer: str = "",
    ) -> Outcome:
        """Keeps a data set as it came; sop_class and sop_instance: what it was announced as, "" for nothing.

        Malformed where it is no whole data set; Mismatch where it is not what was announced or has no name; OSError
        where it can't be written. Neither leaves anything behind.
        """
        names = to_model(DataSet(data, transfer_syntax), only=NAMES)
        receiving = self.begin(
            Announced(
                sop_class or text(names, "00080016"),
                sop_instance or text(names, "00080018"),
                transfer_syntax,
                sender,
                issuer,
            )
        )
        try:
            receiving.write((data,))
        except BaseException:
            receiving.discard()
            raise
        return receiving.finish()

    def begin(self, announced: Announced) -> Receiving:
        """A data set that will arrive in parts; Mismatch where it is announced by what is no UID."""
        for uid in (announced.sop_class, announced.sop_instance):
            if not can_name(uid):
                raise Mismatch("SOP Class UID or SOP Instance UID is missing or no UID")
        return Receiving(self, announced)

    def place_file(self, record: Record, *, made: bool, duplicates: Duplicates | None = None) -> Outcome:
        """Puts a file that was kept into the index, and takes it away where it does not get there; made: it is new.

        duplicates: another policy than the settings'.
        """
        try:
            outcome = self.place(record, duplicates, made=made)
        except BaseException:
            if made:
                self.drop(record.digest)
            raise
        if made and outcome in (Outcome.REFUSED, Outcome.KEPT, Outcome.SAME):
            self.drop(record.digest)
        if outcome is Outcome.REPLACED:
            self._forget_replaced(record)
        return outcome

    def _forget_replaced(self, record: Record) -> None:
        """Flushes the row, as from files the next start could not say which one stands, and removes the other files."""
        same = {"digest": record.digest}
        self.write(lambda index: index.change("instance", {"uid": record.uid, **same}, same))
        for digest in replaced(self.reading, record.uid):
            self.drop(digest)

    def drop(self, digest: str) -> None:
        """Removes a file that no instance names any more, in a turn of the index: who sends the same bytes just then
        has them named before it, or finds them gone."""

        def work(index: Rows) -> None:
            if index.one("instance", {"digest": digest}) is None:
                self.files.delete(digest)

        self._index.write(work, durable=False)

    def _same(self, kept: str, new: str) -> bool:
        """Whether two digests are of the same bytes; the new one's file is there."""
        return kept == new or (not digests.comparable(kept, new) and digests.names(kept, self.files.read(new)))

    def place(self, record: Record, duplicates: Duplicates | None = None, *, made: bool = True) -> Outcome:
        """Puts a record of a file that is there into the index; duplicates, made: see place_file.

        OSError EAGAIN where a file that was there before has been removed meanwhile.
        """
        policy = duplicates or self.settings.dicom_duplicates
        moment = self.clock()
        pause = self.settings.dicom_study_pause_seconds * 1_000_000
        slack = 0 if self.settings.mongodb_url else pause // SLACK

        def work(index: Rows) -> Outcome:
            if not made and not self.files.has(record.digest):
                raise OSError(errno.EAGAIN, "The same bytes were removed just now; send them again")
            return place(index, record, moment, policy, moment + pause, self._same, slack)

        # the file is on the disk: an entry that a power failure takes is made again at the next start (recovery.py)
        return self._index.write(work, durable=False)

    def enqueue(self, kind: str, key: str, due: int = 0, payload: dict[str, Any] | None = None) -> None:
        """A job for the worker."""
        self.write(lambda index: enqueue(index, kind, key, due, json.dumps(payload or {})))

    def note(self, kind: str, subject: str, **detail: object) -> None:
        """Keeps what happened, for people."""
        moment = self.clock()
        self.write(lambda index: note(index, moment, kind, subject, detail))

    def delete(self, named: Mapping[str, str], who: str = "") -> int:
        """Removes the instances of unique keys, as `instances` takes them; gives how many."""
        moment = self.clock()
        rows = instances(self.reading, named, held=True)
        removed = 0

        def work(index: Rows, part: list[str]) -> list[list[str] | None]:
            gone = [remove_instance(index, uid) for uid in part]
            for study in {row["study_uid"] for row in rows}:
                enqueue(index, "study", study, moment)
            return gone

        for start in range(0, len(rows), REMOVED_TOGETHER):
            part = [row["instance_uid"] for row in rows[start : start + REMOVED_TOGETHER]]
            gone = [free for free in self.write(lambda index, part=part: work(index, part)) if free is not None]
            removed += len(gone)
            for digest in (digest for free in gone for digest in free):
                self.drop(digest)
        for study in {row["study_uid"] for row in rows}:
            self.note("deleted", study, by=who, instances=removed)
        return removed

    def destroy_key(self, study: str) -> None:
        """Makes every copy of a study's files unreadable, where files are sealed."""
        if self._sealed is not None:
            self._sealed.destroy(study)

    def close(self) -> None:
        """Finishes what waits and lets go of the index."""
        self._index.close()
        if self._sealed is not None:
            self._sealed.close()


def stored_files(settings: Settings, folder: Path) -> FileStore:
    """Where the settings have files kept."""
    if "://" in settings.dicom_storage:
        return ObjectFiles(settings.dicom_storage)
    return LocalFiles(
        Path(settings.dicom_storage) if settings.dicom_storage else folder / "files",
        fsync=settings.dicom_fsync,
        reserve=settings.dicom_reserve_mb * MIB,
    )


def sealed_files(settings: Settings, folder: Path, index: Index) -> SealedFiles | None:
    """The same, sealed with the settings' keys; None without keys. FhirError "value" where they are needed."""
    before = index.reading.one("note", {"name": SEALED}) is not None
    if not settings.encryption_keys:
        if before:
            raise error("value", "DICOM files are sealed: name the file of their master key by encryption_keys.")
        return None
    from fhir_server.security.encryption.opening import opened
    from interfaces.dicom.archive.sealed_files import SealedFiles

    keys = opened(settings)
    assert keys is not None
    if not before:
        index.write(lambda rows: rows.put("note", {"name": SEALED}, {"value": "yes"}))
    return SealedFiles(stored_files(settings, folder), keys)


def open_index(settings: Settings, folder: Path) -> Index:
    """The index of the server's engine: in MongoDB where mongodb_url is set, else a file in the folder."""
    if settings.mongodb_url:
        from interfaces.dicom.archive.mongo.store import open_index as open_mongo

        return open_mongo(settings.mongodb_url, settings.mongodb_database)
    from interfaces.dicom.archive.sqlite.database import FILE_NAME
    from interfaces.dicom.archive.sqlite.store import SqliteIndex

    return SqliteIndex(folder / FILE_NAME, "FULL" if settings.dicom_fsync else "NORMAL")
