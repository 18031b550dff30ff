"""Keys of others, kept in a process: looked for again when their time is over, or where a key is not among them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from typing import Generic, TypeVar

from fhir_server.core.ports import Clock
from fhir_server.security.outgoing.requests import UnansweredError

SECOND = 1_000_000

Found = TypeVar("Found")


class KeptKeys(Generic[Found]):
    """What has keys of one owner.

    look: gives it, the ids of its keys and for how many seconds it may be kept; UnansweredError where it can't be had.
    pause: seconds between two looks for a key that is not there. lasting: what was found counts on while nothing newer
    can be had, and after a failure, too, there is a pause; otherwise it counts for its time alone.
    """

    def __init__(
        self,
        look: Callable[[], Awaitable[tuple[Found, Collection[str], int]]],
        clock: Clock,
        pause: int,
        *,
        lasting: bool = False,
    ) -> None:
        self._look = look
        self._clock = clock
        self._pause = pause * SECOND
        self._lasting = lasting
        self._found: Found | None = None
        self._kids: Collection[str] = ()
        self._until = self._looked = -self._pause
        self._lock = asyncio.Lock()  # who waits for it shares what is found

    async def having(self, kid: str) -> Found:
        """It, with the key of this id ("": any) where it has that; UnansweredError where it can't be had."""
        found = self._good(kid)
        if found is None:
            async with self._lock:
                found = self._good(kid)
                if found is None:
                    found = await self._renewed()
        return found

    def _good(self, kid: str) -> Found | None:
        now = self._clock()
        rests = now < self._looked + self._pause
        good = (rests or not kid or kid in self._kids) if now < self._until else (rests and self._lasting)
        return self._found if good else None

    async def _renewed(self) -> Found:
        now = self._clock()
        if self._lasting and now < self._looked + self._pause:
            raise UnansweredError("It could not be had a moment ago.")
        self._looked = now
        try:
            found, self._kids, seconds = await self._look()
        except UnansweredError:
            if not self._lasting:
                self._found = None
            if self._found is None:
                raise
            return self._found
        self._found, self._until = found, now + seconds * SECOND
        return found
