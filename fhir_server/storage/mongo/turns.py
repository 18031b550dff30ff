"""Turns: works of this process that want the same resources go one after the other."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import AsyncExitStack


class Turns:
    """A lock for each name that somebody holds or waits for."""

    def __init__(self) -> None:
        self._locks: dict[str, tuple[asyncio.Lock, int]] = {}

    async def enter(self, stack: AsyncExitStack, names: Iterable[str]) -> None:
        """Holds all these names until the stack is left; always in one order, so that nobody waits in a circle."""
        for name in sorted(names):
            lock, users = self._locks.get(name, (None, 0))
            if lock is None:
                lock = asyncio.Lock()
            self._locks[name] = (lock, users + 1)
            stack.callback(self._leave, name)
            await stack.enter_async_context(lock)

    def _leave(self, name: str) -> None:
        lock, users = self._locks[name]
        if users == 1:
            del self._locks[name]
        else:
            self._locks[name] = (lock, users - 1)
