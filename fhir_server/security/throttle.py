"""Fewer guesses: after some failures a subject waits, longer each time, in every worker."""

from __future__ import annotations

from fhir_server.core.errors import error
from fhir_server.security.store import AccountStore

FREE = 5  # failures before the first wait
FREE_OF_ADDRESS = 50  # many may stand behind one address, and most of them guess nothing
ADDRESS = "address:"
HOUR = 3_600_000_000  # microseconds, after which an address is counted anew
FIRST = 30  # seconds of the first wait; each further failure doubles it
LONGEST = 3600


class Throttle:
    """Counts failures by subject, such as `user:` and a name, or an `address:`, which stops guesses at many names.

    Those of an address are counted by the hour, as no success resets them.
    """

    def __init__(self, store: AccountStore) -> None:
        self._store = store

    async def require(self, *subjects: str) -> None:
        """FhirError "throttled", with Retry-After, while one of the subjects has to wait."""
        now = self._store.clock()
        wait = max([await self._store.locked_until(self._counted(subject)) - now for subject in subjects], default=0)
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
            counted = self._counted(subject)
            beyond = await self._store.count_failure(counted) - (FREE_OF_ADDRESS if counted != subject else FREE)
            if beyond >= 0:
                wait = min(FIRST * 2**beyond, LONGEST)
                await self._store.lock(counted, self._store.clock() + wait * 1_000_000)

    async def succeeded(self, *subjects: str) -> None:
        """Forgets the failures."""
        for subject in subjects:
            await self._store.forget_failures(self._counted(subject))

    def _counted(self, subject: str) -> str:
        """What the store counts a subject by."""
        return f"{subject} {self._store.clock() // HOUR}" if subject.startswith(ADDRESS) else subject
