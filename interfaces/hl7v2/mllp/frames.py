"""Frames out of a stream of bytes, however it is cut (HL7 v2.9 appendix C, MLLP release 1 and 2).

A frame is SB (0x0B), content, EB (0x1C), CR. What senders do in practice is taken too: an EB without its CR, junk
before SB, and a frame that begins again in the middle of another, whose half is then dropped.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

START = b"\x0b"
END = b"\x1c"
ACCEPTED = b"\x06"  # the commit acknowledgement of release 2
REFUSED = b"\x15"
HEAD = 16_384  # bytes that are kept of a frame that is too long, so that it can be answered
RESTARTS = (b"\x0bMSH", b"\x0bFHS", b"\x0bBHS")


def framed(content: bytes) -> bytes:
    """Content as a frame."""
    return START + content + END + b"\r"


class Frame(NamedTuple):
    """The content of a frame and its length in bytes; cut: it was over the limit, and content is only its beginning."""

    content: bytes
    size: int
    cut: bool = False


class Frames:
    """Takes bytes as they come, gives frames as they are whole. limit: most bytes of one."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._buffer = bytearray()
        self._seen = 0  # bytes of the buffer that have no end in them
        self._inside = False
        self._dropped = 0  # bytes of an overlong frame that were not kept
        self.junk = 0  # bytes that were in no frame

    @property
    def started(self) -> bool:
        """Whether a frame has begun and not ended."""
        return self._inside

    def feed(self, data: bytes) -> Iterator[Frame]:
        """The frames that these bytes complete."""
        self._buffer += data
        while True:
            if not self._inside and not self._skip():
                return
            at = self._buffer.find(END, self._seen)
            if at < 0:
                self._seen = len(self._buffer)
                self._shorten()
                return
            content = bytes(memoryview(self._buffer)[:at])
            del self._buffer[: at + 1]
            size = at + self._dropped
            self._inside, self._seen, self._dropped = False, 0, 0
            yield self._whole(content, size)

    def _skip(self) -> bool:
        """Passes over what is before a frame; whether one begins."""
        at = self._buffer.find(START)
        if at < 0:
            self.junk += _junk(self._buffer)
            self._buffer.clear()
            return False
        self.junk += _junk(self._buffer[:at])
        del self._buffer[: at + 1]
        self._inside, self._seen = True, 0
        return True

    def _shorten(self) -> None:
        """Keeps only the beginning of a frame that is too long already."""
        if len(self._buffer) + self._dropped > self._limit and len(self._buffer) > HEAD:
            restart = max(self._buffer.rfind(mark) for mark in RESTARTS)
            if restart >= 0:
                self.junk += restart
                del self._buffer[: restart + 1]
            else:
                self._dropped += len(self._buffer) - HEAD
                del self._buffer[HEAD:]
            self._seen = len(self._buffer)

    def _whole(self, content: bytes, size: int) -> Frame:
        restart = max(content.rfind(mark) for mark in RESTARTS)
        if restart >= 0:
            self.junk += size - (len(content) - restart - 1)
            content = content[restart + 1 :]
            size = len(content)
        if size > self._limit:
            return Frame(content[:HEAD], size, True)
        return Frame(content, size)


def _junk(data: bytes | bytearray) -> int:
    """How many bytes there are beside line ends."""
    return len(data) - data.count(b"\r") - data.count(b"\n")
