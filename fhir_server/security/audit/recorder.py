"""Events that come together are written together: one write and one flush for all that a turn of an event loop brought.

A flush to a quick disk costs less than handing it to another thread, and is done by the loop itself. One that took long
has the next ones done by a thread that all event loops share, for so much longer that a loop stands still for a small
part of the time at most; the loop works on further requests meanwhile, and what these bring shares the next flush. Long
is little for a disk. For a processor it is more: those that have it meanwhile are mostly who asks and other workers. A
loop that gets it back much later shares it with others, and should not leave it for each flush.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

import structlog

from fhir_server.core.processor_waits import ProcessorWaits
from fhir_server.core.side_thread import settle

MOST_TURNS = 16  # of a loop that go by before it flushes, whatever comes in
QUICK = 0.0005  # seconds that the disk may take of a loop
LATE = 0.005  # seconds after which a loop is to have its processor back
PAUSE = 10  # times as long as a longer one took, until a loop flushes again itself

Told = Callable[[Exception | None], None]

log = structlog.get_logger("audit")


class Sink(Protocol):
    """Where encoded events go."""

    def ready(self) -> bool:
        """Whether a write would be nothing but a write and a flush now."""
        ...

    def write(self, events: Sequence[bytes]) -> bool:
        """Makes events durable, from any thread; whether there is something to tidy up."""
        ...

    def tidy(self) -> None:
        """Does what can be done later, and takes long."""
        ...


class Recorder:
    """For all event loops of a process."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._gatherings: dict[asyncio.AbstractEventLoop, _Gathering] = {}
        self._handed: queue.SimpleQueue[_Handed | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()
        self._beside = ThreadPoolExecutor(1, "audit-log")  # for what takes long, which no flush waits for
        self._tidying = False
        self._not_before = 0.0  # on the monotonic clock: when a loop flushes again itself
        self._doubtful = False  # whether the last flush of a loop took longer than the disk may

    def record(self, event: bytes) -> asyncio.Future[None]:
        """Done once the event is durable; has the exception of write where it could not be made so."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.tell(event, functools.partial(settle, done, None))
        return done

    def tell(self, event: bytes, told: Told) -> None:
        """Has told called in a later turn of the loop, once the event is durable: with None, or with the exception."""
        loop = asyncio.get_running_loop()
        gathering = self._gatherings.get(loop)
        if gathering is None:
            self._start()
            gathering = self._gatherings[loop] = _Gathering(loop, self)
        gathering.add(event, told)

    def flush(self, handed: _Handed) -> bool:
        """Makes the events of a loop durable; False where the thread does, and tells the loop."""
        began = time.monotonic()
        if began < self._not_before or not self._sink.ready():
            self._handed.put(handed)
            return False
        waits = handed.gathering.waits
        waited = waits.seconds() if self._doubtful else None  # to ask costs a tenth of a quick flush
        problem = self._write(handed.events)
        took = time.monotonic() - began
        self._doubtful = took > QUICK
        if took > LATE or (self._doubtful and waited is not None and took - waits.seconds() + waited > QUICK):
            self._not_before = began + took * PAUSE
        handed.answer(problem)
        return True

    def _write(self, events: Sequence[bytes]) -> Exception | None:
        try:
            if self._sink.write(events) and not self._tidying:
                self._tidying = True
                self._beside.submit(self._tidy)
        except Exception as problem:
            return problem
        return None

    def _start(self) -> None:
        with self._starting:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="audit", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        ended = False
        while not ended:
            parts = [self._handed.get()]
            with contextlib.suppress(queue.Empty):
                while parts[-1] is not None:
                    parts.append(self._handed.get_nowait())
            ended = parts[-1] is None
            there = [part for part in parts if part is not None]
            if there:
                problem = self._write([event for part in there for event in part.events])
                for part in there:
                    part.told(problem)

    def _tidy(self) -> None:
        try:
            self._sink.tidy()
        except Exception:  # what is durable stays so
            log.exception("the audit log could not be tidied up")
        finally:
            self._tidying = False

    def close(self) -> None:
        """Finishes what was handed over."""
        if self._thread is not None:
            self._handed.put(None)
            self._thread.join()
            self._thread = None
        for gathering in self._gatherings.values():
            gathering.waits.close()
        self._beside.shutdown()


class _Handed:
    """Events of one loop, and who waits for them."""

    def __init__(self, gathering: _Gathering) -> None:
        self.gathering = gathering
        self.events: list[bytes] = []
        self.waiting: list[Told] = []

    def told(self, problem: Exception | None) -> None:
        """Answers from another thread."""
        with contextlib.suppress(RuntimeError):  # its loop has ended
            self.gathering.loop.call_soon_threadsafe(self.gathering.flushed, self, problem)

    def answer(self, problem: Exception | None) -> None:
        """Answers in the loop."""
        for told in self.waiting:
            try:
                told(problem)
            except Exception:  # the others are told all the same
                log.exception("an answer could not be sent")


class _Gathering:
    """What a loop has not handed over yet; one flush of it is under way at most. waits: of the loop's thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop, recorder: Recorder) -> None:
        self.loop = loop
        self.waits = ProcessorWaits()
        self._recorder = recorder
        self._next = _Handed(self)
        self._turns = self._seen = 0
        self._under_way = False

    def add(self, event: bytes, told: Told) -> None:
        """Has told called once the event is durable."""
        self._next.events.append(event)
        self._next.waiting.append(told)
        if not self._turns and not self._under_way:
            self._turns = 1
            self.loop.call_soon(self._turn)

    def _turn(self) -> None:
        """Flushes once a turn of the loop has brought no more."""
        count = len(self._next.events)
        if count > self._seen and self._turns < MOST_TURNS:
            self._seen = count
            self._turns += 1
            self.loop.call_soon(self._turn)
            return
        self._turns = self._seen = 0
        handed, self._next = self._next, _Handed(self)
        self._under_way = not self._recorder.flush(handed)

    def flushed(self, handed: _Handed, problem: Exception | None) -> None:
        """The thread has made them durable, or could not."""
        self._under_way = False
        handed.answer(problem)
        if self._next.events:
            self._turn()
