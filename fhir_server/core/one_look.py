"""One look for all who asked before it began."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from fhir_server.core.tasks import end

T = TypeVar("T")


class OneLook(Generic[T]):
    """Calls look one at a time. Who asks while one is under way gets the answer of the next, never one from before."""

    def __init__(self, look: Callable[[], Awaitable[T]]) -> None:
        self._look = look
        self._next: asyncio.Future[T] | None = None
        self._task: asyncio.Task[None] | None = None

    async def __call__(self) -> T:
        """What a look that begins now or later finds, or raises."""
        if self._next is None:
            self._next = asyncio.get_running_loop().create_future()
            if self._task is None or self._task.done():
                self._task = asyncio.create_task(self._run())
        return await asyncio.shield(self._next)

    async def _run(self) -> None:
        while self._next is not None:
            answer, self._next = self._next, None
            try:
                found = await self._look()
            except BaseException as problem:
                if not isinstance(problem, Exception):
                    answer.cancel()
                    raise
                answer.set_exception(problem)
                answer.exception()  # who asked may be gone
            else:
                answer.set_result(found)

    async def close(self) -> None:
        """Ends what is under way, and what waits for it."""
        if self._next is not None:
            self._next.cancel()
            self._next = None
        await end(self._task)
