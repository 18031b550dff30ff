"""Commits flushed to the disk after the turn to write has gone on: one flush serves all that were made before it.

SQLite would flush inside of COMMIT (synchronous FULL) while it holds the lock, and nobody could write in that time.
Here COMMIT only appends to the write-ahead log (synchronous NORMAL, which keeps the file whole in any case), and the
log is flushed beside the next commit; what was committed is told to nobody who asked for it before that
(docs/decisions/0026-a-commit-is-flushed-beside-the-next.md).
"""

from __future__ import annotations

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from fhir_server.core.errors import error

to_disk = getattr(os, "fdatasync", os.fsync)  # macOS has only the second


class Flushing:
    """Flushes the write-ahead log of one file. Whoever uses it holds a connection open, so that the log stays."""

    def __init__(self, path: Path) -> None:
        self._path = Path(f"{path}-wal")
        self._log: int | None = None
        self._thread = ThreadPoolExecutor(1, "flush")
        self._running: asyncio.Task[None] | None = None
        self._next: asyncio.Task[None] | None = None
        self._failed = False

    @property
    def running(self) -> asyncio.Task[None] | None:
        """The flush that is under way, None for none."""
        return self._running

    async def flush(self) -> None:
        """Returns once all that any process has committed by now is on the disk.

        FhirError "unavailable" where the disk fails; from then on always, as the system may have forgotten what it
        could not write (https://wiki.postgresql.org/wiki/Fsync_Errors).
        """
        if self._next is None:
            self._next = asyncio.get_running_loop().create_task(self._after(self._running))
        await asyncio.shield(self._next)

    async def _after(self, before: asyncio.Task[None] | None) -> None:
        if before is not None:
            await asyncio.wait([before])
        self._running, self._next = self._next, None
        try:
            self.require_whole()
            await asyncio.get_running_loop().run_in_executor(self._thread, self._flush)
        except OSError as problem:
            self._failed = True
            raise _failure() from problem
        finally:
            self._running = None

    def require_whole(self) -> None:
        """Raises FhirError "unavailable" where a flush has failed."""
        if self._failed:
            raise _failure()

    def _flush(self) -> None:
        if self._log is None:
            self._log = os.open(self._path, os.O_RDONLY)
        to_disk(self._log)

    def close(self) -> None:
        """Lets go of the log; nothing may be under way."""
        self._thread.shutdown()
        if self._log is not None:
            os.close(self._log)


def _failure() -> Exception:
    return error(
        "unavailable",
        "The disk failed while writing; what was written last may be lost. Mend the disk and start the server again.",
        headers={"Retry-After": "30"},
    )
