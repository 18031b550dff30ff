"""Whose turn it is to write, among the processes that share one file.

SQLite lets one process write at a time and leaves it to the others to try again: whoever tries at the right moment
wins, and whoever sleeps loses. Here they stand in line, by two locks on files: the first in the line holds `queue`
until it gets `writing`, so that who has just written comes after those who wait already. The system frees both when a
process dies.

The turn is a courtesy. What keeps the store whole is SQLite's own lock, so a process that has waited long enough for
its turn goes on and asks for that.
"""

from __future__ import annotations

import asyncio
import fcntl
from pathlib import Path

from fhir_server.core.side_thread import SideThread


class Turns:
    """One writer's place among those of all processes."""

    def __init__(self, path: Path) -> None:
        self._queue = open(f"{path}-queue", "ab")  # noqa: SIM115
        self._writing = open(f"{path}-writing", "ab")  # noqa: SIM115
        self._thread = SideThread("turn")
        self._held = False

    async def begin(self, patience: float) -> None:
        """Waits for the turn, for so many seconds at most."""
        if self._at_once():
            self._held = True
            return
        coming = self._thread.run(self._wait)
        try:
            await asyncio.wait((coming,), timeout=patience)
            self._held = coming.done()
        finally:
            if not self._held:
                coming.add_done_callback(lambda _: self._leave())
        if self._held:
            coming.result()

    def end(self) -> None:
        """Gives the turn to the next; nothing where it was never had."""
        if self._held:
            self._held = False
            self._leave()

    def close(self) -> None:
        """Leaves the line."""
        self._queue.close()
        self._writing.close()
        self._thread.close(wait=False)

    def _leave(self) -> None:
        fcntl.flock(self._writing, fcntl.LOCK_UN)

    def _at_once(self) -> bool:
        """Takes the turn where nobody is in line."""
        try:
            fcntl.flock(self._queue, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        try:
            fcntl.flock(self._writing, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        finally:
            fcntl.flock(self._queue, fcntl.LOCK_UN)
        return True

    def _wait(self) -> None:
        fcntl.flock(self._queue, fcntl.LOCK_EX)
        try:
            fcntl.flock(self._writing, fcntl.LOCK_EX)
        finally:
            fcntl.flock(self._queue, fcntl.LOCK_UN)
