"""Fewer guesses: after some failures a subject waits, longer each time, in every worker."""

from __future__ import annotations

from typing import NamedTuple

from fhir_server.core.errors import error
from fhir_server.security.store import AccountStore

FIRST = 30  # seconds of the first wait; each further failure doubles it
ADDRESS = "address:"  # all that somebody there guesses at many names
NAME = "name:"  # all that is guessed at one name from places where its user never signed in
HOUR = 3_600_000_000  # microseconds


class Limit(NamedTuple):
    """free: failures before the first wait; longest: seconds of a wait; period: microseconds after which it is counted
    anew, as no success does that, 0 for what is counted until a success."""

    free: int
    longest: int
    period: int


# Many may stand behind one address, and most of them guess nothing. What waits for a name is its user at a new place
# too, so that no wait is long; a password that may be chosen here stands some hundred guesses a day.
LIMITS = {ADDRESS: Limit(50, 3600, HOUR), NAME: Limit(20, 900, 24 * HOUR)}
OTHERS = Limit(5, 3600, 0)


class Throttle:
    """Counts failures by subject: a name at a place, a name, an address."""

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
            counted, limit = self._counted(subject), limit_of(subject)
            beyond = await self._store.count_failure(counted) - limit.free
            if beyond >= 0:
                wait = min(FIRST * 2**beyond, limit.longest)
                await self._store.lock(counted, self._store.clock() + wait * 1_000_000)

    async def succeeded(self, *subjects: str) -> None:
        """Forgets the failures of those that are counted until a success."""
        for subject in subjects:
            if not limit_of(subject).period:
                await self._store.forget_failures(subject)

    def _counted(self, subject: str) -> str:
        """What the store counts a subject by."""
        period = limit_of(subject).period
        return f"{subject} {self._store.clock() // period}" if period else subject


def limit_of(subject: str) -> Limit:
    """What a subject may do."""
    return next((limit for beginning, limit in LIMITS.items() if subject.startswith(beginning)), OTHERS)
