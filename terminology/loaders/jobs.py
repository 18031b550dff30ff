"""Loads as jobs: they show how far they are, and are taken up where they broke off.

A job's state is in the store, so any process sees it. Rows are written in batches, each in a transaction of its own
with the position reached; what is loaded is not seen by anyone before it is whole.
"""

from __future__ import annotations

import contextlib
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from fhir_server.core.errors import FhirError, error
from terminology.loaders.loader import Loader, Plan
from terminology.loaders.registry import LOADERS
from terminology.store import closure, text, writer
from terminology.store.store import Store

STALE = 120_000_000  # microseconds without a sign of life, after which a job counts as broken off
FINISHING = ("hierarchy", "closure", "texts", "done")

Progress = Callable[["Job"], None]


class Job(NamedTuple):
    """state: waiting | running | done | failed | cancelled; done: rows of the stage; times: microseconds since 1970."""

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


class Jobs:
    """The jobs of one store; clock: microseconds since 1970."""

    def __init__(self, store: Store, clock: Callable[[], int], path: Path | None = None) -> None:
        self._store = store
        self._clock = clock
        self._path = path

    def create(self, loader: str, source: Path, options: dict[str, str] | None = None) -> int:
        """A new job, waiting; FhirError where the loader or an option isn't known, or the source isn't right."""
        found = _loader(loader)
        options = options or {}
        for name in options:
            if name not in found.options:
                known = ", ".join(found.options) or "none"
                raise error("value", f"The loader '{loader}' has no option '{name}'; it has: {known}.")
        if not source.exists():
            raise error("value", f"There is no file or folder {source}.")
        found.plan(source, options)
        with self._store.transaction() as connection:
            row = connection.execute(
                "INSERT INTO jobs (loader, source, options, state, heartbeat, started) "
                "VALUES (?, ?, ?, 'waiting', 0, ?) RETURNING id",
                (loader, str(source.resolve()), msgspec.json.encode(options).decode(), self._clock()),
            ).fetchone()
        return row[0]

    def get(self, id: int) -> Job:
        """FhirError not-found where there is none."""
        row = self._store.connection.execute("SELECT * FROM jobs WHERE id = ?", (id,)).fetchone()
        if row is None:
            raise error("not-found", f"There is no job {id}.")
        return _job(row)

    def all(self) -> list[Job]:
        """All jobs, the newest first."""
        return [_job(row) for row in self._store.connection.execute("SELECT * FROM jobs ORDER BY id DESC")]

    def start(self, id: int) -> None:
        """Runs a job in a process of its own and returns at once."""
        if self._path is None:
            raise error("not-supported", "A store in memory has no jobs in other processes.")
        command = [sys.executable, "-m", "terminology.loaders.run", str(self._path), str(id)]
        subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)

    def unfinished(self) -> list[Job]:
        """Those that wait, or run and have given no sign of life for a while: to be run again after a restart."""
        dead = self._clock() - STALE
        return [job for job in self.all() if job.state in ("waiting", "running") and job.heartbeat < dead]

    def cancel(self, id: int) -> None:
        """Ends a job; what it has loaded is removed by the process that runs it, or at once where none does."""
        job = self.get(id)
        running = job.state == "running" and job.heartbeat >= self._clock() - STALE
        with self._store.transaction() as connection:
            connection.execute("UPDATE jobs SET state = 'cancelled' WHERE id = ? AND state <> 'done'", (id,))
            if not running and job.state != "done" and job.system is not None:
                _discard(connection, job)

    def run(self, id: int, progress: Progress | None = None) -> Job:
        """Runs a job to its end here, from where it was; returns it done, failed or cancelled."""
        job = self._claim(id)
        try:
            loader = _loader(job.loader)
            _Run(self._store, self._clock, job, loader.plan(Path(job.source), job.options), progress).to_end()
        except _Cancelled:
            with self._store.transaction() as connection:
                _discard(connection, self.get(id))
        except FhirError as failure:
            self._fail(id, str(failure))
        except (OSError, UnicodeError, sqlite3.Error, ValueError, KeyError) as failure:
            self._fail(id, f"{type(failure).__name__}: {failure}")
        return self.get(id)

    def _claim(self, id: int) -> Job:
        now = self._clock()
        with self._store.transaction() as connection:
            claimed = connection.execute(
                "UPDATE jobs SET state = 'running', message = '', heartbeat = ? WHERE id = ? AND "
                "(state IN ('waiting', 'failed') OR (state = 'running' AND heartbeat < ?))",
                (now, id, now - STALE),
            )
        job = self.get(id)
        if not claimed.rowcount:
            raise error(
                "conflict", f"The job {id} is {job.state}; only a job that waits, failed or broke off can be run."
            )
        return job

    def _fail(self, id: int, message: str) -> None:
        with self._store.transaction() as connection:
            connection.execute(
                "UPDATE jobs SET state = 'failed', message = ?, finished = ? WHERE id = ?", (message, self._clock(), id)
            )


def _discard(connection: sqlite3.Connection, job: Job) -> None:
    if job.system is not None:
        stage, _, position = job.position.partition(" ")
        indexed = int(position or 0) if stage == "texts" else 0
        writer.remove_system(connection, job.system, indexed)
        connection.execute("UPDATE jobs SET system = NULL, position = '' WHERE id = ?", (job.id,))


class _Cancelled(Exception):
    pass


class _Run:
    """One run of a job. A position is the name of a stage and the rows, or the last id, done in it."""

    def __init__(self, store: Store, clock: Callable[[], int], job: Job, plan: Plan, progress: Progress | None) -> None:
        self._store = store
        self._clock = clock
        self._job = job
        self._plan = plan
        self._progress = progress
        self._told: Job | None = None

    def to_end(self) -> None:
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
            raise _Cancelled
        self._told = _job(kept)

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


def _loader(name: str) -> Loader:
    if name not in LOADERS:
        raise error("value", f"There is no loader '{name}'; there are: {', '.join(LOADERS)}.")
    return LOADERS[name]


def _job(row: tuple[Any, ...]) -> Job:
    id, loader, source, options, state, stage, done, position, system, message, heartbeat, started, finished = row
    return Job(
        id, loader, source, msgspec.json.decode(options), state, stage, done, position, system, message, heartbeat,
        started, finished,
    )  # fmt: skip
