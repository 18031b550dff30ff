"""Fewer guesses: after some failures a subject waits, longer each time, in every worker."""

from __future__ import annotations

from fhir_server.core.errors import error
from fhir_server.security.store import AccountStore

FREE = 5  # failures before the first wait
FIRST = 30  # seconds of the first wait; each further failure doubles it
LONGEST = 3600


class Throttle:
    """Counts failures by subject, such as a user's name or an address."""

    def __init__(self, store: AccountStore) -> None:
        self._store = store

    async def require(self, *subjects: str) -> None:
        """FhirError "throttled", with Retry-After, while one of the subjects has to wait."""
        now = self._store.clock()
        wait = max([await self._store.locked_until(subject) - now for subject in subjects], default=0)
        if wait > 0:
            seconds = wait // 1_000_000 + 1
            raise error(
                "throttled",
                f"Too many failed attempts; try again in {seconds} seconds.",
                headers={"Retry-After": str(seconds)},
            )

    async def failed(self, *subjects: str) -> None:
        """Counts a failure."""
        for subject in subjects:
            count = await self._store.count_failure(subject)
            if count >= FREE:
                wait = min(FIRST * 2 ** (count - FREE), LONGEST)
                await self._store.lock(subject, self._store.clock() + wait * 1_000_000)

    async def succeeded(self, *subjects: str) -> None:
        """Forgets the failures."""
        for subject in subjects:
            await self._store.forget_failures(subject)
