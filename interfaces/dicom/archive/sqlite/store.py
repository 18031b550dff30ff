"""`Index` in a SQLite file: a connection for each thread that reads, one that writes."""

from __future__ import annotations

from concurrent.futures import Future
from pathlib import Path
from typing import TypeVar

from interfaces.dicom.archive.index import Rows, Work
from interfaces.dicom.archive.sqlite.database import Readers
from interfaces.dicom.archive.sqlite.rows import SqliteRows
from interfaces.dicom.archive.sqlite.writer import Writer

T = TypeVar("T")


class SqliteIndex:
    """The index in a file; synchronous: SQLite's, FULL or NORMAL."""

    def __init__(self, path: Path, synchronous: str) -> None:
        self._readers = Readers(path, synchronous)
        self._writer = Writer(path, synchronous)

    @property
    def reading(self) -> Rows:
        """See the port."""
        return SqliteRows(self._readers.get())

    def write(self, work: Work[T], *, durable: bool = True) -> T:
        """See the port."""
        return self._writer.run(work, durable=durable)

    def submit(self, work: Work[T], *, durable: bool = True) -> Future[T]:
        """See the port."""
        return self._writer.submit(work, durable=durable)

    def close(self) -> None:
        """See the port."""
        self._writer.close()
        self._readers.close()
