"""One MLLP connection at a listener: frames in, answers out in their order, later acknowledgements as they come."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable

import structlog

from interfaces.hl7v2.configuration import Listener
from interfaces.hl7v2.exchange.intake import Intake, Reply, Unanswered
from interfaces.hl7v2.mllp.frames import ACCEPTED, REFUSED, Frame, Frames, framed

log = structlog.get_logger("hl7")

PACKET = 64 * 1024
IN_FLIGHT = 16 * 2**20  # bytes of a connection's messages that are under way before more is read


class Connection:
    """Serves one connection until it ends."""

    def __init__(
        self, name: str, listener: Listener, intake: Intake, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._name = name
        self._listener = listener
        self._intake = intake
        self._reader = reader
        self._writer = writer
        self._frames = Frames(listener.max_bytes)
        self._replies: deque[asyncio.Task[Reply]] = deque()
        self._bytes = 0
        self._changed = asyncio.Event()
        self._freed = asyncio.Event()
        self._later: set[asyncio.Task] = set()
        self._ended = False

    async def serve(self) -> None:
        """Reads, keeps, answers; returns once the other side has closed, a limit has passed, or stop() was asked."""
        answering = asyncio.create_task(self._answer())
        try:
            await self._read()
        except (ConnectionError, OSError):
            pass
        finally:
            self._ended = True
            self._changed.set()
            with contextlib.suppress(ConnectionError, OSError, Unanswered):
                await answering
            await self._last_words()
            if self._frames.junk:
                log.warning("hl7 bytes in no frame", listener=self._name, bytes=self._frames.junk)

    async def stop(self) -> None:
        """Takes nothing more; what was taken is answered."""
        self._ended = True
        self._reader.feed_eof()

    # ------------------------------------------------------------------ in
    async def _read(self) -> None:
        listener = self._listener
        time = asyncio.get_running_loop().time
        began = time()  # the frame that is not finished
        while not self._ended:
            limit = began + listener.frame_seconds - time() if self._frames.started else listener.idle_seconds
            try:
                data = await asyncio.wait_for(self._reader.read(PACKET), max(limit, 0.001))
            except TimeoutError:
                if self._frames.started:
                    log.warning("hl7 frame not finished in time", listener=self._name)
                    return
                if self._replies or self._later:
                    continue
                return
            if not data:
                if self._frames.started:
                    log.warning("hl7 connection closed amid a frame", listener=self._name)
                return
            if not self._frames.started:
                began = time()
            for frame in self._frames.feed(data):
                began = time()
                if frame.content in (ACCEPTED, REFUSED):
                    continue
                task = asyncio.create_task(self._take(frame))
                task.add_done_callback(_settle)
                self._replies.append(task)
                self._bytes += len(frame.content)
                self._changed.set()
            while not self._ended and (len(self._replies) >= listener.pipelined or self._bytes > IN_FLIGHT):
                self._freed.clear()
                await self._freed.wait()

    async def _take(self, frame: Frame) -> Reply:
        try:
            if frame.cut:
                return self._intake.too_long(frame.content, frame.size, self._listener.max_bytes)
            return await self._intake.take(frame.content, self._name, self._listener.answer_seconds)
        finally:
            self._bytes -= len(frame.content)

    # ------------------------------------------------------------------ out
    async def _answer(self) -> None:
        """Answers in order; where that ends, nothing more is read."""
        try:
            await self._answer_in_order()
        finally:
            self._ended = True
            self._freed.set()

    async def _answer_in_order(self) -> None:
        while True:
            if not self._replies:
                if self._ended:
                    return
                self._changed.clear()
                await self._changed.wait()
                continue
            try:
                reply = await self._replies[0]
            except Unanswered:
                log.warning("hl7 sender not answered in time", listener=self._name)
                self._writer.close()
                return
            except Exception:
                log.exception("hl7 frame not answered", listener=self._name)
                self._writer.close()
                return
            finally:
                self._replies.popleft()
                self._freed.set()
            if self._listener.release == 2:
                await self._send(ACCEPTED if reply.kept else REFUSED)
            if reply.now is not None:
                await self._send(reply.now)
            if reply.later is not None:
                self._follow(reply.later)

    def _follow(self, later: Awaitable[bytes | None]) -> None:
        async def follow() -> None:
            with contextlib.suppress(ConnectionError, OSError, asyncio.CancelledError):
                answer = await later
                if answer:
                    await self._send(answer)

        task = asyncio.create_task(follow())
        self._later.add(task)
        task.add_done_callback(self._later.discard)

    async def _send(self, content: bytes) -> None:
        self._writer.write(framed(content))
        try:
            await asyncio.wait_for(self._writer.drain(), self._listener.answer_seconds)
        except TimeoutError:
            log.warning("hl7 sender does not read its answers", listener=self._name)
            self._writer.transport.abort()  # what it does not read would be waited for by a mere close
            raise ConnectionError("the other side does not read") from None

    async def _last_words(self) -> None:
        """Later acknowledgements that are still to come get a moment; then the connection is closed."""
        if self._later and not self._writer.is_closing():
            await asyncio.wait(self._later, timeout=self._listener.answer_seconds)
        for task in list(self._later):
            task.cancel()
        with contextlib.suppress(ConnectionError, OSError):
            self._writer.close()
            await self._writer.wait_closed()


def _settle(task: asyncio.Task[Reply]) -> None:
    """Takes note of a failure that nobody may be left to hear of, as the connection has ended."""
    if not task.cancelled():
        task.exception()
