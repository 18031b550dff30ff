"""One run of a load: its stages one after the other, in batches, from the position that was reached before."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from fhir_server.core.errors import error
from terminology.loaders.loader import Plan
from terminology.store import closure, text, writer
from terminology.store.store import Store

FINISHING = ("hierarchy", "closure", "texts", "done")


class Job(NamedTuple):
    """state: waiting | running | done | failed | cancelled; done: rows of the stage; heartbeat, started and
    finished: microseconds since 1970."""

    id: int
    loader: str
    source: str
    options: dict[str, str]
    state: str
    stage: str
    done: int
    position: str
    system: int | None
    message: str
    heartbeat: int
    started: int
    finished: int


Progress = Callable[[Job], None]


def job_of(row: tuple[Any, ...]) -> Job:
    """The job of a row of the table."""
    id, loader, source, options, state, stage, done, position, system, message, heartbeat, started, finished = row
    return Job(
        id, loader, source, msgspec.json.decode(options), state, stage, done, position, system, message, heartbeat,
        started, finished,
    )  # fmt: skip


def discard(connection: sqlite3.Connection, job: Job) -> None:
    """Removes what a job has loaded so far."""
    if job.system is not None:
        stage, _, position = job.position.partition(" ")
        indexed = int(position or 0) if stage == "texts" else 0
        writer.remove_system(connection, job.system, indexed)
        connection.execute("UPDATE jobs SET system = NULL, position = '' WHERE id = ?", (job.id,))


class Cancelled(Exception):
    """The job was cancelled by someone while it ran."""


class Run:
    """One run of a job. A position is the name of a stage and the rows, or the last id, done in it."""

    def __init__(self, store: Store, clock: Callable[[], int], job: Job, plan: Plan, progress: Progress | None) -> None:
        self._store = store
        self._clock = clock
        self._job = job
        self._plan = plan
        self._progress = progress
        self._told: Job | None = None

    def to_end(self) -> None:
        """Everything that is left to do; Cancelled where the job is cancelled meanwhile."""
        if self._plan.info.url:
            self._system()
        stage, _, position = self._job.position.partition(" ")
        names = [str(number) for number in range(len(self._plan.stages))]
        names += FINISHING if self._plan.info.url else ("done",)
        for name in names[names.index(stage) if stage else 0 :]:
            start = int(position or 0) if name == stage else 0
            if name.isdecimal():
                self._rows(int(name), start)
            else:
                getattr(self, f"_{name}")(start)

    def _system(self) -> None:
        if self._job.system is None:
            with self._store.transaction() as connection:
                system = writer.open_system(connection, self._plan.info)
                connection.execute("UPDATE jobs SET system = ? WHERE id = ?", (system, self._job.id))
            self._job = self._job._replace(system=system)

    def _reached(self, connection: sqlite3.Connection, stage: str, position: int, shown: str, done: int) -> None:
        """Keeps the position, in the transaction of the rows that led to it."""
        kept = connection.execute(
            "UPDATE jobs SET position = ?, stage = ?, done = ?, heartbeat = ? WHERE id = ? AND state = 'running' "
            "RETURNING *",
            (f"{stage} {position}", shown, done, self._clock(), self._job.id),
        ).fetchone()
        if kept is None:
            raise Cancelled
        self._told = job_of(kept)

    @contextlib.contextmanager
    def _step(self) -> Iterator[sqlite3.Connection]:
        """A transaction, after which the progress is told."""
        with self._store.transaction() as connection:
            yield connection
        if self._told and self._progress:
            told, self._told = self._told, None
            self._progress(told)

    def _rows(self, number: int, start: int) -> None:
        stage = self._plan.stages[number]
        rows = islice(iter(stage.rows()), start, None)
        done = start
        system = self._job.system
        into = writer.SystemWriter(self._store.connection, system) if system is not None else None
        for batch in writer.batches(rows):
            if into is None:
                for resource in batch:
                    self._store.put(resource)
            with self._step() as connection:
                if into is not None:
                    _ADD[stage.kind](into, batch)
                done += len(batch)
                self._reached(connection, str(number), done, stage.name, done)
        with self._step() as connection:
            self._reached(connection, str(number), done, stage.name, done)

    def _hierarchy(self, start: int) -> None:
        assert self._job.system is not None
        with self._step() as connection:
            twice = connection.execute(
                "SELECT code FROM concepts WHERE id BETWEEN ? AND ? GROUP BY code HAVING count(*) > 1 LIMIT 1",
                closure.id_range(self._job.system),
            ).fetchone()
            if twice:
                raise error("unprocessable", f"{Path(self._job.source).name} has the code '{twice[0]}' twice.")
            closure.resolve_parents(connection, self._job.system)
            self._reached(connection, "hierarchy", 1, "hierarchy", 0)

    def _closure(self, start: int) -> None:
        assert self._job.system is not None
        found = closure.compute(self._store.connection, self._job.system)
        more = True
        while more:
            with self._step() as connection:
                written = next(found, None)
                more = written is not None
                if written is not None:
                    self._reached(connection, "closure", 0, "closure", written)

    def _texts(self, start: int) -> None:
        assert self._job.system is not None
        reached = start
        while True:
            with self._step() as connection:
                following = text.index_chunk(connection, self._job.system, reached)
                if not following:
                    return
                reached = following
                self._reached(connection, "texts", reached, "texts", reached - closure.id_range(self._job.system)[0])

    def _done(self, start: int) -> None:
        with self._step() as connection:
            if self._job.system is not None:
                writer.activate(connection, self._job.system)
            connection.execute(
                "UPDATE jobs SET state = 'done', finished = ?, heartbeat = ? WHERE id = ?",
                (self._clock(), self._clock(), self._job.id),
            )


_ADD: dict[str, Callable[[writer.SystemWriter, list[Any]], None]] = {
    "records": writer.SystemWriter.add,
    "designations": writer.SystemWriter.add_designations,
    "properties": writer.SystemWriter.add_properties,
    "parents": writer.SystemWriter.add_parents,
    "attributes": writer.SystemWriter.add_attributes,
    "texts": writer.SystemWriter.set_texts,
}
