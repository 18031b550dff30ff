"""Events that come together are written together: one write and one flush, by a thread that all event loops share.

A loop hands over what it has once a turn of it brought no more, so that a busy one writes seldom and an idle one at
once. What comes in during a flush shares the next.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from collections.abc import Callable, Sequence

from fhir_server.security.audit.event import Event

MOST_TURNS = 16  # of a loop that go by before it hands over, whatever comes in
LONGEST = 0.002  # seconds, likewise

Write = Callable[[Sequence[Event]], None]


class Recorder:
    """write: makes events durable, in the thread."""

    def __init__(self, write: Write) -> None:
        self._write = write
        self._loops: dict[asyncio.AbstractEventLoop, _Gathering] = {}
        self._handed: queue.SimpleQueue[_Handed | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()

    def record(self, event: Event) -> asyncio.Future[None]:
        """Done once the event is durable; has the exception of write where it could not be made so."""
        loop = asyncio.get_running_loop()
        gathering = self._loops.get(loop)
        if gathering is None:
            self._start()
            gathering = self._loops[loop] = _Gathering(loop, self._handed)
        return gathering.add(event)

    def _start(self) -> None:
        with self._starting:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="audit", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while True:
            parts = [self._handed.get()]
            with contextlib.suppress(queue.Empty):
                while parts[-1] is not None:
                    parts.append(self._handed.get_nowait())
            there = [part for part in parts if part is not None]
            problem: Exception | None = None
            try:
                if there:
                    self._write([event for part in there for event in part.events])
            except Exception as raised:
                problem = raised
            for part in there:
                with contextlib.suppress(RuntimeError):  # its loop has ended
                    part.loop.call_soon_threadsafe(part.answer, problem)
            if parts[-1] is None:
                return

    def close(self) -> None:
        """Finishes what was handed over."""
        if self._thread is not None:
            self._handed.put(None)
            self._thread.join()
            self._thread = None


class _Handed:
    """Events of one loop, and who waits for them."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.events: list[Event] = []
        self.waiting: list[asyncio.Future[None]] = []

    def answer(self, problem: Exception | None) -> None:
        for done in self.waiting:
            if done.done():
                continue
            if problem is None:
                done.set_result(None)
            else:
                done.set_exception(problem)


class _Gathering:
    """What a loop has not handed over yet."""

    def __init__(self, loop: asyncio.AbstractEventLoop, handed: queue.SimpleQueue[_Handed | None]) -> None:
        self._loop = loop
        self._handed = handed
        self._next = _Handed(loop)
        self._begun = 0.0
        self._turns = self._seen = 0

    def add(self, event: Event) -> asyncio.Future[None]:
        done = self._loop.create_future()
        if not self._next.events:
            self._begun = self._loop.time()
            self._turns = self._seen = 0
            self._loop.call_soon(self._turn)
        self._next.events.append(event)
        self._next.waiting.append(done)
        return done

    def _turn(self) -> None:
        """After a turn of the loop: hands over, unless more came in."""
        count = len(self._next.events)
        self._turns += 1
        if count > self._seen and self._turns < MOST_TURNS and self._loop.time() - self._begun < LONGEST:
            self._seen = count
            self._loop.call_soon(self._turn)
            return
        self._handed.put(self._next)
        self._next = _Handed(self._loop)
