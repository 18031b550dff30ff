"""Start and end of an ASGI application (https://asgi.readthedocs.io/en/latest/specs/lifespan.html)."""

from __future__ import annotations

import asyncio
from typing import Any


class Lifespan:
    """Tells an application when to start and to stop; it logs its own failures."""

    def __init__(self, application: Any) -> None:
        self._application = application
        self._events: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._said: asyncio.Queue[str] = asyncio.Queue()

    async def start(self) -> bool:
        """Whether it has started."""
        self._task = asyncio.create_task(self._application({"type": "lifespan"}, self._events.get, self._send))
        return await self._phase("startup")

    async def stop(self) -> bool:
        """Whether it has ended as it should."""
        return await self._phase("shutdown")

    async def _phase(self, name: str) -> bool:
        await self._events.put({"type": f"lifespan.{name}"})
        answer = asyncio.ensure_future(self._said.get())
        await asyncio.wait((answer, self._task), return_when=asyncio.FIRST_COMPLETED)
        if not answer.done():
            answer.cancel()
            await self._task  # it failed without a word: so does the process
            return False
        return answer.result() == f"lifespan.{name}.complete"

    async def _send(self, message: dict[str, Any]) -> None:
        await self._said.put(message["type"])
