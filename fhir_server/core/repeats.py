"""What goes wrong again and again, said once a while with a count, so that a log isn't filled by one failure."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from typing import Any

from fhir_server.core.errors import FhirError

EVERY = 60.0  # seconds between two lines about the same
MOST = 100  # different ones that are kept in mind


class Repeats:
    """Counts what happens, by what it is; clock: seconds that only grow."""

    def __init__(self, every: float = EVERY, clock: Callable[[], float] = time.monotonic) -> None:
        self._every = every
        self._clock = clock
        self._seen: dict[Hashable, tuple[float, int]] = {}  # what -> when it was last said, how often since

    def due(self, what: Hashable) -> int:
        """How often this has happened since it was last said, this time too; 0 where it is too early to say it."""
        now = self._clock()
        said, count = self._seen.get(what, (-self._every, 0))
        if now - said < self._every:
            self._seen[what] = said, count + 1
            return 0
        if len(self._seen) >= MOST:
            self._seen.clear()
        self._seen[what] = now, 0
        return count + 1

    def tell(self, log: Any, event: str, problem: Exception, **named: object) -> None:
        """A line about a problem in the log, where it is due, with where it came from if it was not made to be told."""
        if times := self.due(repr(problem)):
            unforeseen = not isinstance(problem, FhirError)
            log.warning(event, problem=str(problem), times=times, exc_info=unforeseen, **named)
