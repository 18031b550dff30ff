"""Loads as jobs: they show how far they are, and are taken up where they broke off.

A job's state is in the store, so any process sees it. Rows are written in batches, each in a transaction of its own
with the position reached; what is loaded is not seen by anyone before it is whole.
"""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec

from fhir_server.core.errors import FhirError, error
from terminology.loaders.loader import Loader
from terminology.loaders.running import Cancelled, Job, Progress, Run, discard, job_of
from terminology.store.store import Store

__all__ = ["Job", "Jobs"]

STALE = 120_000_000  # microseconds without a sign of life, after which a job counts as broken off


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
        try:
            found.plan(source, options)
        except (OSError, UnicodeError) as failure:
            reason = "it is a folder" if isinstance(failure, IsADirectoryError) else str(failure)
            raise error("value", f"{source.name} can't be read: {reason}; '{loader}' reads {found.reads}.") from None
        with self._store.transaction() as connection:
            row = connection.execute(
                "INSERT INTO jobs (loader, source, options, state, heartbeat, started) "
                "VALUES (?, ?, ?, 'waiting', 0, ?) RETURNING id",
                (loader, str(source.resolve()), msgspec.json.encode(options).decode(), self._clock()),
            ).fetchone()
        return row[0]

    def broken_off(self, loader: str, source: Path, options: dict[str, str]) -> Job | None:
        """The newest job for the same, where it was broken off; None for none, or where the file is newer than it."""
        wanted = (loader, str(source.resolve()), options)
        newest = next((job for job in self.all() if (job.loader, job.source, job.options) == wanted), None)
        if newest is None or newest.state not in ("waiting", "running"):
            return None
        return newest if source.stat().st_mtime * 1_000_000 <= newest.started else None

    def get(self, id: int) -> Job:
        """FhirError not-found where there is none."""
        row = self._store.connection.execute("SELECT * FROM jobs WHERE id = ?", (id,)).fetchone()
        if row is None:
            raise error("not-found", f"There is no job {id}.")
        return job_of(row)

    def all(self) -> list[Job]:
        """All jobs, the newest first."""
        return [job_of(row) for row in self._store.connection.execute("SELECT * FROM jobs ORDER BY id DESC")]

    def start(self, id: int) -> None:
        """Runs a job in a process of its own and returns at once."""
        if self._path is None:
            raise error("not-supported", "A store in memory has no jobs in other processes.")
        command = [sys.executable, "-m", "terminology.loaders.job_process", str(self._path), str(id)]
        subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)

    def take_up(self) -> None:
        """Runs again, each in a process of its own, what was running when its process ended."""
        for job in self.unfinished():
            if job.state == "running":
                self.start(job.id)

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
                discard(connection, job)

    def run(self, id: int, progress: Progress | None = None) -> Job:
        """Runs a job to its end here, from where it was; returns it done, failed or cancelled.

        Where the process is interrupted, the job waits to be run again.
        """
        job = self._claim(id)
        try:
            loader = _loader(job.loader)
            Run(self._store, self._clock, job, loader.plan(Path(job.source), job.options), progress).to_end()
        except Cancelled:
            with self._store.transaction() as connection:
                discard(connection, self.get(id))
        except KeyboardInterrupt:
            with self._store.transaction() as connection:
                connection.execute("UPDATE jobs SET state = 'waiting', heartbeat = 0 WHERE id = ?", (id,))
            raise
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


def _loader(name: str) -> Loader:
    from terminology.loaders.registry import LOADERS  # only where something is loaded: the start of a server is short

    if name not in LOADERS:
        raise error("value", f"There is no loader '{name}'; there are: {', '.join(LOADERS)}.")
    return LOADERS[name]
