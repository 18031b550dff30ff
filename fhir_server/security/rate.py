"""How often somebody may ask: so many requests a minute, counted over all workers."""

from __future__ import annotations

from fhir_server.core.errors import error
from fhir_server.security.store import AccountStore

MINUTE = 60_000_000  # microseconds


class Rate:
    """most: requests of one subject within a minute of the store's clock; 0 for any number."""

    def __init__(self, most: int, store: AccountStore) -> None:
        self._most = most
        self._store = store
        self._minute = 0
        self._spent: set[str] = set()  # in this minute: refused without asking the store

    async def require(self, subject: str) -> None:
        """Counts a request; FhirError "throttled", with Retry-After, for one too many."""
        if not self._most:
            return
        now = self._store.clock()
        minute = now // MINUTE
        if minute != self._minute:
            self._minute = minute
            self._spent.clear()
        if subject not in self._spent and await self._store.count_asked(subject, minute) > self._most:
            self._spent.add(subject)
        if subject in self._spent:
            wait = ((minute + 1) * MINUTE - now) // 1_000_000 + 1
            raise error("throttled", "Too many requests; wait a little.", headers={"Retry-After": str(wait)})
