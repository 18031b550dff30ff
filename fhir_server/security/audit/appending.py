"""What a process writes its events to: a journal, and the next one made ready before it is full."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from fhir_server.core.errors import error
from fhir_server.security.audit.journal import Journal

# Events, and seconds, after which a process that writes takes journals in. Mostly whoever looks for alerts has done it
# before (lookout.py, each second): the more there is to take in, the less each event costs.
TAKEN_AFTER, TAKEN_EVERY = 2**15, 10.0
ORDINARY = 2**16  # bytes that a block has at most, mostly
RESERVE = 2**20  # bytes left of a journal when the next one is made


class Appending:
    """block: makes what is kept of lines; take_in: has what is in any journal in the log. A recorder's sink."""

    def __init__(
        self, folder: Path, block: Callable[[Sequence[bytes]], bytes], take_in: Callable[[], None], *, durable: bool
    ) -> None:
        self._folder = folder
        self._block = block
        self._take_in = take_in
        self._durable = durable
        self._turn = threading.Lock()
        self._journal: Journal | None = None
        self._next: Journal | None = None
        self._since = 0
        self._taken_at = time.monotonic()

    @property
    def used(self) -> bool:
        """Whether anything was written."""
        return self._journal is not None

    def ready(self) -> bool:
        """Whether a write would be nothing but a write and a flush now."""
        return self._journal is not None and self._journal.left >= ORDINARY and not self._turn.locked()

    def write(self, events: Sequence[bytes]) -> bool:
        """Makes events durable; whether there is something to tidy up. FhirError "unavailable" where it can't be."""
        block = self._block(events)
        try:
            with self._turn:
                journal = self._with_room(len(block))
                journal.append(block)
        except OSError as problem:
            raise error("unavailable", "The audit log can't be written now, so nothing is given out.") from problem
        self._since += len(events)
        return self._due() or self._running_out()

    def _with_room(self, size: int) -> Journal:
        if self._journal is None or self._journal.left < size:
            full, self._journal = self._journal, None
            if full is not None:
                full.close()
            self._journal, self._next = self._next, None
            if self._journal is None or self._journal.left < size:
                self._journal = self._made(size)
        return self._journal

    def _made(self, size: int = 0) -> Journal:
        return Journal(self._folder, size, durable=self._durable)

    def _due(self) -> bool:
        return self._since >= TAKEN_AFTER or time.monotonic() - self._taken_at >= TAKEN_EVERY

    def _running_out(self) -> bool:
        return self._next is None and self._journal is not None and self._journal.left < RESERVE

    def tidy(self) -> None:
        """Makes the next journal, and has what was written taken in, where that is due; for one thread at a time."""
        if self._running_out():
            with contextlib.suppress(OSError):  # whoever needs it tries again, and tells
                self._next = self._made()
        if self._due():
            self._since, self._taken_at = 0, time.monotonic()
            self._take_in()

    def close(self) -> None:
        """Writes no more."""
        for each in (self._journal, self._next):
            if each is not None:
                each.close()
        self._journal = self._next = None
