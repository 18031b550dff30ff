"""One thread beside the event loop that does what it is given, one after the other.

To hand something over and to be told of its end costs half the processor time that an executor of concurrent.futures
takes: no future of its own, no locks around it.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")

LINGERING = 0.2  # seconds


class SideThread:
    """A thread that starts with the first thing to do; it does not keep the process from ending."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._thread: threading.Thread | None = None
        self._given: SimpleQueue[tuple[asyncio.AbstractEventLoop, asyncio.Future, Callable, tuple] | None] = (
            SimpleQueue()
        )

    def run(self, work: Callable[..., T], *arguments: Any) -> asyncio.Future[T]:
        """Has the thread do it; the result or the exception, for the event loop that asks.

        It is done whether somebody still waits for it or not.
        """
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name=self._name, daemon=True)
            self._thread.start()
        loop = asyncio.get_running_loop()
        done = loop.create_future()
        self._given.put((loop, done, work, arguments))
        return done

    def close(self, wait: bool = True) -> None:
        """Ends the thread once all that it was given is done; wait: for that, else for LINGERING at most, so that a
        thread with nothing to do is gone before the interpreter is, which must not end around it."""
        if self._thread is not None:
            self._given.put(None)
            self._thread.join(None if wait else LINGERING)
            self._thread = None

    def _work(self) -> None:
        while (given := self._given.get()) is not None:
            loop, done, work, arguments = given
            result, problem = None, None
            try:
                result = work(*arguments)
            except BaseException as raised:
                problem = raised
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits
                loop.call_soon_threadsafe(settle, done, result, problem)
            given = done = result = problem = None  # nothing is held until the next comes


def settle(done: asyncio.Future, result: Any, problem: BaseException | None) -> None:
    """Ends a future by a result, or by a problem where there is one; not one that is over, as who waited has gone."""
    if done.done():
        return
    if problem is None:
        done.set_result(result)
    else:
        done.set_exception(problem)
