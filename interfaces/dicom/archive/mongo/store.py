"""`Index` in MongoDB: each piece of work is a transaction, run again where another was in its way."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from typing import Any, TypeVar

from pymongo.errors import DuplicateKeyError
from pymongo.read_concern import ReadConcern

from interfaces.dicom.archive.index import Rows, Work
from interfaces.dicom.archive.mongo.database import answering, connect
from interfaces.dicom.archive.mongo.rows import MongoRows

T = TypeVar("T")
TRIES = 5  # where another makes a row of the same key at one moment: the next look finds it


def open_index(url: str, name: str) -> MongoIndex:
    """The index in the database of that name; FhirError "unavailable" where MongoDB does not answer."""
    return MongoIndex(*connect(url, name))


class MongoIndex:
    """Any number of processes on any number of machines may share it."""

    def __init__(self, client: Any, database: Any) -> None:
        self._client = client
        self._database = database
        self._rows = MongoRows(database)
        self._writing = threading.Lock()  # two of one process would mostly meet at the counts of one study

    @property
    def reading(self) -> Rows:
        """See the port."""
        return self._rows

    def write(self, work: Work[T], *, durable: bool = True) -> T:
        """See the port; durable in any case."""
        with self._writing, answering():
            for _ in range(TRIES - 1):
                try:
                    return self._transaction(work)
                except DuplicateKeyError:
                    continue
            return self._transaction(work)

    def submit(self, work: Work[T], *, durable: bool = True) -> Future[T]:
        """See the port; now."""
        future: Future[T] = Future()
        try:
            future.set_result(self.write(work, durable=durable))
        except Exception as problem:
            future.set_exception(problem)
        return future

    def close(self) -> None:
        """See the port."""
        with self._writing:
            self._client.close()

    def _transaction(self, work: Work[T]) -> T:
        with self._client.start_session() as session:
            return session.with_transaction(
                lambda running: work(MongoRows(self._database, running)), read_concern=ReadConcern("snapshot")
            )
