"""How often somebody may ask: so many requests a minute, counted in this process."""

from __future__ import annotations

from fhir_server.core.errors import error
from fhir_server.core.ports import Clock

MINUTE = 60_000_000  # microseconds


class Rate:
    """most: requests of one subject within a minute of the clock; 0 for any number."""

    def __init__(self, most: int, clock: Clock) -> None:
        self._most = most
        self._clock = clock
        self._minute = 0
        self._counts: dict[str, int] = {}

    def require(self, subject: str) -> None:
        """Counts a request; FhirError "throttled", with Retry-After, for one too many."""
        if not self._most:
            return
        now = self._clock()
        minute = now // MINUTE
        if minute != self._minute:
            self._minute = minute
            self._counts.clear()
        count = self._counts[subject] = self._counts.get(subject, 0) + 1
        if count > self._most:
            wait = ((minute + 1) * MINUTE - now) // 1_000_000 + 1
            raise error("throttled", "Too many requests; wait a little.", headers={"Retry-After": str(wait)})
