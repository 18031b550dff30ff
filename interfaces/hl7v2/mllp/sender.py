"""An MLLP connection to a destination: one message at a time, and its own acknowledgement or none."""

from __future__ import annotations

import asyncio
import contextlib
from typing import NamedTuple

from interfaces.hl7v2.configuration import Destination
from interfaces.hl7v2.header import LINE_END, read_header
from interfaces.hl7v2.mllp.frames import ACCEPTED, REFUSED, Frames, framed
from interfaces.hl7v2.mllp.tls import connecting

PACKET = 64 * 1024
LONGEST_ANSWER = 16 * 2**20


class Undelivered(Exception):
    """Whether the message arrived is not known; it is to be sent again."""


class Answer(NamedTuple):
    """An acknowledgement: MSA-1, its text for people, and its bytes."""

    code: str
    text: str
    content: bytes

    @property
    def accepted(self) -> bool:
        """Whether the destination took the message."""
        return self.code in ("AA", "CA")


class MllpSender:
    """Sends to one destination. After a failure of any kind the connection is closed, so that an answer that comes late
    is never taken for another message's."""

    def __init__(self, destination: Destination) -> None:
        self._destination = destination
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._frames = Frames(LONGEST_ANSWER)
        self._waiting: list[bytes] = []

    async def send(self, content: bytes, control: str) -> Answer:
        """Sends a message; the acknowledgement whose MSA-2 is its MSH-10. Undelivered where none comes in time."""
        instead = ""
        try:
            await self._open()
            async with asyncio.timeout(self._destination.answer_seconds):
                await self._write(content)
                if self._destination.release == 2:
                    await self._commit()
                while True:
                    answer = acknowledgement(await self._next())
                    if answer is None:
                        instead = "; what came has no MSA segment"
                        continue
                    if answer[0] == control:
                        if self._destination.release == 2:
                            await self._write(ACCEPTED)
                        return answer[1]
                    instead = f"; what came acknowledges {answer[0][:40]!r} (MSA-2), and this is {control!r}"
        except TimeoutError:
            await self.close()
            seconds = f"{self._destination.answer_seconds:g} seconds"
            raise Undelivered(f"no acknowledgement within {seconds}{instead}") from None
        except (OSError, EOFError) as problem:
            await self.close()
            raise Undelivered(str(problem) or type(problem).__name__) from problem
        except BaseException:
            await self.close()
            raise

    async def tell(self, content: bytes) -> None:
        """Sends what no acknowledgement is due for; Undelivered where it can't be written."""
        try:
            await self._open()
            async with asyncio.timeout(self._destination.answer_seconds):
                await self._write(content)
                if self._destination.release == 2:
                    await self._commit()
        except (TimeoutError, OSError, EOFError) as problem:
            await self.close()
            raise Undelivered(str(problem) or type(problem).__name__) from problem

    async def close(self) -> None:
        """Closes the connection, with all that came by it."""
        streams, self._streams = self._streams, None
        self._frames = Frames(LONGEST_ANSWER)
        self._waiting.clear()
        if streams is not None:
            streams[1].close()
            with contextlib.suppress(OSError, asyncio.TimeoutError):
                await asyncio.wait_for(streams[1].wait_closed(), 2)

    async def _open(self) -> None:
        if self._streams is not None and self._streams[0].at_eof():
            await self.close()
        if self._streams is None:
            there = self._destination
            opening = asyncio.open_connection(there.host, there.port, ssl=connecting(there.tls), limit=256 * 1024)
            try:
                self._streams = await asyncio.wait_for(opening, there.connect_seconds)
            except TimeoutError:
                raise OSError(f"no connection within {there.connect_seconds:g} seconds") from None

    async def _write(self, content: bytes) -> None:
        assert self._streams is not None
        self._streams[1].write(framed(content))
        await self._streams[1].drain()

    async def _commit(self) -> None:
        found = await self._next()
        if found == REFUSED:
            raise OSError("the destination did not keep the message (MLLP NAK)")
        if found != ACCEPTED:
            raise OSError("the destination answered without an MLLP commit acknowledgement")

    async def _next(self) -> bytes:
        """The content of the next frame."""
        assert self._streams is not None
        while not self._waiting:
            data = await self._streams[0].read(PACKET)
            if not data:
                raise EOFError("the destination closed the connection")
            self._waiting += [frame.content for frame in self._frames.feed(data)]
        return self._waiting.pop(0)


def acknowledgement(content: bytes) -> tuple[str, Answer] | None:
    """(MSA-2, the acknowledgement) of a message that has an MSA, else None."""
    header = read_header(content)
    if header is None:
        return None
    for line in LINE_END.split(content):
        if line.startswith(b"MSA" + header.field.encode("latin-1")):
            fields = line.decode("utf-8", "replace").split(header.field) + [""] * 4
            errors = [part.decode("utf-8", "replace") for part in LINE_END.split(content) if part.startswith(b"ERR")]
            text = "; ".join(part for part in (fields[3], *errors) if part)
            return fields[2], Answer(fields[1], text, content)
    return None
