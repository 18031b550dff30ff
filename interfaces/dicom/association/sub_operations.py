"""C-STORE requests of this archive, written here and sent while the file is read (PS3.7 section 9.1.1).

pynetdicom decodes and encodes each data set by pydicom and hands its PDUs to another thread one by one; what is sent as
it is kept needs neither.
"""

from __future__ import annotations

import queue
import struct
import time
from collections.abc import Iterable
from itertools import chain
from typing import Any, NamedTuple

from pynetdicom.dimse_primitives import C_STORE

from fhir_server.core.errors import FhirError
from interfaces.dicom.association.pdus import COMMAND, DATA_SET, longest, pdus
from interfaces.dicom.association.responses import WITH_DATA_SET, command_set, element

C_STORE_RQ = 0x0001
MEDIUM = 0x0000  # priority
LOOK_SECONDS = 0.2  # how often a wait for an answer looks whether the association is still there
ESTABLISHED = "Sta6"


class Originator(NamedTuple):
    """The AE that asked for a C-MOVE, and the Message ID of its request."""

    title: str
    message: int


class NoAnswer(OSError):
    """The association ended, or the peer did not answer in time."""


def store(
    association: Any, context: int, message: int, names: tuple[str, str], parts: Iterable[bytes], by: Originator | None
) -> int:
    """Sends an instance as parts of its data set and gives the status of the answer; names: SOP class and instance.

    For the thread that the association's messages are for. NoAnswer where none came, or parts failed amid the data set:
    the association is of no use then.
    """
    most = longest(association)
    waiting = pdus(context, _command(message, names, by), COMMAND, most)
    pieces = chain(parts, (None,))
    piece = next(pieces) or b""
    try:
        for following in pieces:
            _send(association, waiting + pdus(context, piece, DATA_SET, most, whole=following is None))
            waiting, piece = b"", following or b""
    except NoAnswer:
        raise
    except (OSError, FhirError) as problem:
        association.abort()
        raise NoAnswer(f"the rest of an instance can't be read: {problem}") from problem
    return _answer(association, message)


def _command(message: int, names: tuple[str, str], by: Originator | None) -> bytes:
    parts = [
        element(0x0002, _uid(names[0])),
        element(0x0100, struct.pack("<H", C_STORE_RQ)),
        element(0x0110, struct.pack("<H", message)),
        element(0x0700, struct.pack("<H", MEDIUM)),
        element(0x0800, struct.pack("<H", WITH_DATA_SET)),
        element(0x1000, _uid(names[1])),
    ]
    if by is not None:
        title = by.title.encode("ascii", "replace")
        parts.append(element(0x1030, title + b" " * (len(title) % 2)))
        parts.append(element(0x1031, struct.pack("<H", by.message)))
    return command_set(parts)


def _uid(uid: str) -> bytes:
    return uid.encode() + b"\0" * (len(uid) % 2)


def _send(association: Any, content: bytes) -> None:
    connection = association.dul.socket
    if connection is None or association.dul.state_machine.current_state != ESTABLISHED:
        raise NoAnswer("the association has ended")
    connection.send(content)
    association.dul._idle_timer.restart()


def _answer(association: Any, message: int) -> int:
    """The status of the answer to a request."""
    deadline = time.monotonic() + (association.dimse_timeout or 60)
    while time.monotonic() < deadline:
        try:
            _, found = association.dimse.msg_queue.get(timeout=LOOK_SECONDS)
        except queue.Empty:
            if association.dul.state_machine.current_state != ESTABLISHED:
                raise NoAnswer("the association has ended") from None
            continue
        if found is None:
            raise NoAnswer("the association has ended")
        if isinstance(found, C_STORE) and found.MessageIDBeingRespondedTo == message:
            return int(found.Status or 0)
    association.abort()
    raise NoAnswer("the peer did not answer in time")
