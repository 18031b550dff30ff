"""C-STORE requests straight from P-DATA to the archive and back, in the thread that reads the connection.

pynetdicom decodes the command set of a request and encodes that of a response with pydicom, in another thread; that
costs more than everything else that happens to an instance. Both command sets are short and always the same (PS3.7
section 9.3.1), so they are read and written here. What is no C-STORE request goes pynetdicom's way.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from interfaces.dicom.association.responses import (
    COMMAND_LAST,
    DATA_SET_TYPE,
    FIELD,
    NO_DATA_SET,
    SOP_CLASS,
    SOP_INSTANCE,
    alone,
    response,
)

C_STORE_RQ, C_STORE_RSP = 0x0001, 0x8001
MESSAGE_ID = 0x0110
P_DATA_TF = 4
COMMAND, LAST = 1, 2  # message control header of commands and of what nothing follows (PS3.8 annex E.2)
PLAIN = struct.Struct(">BxLLBB")  # P-DATA-TF with one value: type, length; the value's length, context, control header
MOST_PARTS = 512  # that wait to be written: a peer may send a byte at a time


class Arriving(Protocol):
    """Takes a data set as it comes."""

    def write(self, parts: list[memoryview]) -> None:
        """Adds bytes, which are the caller's again afterwards."""
        ...

    def finish(self) -> tuple[int, str]:
        """Status and comment of the answer."""
        ...

    def discard(self) -> None:
        """The rest won't come."""
        ...


# for the peer's association, SOP class, SOP instance and transfer syntax
Begin = Callable[[Any, str, str, str], Arriving]
Values = list[tuple[int, memoryview]]


class Request(NamedTuple):
    """A C-STORE request whose data set is arriving."""

    context: int
    sop_class: bytes
    sop_instance: bytes
    message: bytes
    arriving: Arriving


class FastStore:
    """The C-STORE requests of one association."""

    def __init__(self, association: Any, begin: Begin) -> None:
        self._association = association
        self._beginning = begin
        self._request: Request | None = None
        self._parts: list[memoryview] = []  # taken and not written
        self._left = 0  # bytes of a fragment that are still to come
        self._last = False  # whether it is the data set's last one

    @property
    def arriving(self) -> bool:
        """Whether a data set is on its way."""
        return self._request is not None

    def take(self, values: Values) -> bytes | bool:
        """Takes the values of a PDU: the PDU to answer with, True for more to come; False where it is not for here.

        They are read at the latest when `write` is called.

        ValueError where a data set is interrupted by something else.
        """
        if self._request is None:
            if self._association.dimse.message is not None or not self._begin(*values[0]):
                return False
            values = values[1:]
        request = self._request
        assert request is not None
        for context, fragment in values:
            if fragment[0] & COMMAND or context != request.context:
                raise ValueError("a command or another context within a data set")
            self._parts.append(fragment[1:])
            if fragment[0] & LAST:
                return self._finish(request)
            if len(self._parts) >= MOST_PARTS:
                self.write()
        return True

    def follow(self, received: memoryview, longest: int) -> tuple[int, bytes | None]:
        """Takes what was received of the data set, cut anywhere: how many bytes, and the PDU to answer with at its end.

        It stops before a PDU that is longer than allowed or no P-DATA-TF of one fragment of the data set.
        """
        request, parts, at, end = self._request, self._parts, 0, len(received)
        assert request is not None
        while True:
            if self._left:
                part = received[at : at + self._left]
                self._left -= len(part)
                at += len(part)
                parts.append(part)
                if len(parts) >= MOST_PARTS:
                    self._write(request)
            if self._last and not self._left:
                return at, self._finish(request)
            if self._left or end - at < PLAIN.size:
                return at, None
            kind, length, value, context, control = PLAIN.unpack_from(received, at)
            if kind != P_DATA_TF or value != length - 4 or length > longest or context != request.context:
                return at, None
            if control & COMMAND or value < 2:
                return at, None
            self._left, self._last = value - 2, bool(control & LAST)
            at += PLAIN.size

    def pass_over(self, received: memoryview) -> int:
        """How many bytes are the rest of a fragment of which `follow` took the beginning: nobody wants it any more."""
        passed = min(self._left, len(received))
        self._left -= passed
        return passed

    def write(self) -> None:
        """Writes what was taken; the buffer it lies in is wanted for more."""
        if self._parts and self._request is not None:
            self._write(self._request)

    def abandon(self) -> None:
        """The association is over: half a data set leaves nothing."""
        if self._request is not None:
            self._request.arriving.discard()
            self._request, self._parts = None, []

    def _write(self, request: Request) -> None:
        request.arriving.write(self._parts)
        self._parts.clear()

    def _finish(self, request: Request) -> bytes:
        if self._parts:
            self._write(request)
        self._request, self._last = None, False
        return _answer(request, *request.arriving.finish())

    def _begin(self, context: int, fragment: memoryview) -> bool:
        if fragment[0] & COMMAND_LAST != COMMAND_LAST:
            return False
        accepted = self._association._accepted_cx.get(context)
        command = elements(fragment[1:])
        if accepted is None or command.get(FIELD) != struct.pack("<H", C_STORE_RQ):
            return False
        if command.get(DATA_SET_TYPE) == struct.pack("<H", NO_DATA_SET):
            return False
        try:
            names = command[SOP_CLASS], command[SOP_INSTANCE], command[MESSAGE_ID]
        except KeyError:
            return False
        syntax, uids = str(accepted.transfer_syntax[0]), (_uid(names[0]), _uid(names[1]))
        self._request = Request(context, *names, self._beginning(self._association, *uids, syntax))
        return True


def elements(command: memoryview) -> dict[int, bytes]:
    """The elements of a command set by number; {} where it is none."""
    found: dict[int, bytes] = {}
    at = 0
    while at + 8 <= len(command):
        group, number, length = struct.unpack_from("<HHI", command, at)
        if group or length > len(command) - at - 8:
            return {}
        found[number] = bytes(command[at + 8 : at + 8 + length])
        at += 8 + length
    return found


def _answer(request: Request, status: int, comment: str) -> bytes:
    instance = request.sop_instance
    command = response(C_STORE_RSP, request.sop_class, request.message, status, comment, sop_instance=instance)
    return alone(request.context, command)


def _uid(value: bytes) -> str:
    return value.rstrip(b"\0 ").decode("latin-1")
