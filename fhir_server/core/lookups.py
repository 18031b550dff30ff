"""Look-ups by keys: those that are asked for at one moment are made together, as each by itself costs most."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from itertools import islice
from typing import Generic, TypeVar

from fhir_server.core.batching import Batching
from fhir_server.core.tasks import end

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

MOST = 100  # keys in one
AT_ONCE = 4  # under way at one time,
BRIEFLY = 0.005  # one more after so many seconds: what takes long holds nobody up


class Lookups(Generic[K, V]):
    """look: what there is for each of some keys; those that there is nothing for may be missing in its answer.

    Who asks while one is under way is answered by the next, never by one from before.
    """

    def __init__(self, look: Callable[[Sequence[K]], Awaitable[Mapping[K, V]]]) -> None:
        self._look = look
        self._waiting: dict[K, asyncio.Future[V | None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._starting = False
        self._batching = Batching(AT_ONCE, BRIEFLY, lambda: len(self._waiting) >= MOST, self._go_on)

    async def __call__(self, key: K) -> V | None:
        """What a look that begins now or later finds, None for nothing; raises what it raises."""
        found = self._waiting.get(key)
        if found is None:
            found = self._waiting[key] = asyncio.get_running_loop().create_future()
            self._go_on()
        return await asyncio.shield(found)

    def _go_on(self) -> None:
        if self._waiting and not self._starting and self._batching.may_begin(len(self._tasks)):
            self._starting = True
            self._batching.begins()
            self._tasks.add(asyncio.create_task(self._run()))

    async def _run(self) -> None:
        keys = list(islice(self._waiting, MOST))
        asked = {key: self._waiting.pop(key) for key in keys}
        self._starting = False
        self._go_on()
        try:
            found = await self._look(keys)
        except BaseException as problem:
            for answer in asked.values():
                if isinstance(problem, Exception):
                    answer.set_exception(problem)
                    answer.exception()  # who asked may be gone
                else:
                    answer.cancel()
            if not isinstance(problem, Exception):
                raise
        else:
            for key, answer in asked.items():
                answer.set_result(found.get(key))
        finally:
            self._tasks.discard(asyncio.current_task())  # type: ignore[arg-type]
            self._go_on()

    async def close(self) -> None:
        """Ends what is under way, and what waits for it."""
        self._batching.close()
        for answer in self._waiting.values():
            answer.cancel()
        self._waiting.clear()
        for task in list(self._tasks):
            await end(task)
