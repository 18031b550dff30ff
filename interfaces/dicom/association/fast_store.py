"""C-STORE requests straight from P-DATA to the archive and back, in the thread that reads the connection.

pynetdicom decodes the command set of a request and encodes that of a response with pydicom, in another thread; that
costs more than everything else that happens to an instance. Both command sets are short and always the same (PS3.7
section 9.3.1), so they are read and written here. What is no C-STORE request goes pynetdicom's way.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from interfaces.dicom.association.pdus import COMMAND, LAST, P_DATA_TF, PLAIN
from interfaces.dicom.association.responses import (
    DATA_SET_TYPE,
    FIELD,
    NO_DATA_SET,
    SOP_CLASS,
    SOP_INSTANCE,
    alone,
    response,
)

C_STORE_RQ, C_STORE_RSP = 0x0001, 0x8001
ASKED, WITHOUT = struct.pack("<H", C_STORE_RQ), struct.pack("<H", NO_DATA_SET)
MESSAGE_ID = 0x0110
HEAD = PLAIN.size
ELEMENT = struct.Struct("<HHI")  # of a command set: group, number, length
MOST_PARTS = 512  # fragments that are taken together: a peer may send a byte at a time


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
        self.request: Request | None = None  # whose data set is on its way
        self._left = 0  # bytes of a fragment that are still to come
        self._last = 0  # whether it is the data set's last one

    def take(self, values: Values) -> bytes | bool:
        """Takes the values of a PDU: the PDU to answer with, True for more to come; False where it is not for here.

        ValueError where a data set is interrupted by something else.
        """
        if self.request is None:
            if not self._begin(*values[0]):
                return False
            values = values[1:]
        request = self.request
        assert request is not None
        parts, last = [], 0
        for context, fragment in values:
            if fragment[0] & COMMAND or context != request.context:
                raise ValueError("a command or another context within a data set")
            parts.append(fragment[1:])
            if last := fragment[0] & LAST:
                break
        if parts:
            request.arriving.write(parts)
        return self._finish(request) if last else True

    def follow(self, received: memoryview, longest: int) -> tuple[int, bytes | None]:
        """Takes a request whose command set is whole in what was received, and what was received of its data set, cut
        anywhere: how many bytes, and the PDU to answer with at its end.

        It stops before a PDU that is longer than allowed or no P-DATA-TF of one fragment of these, and after
        MOST_PARTS of them.
        """
        at, last, end = self._left, self._last, len(received)
        if self.request is None:
            at = self._asked(received, longest)
        request, parts = self.request, [received[:at]] if self._left else []
        if request is None:
            return 0, None
        head, size = b"", 0
        for _ in range(MOST_PARTS):
            if last or at > end - HEAD:
                break
            if received[at : at + HEAD] != head:  # which most are as the one before
                kind, length, value, context, control = PLAIN.unpack_from(received, at)
                if kind != P_DATA_TF or length != value + 4 or length > longest:
                    break
                if context != request.context or control & COMMAND or value < 2:
                    break
                head, size, last = received[at : at + HEAD], length + 6, control & LAST
            parts.append(received[at + HEAD : (at := at + size)])
        if parts:
            request.arriving.write(parts)
        self._left = max(at - end, 0)
        if last and not self._left:
            return at, self._finish(request)
        self._last = last
        return min(at, end), None

    def pass_over(self, received: memoryview) -> int:
        """How many bytes are the rest of a fragment of which `follow` took the beginning: nobody wants it any more."""
        passed = min(self._left, len(received))
        self._left -= passed
        return passed

    def abandon(self) -> None:
        """The association is over: half a data set leaves nothing."""
        if self.request is not None:
            self.request.arriving.discard()
            self.request = None

    def _finish(self, request: Request) -> bytes:
        self.request, self._last = None, 0
        status, comment = request.arriving.finish()
        instance = request.sop_instance
        command = response(C_STORE_RSP, request.sop_class, request.message, status, comment, sop_instance=instance)
        return alone(request.context, command)

    def _asked(self, received: memoryview, longest: int) -> int:
        """Bytes of the PDU by which a data set is announced; 0 where no such one is whole there."""
        if len(received) < HEAD:
            return 0
        kind, length, value, context, _ = PLAIN.unpack_from(received)
        if kind != P_DATA_TF or not 6 <= length == value + 4 <= longest or length + 6 > len(received):
            return 0
        return length + 6 if self._begin(context, received[HEAD - 1 : length + 6]) else 0

    def _begin(self, context: int, fragment: memoryview) -> bool:
        if fragment[0] & (COMMAND | LAST) != COMMAND | LAST or self._association.dimse.message is not None:
            return False
        accepted = self._association._accepted_cx.get(context)
        command = elements(bytes(fragment[1:]))
        if accepted is None or command.get(FIELD) != ASKED or command.get(DATA_SET_TYPE) == WITHOUT:
            return False
        try:
            sop_class, sop_instance, message = command[SOP_CLASS], command[SOP_INSTANCE], command[MESSAGE_ID]
        except KeyError:
            return False
        uids, syntax = (_uid(sop_class), _uid(sop_instance)), str(accepted.transfer_syntax[0])
        arriving = self._beginning(self._association, *uids, syntax)
        self.request = Request(context, sop_class, sop_instance, message, arriving)
        return True


def elements(command: bytes) -> dict[int, bytes]:
    """The elements of a command set by number; {} where it is none."""
    found: dict[int, bytes] = {}
    at, last, head = 0, len(command) - ELEMENT.size, ELEMENT.unpack_from
    while at <= last:
        group, number, length = head(command, at)
        at += ELEMENT.size
        found[number] = command[at : (at := at + length)]
        if group:
            return {}
    return found if at <= len(command) else {}


def _uid(value: bytes) -> str:
    return value.rstrip(b"\0 ").decode("latin-1")
