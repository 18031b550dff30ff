"""What receiving needs of a message before anybody parses it: its MSH, and whose it is.

HL7 v2.9 chapter 2.14.9. Bytes stay bytes, so that no character set can come between a message and its acknowledgement.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

LONGEST_HEADER = 16_384  # bytes; an MSH is a few hundred
BEFORE = b"\xef\xbb\xbf \t\r\n\x0b"  # what some senders put before MSH: a byte order mark, empty lines
STANDARD = "^~\\&"  # the recommended encoding characters, 2.5.4
LINE_END = re.compile(rb"[\r\n]+")


class Header(NamedTuple):
    """The fields of MSH as text, as they came; separators are single characters.

    sender, sender_facility: MSH-3, MSH-4; receiver, receiver_facility: MSH-5, MSH-6; kind: MSH-9, such as ORU^R01;
    control: MSH-10; processing: MSH-11; version: MSH-12.1; accept, application: MSH-15, MSH-16; charset: MSH-18.
    """

    field: str
    component: str
    repetition: str
    escape: str
    subcomponent: str
    sender: str
    sender_facility: str
    receiver: str
    receiver_facility: str
    time: str
    kind: str
    control: str
    processing: str
    version: str
    accept: str
    application: str
    charset: str

    @property
    def encoding(self) -> str:
        """MSH-2 as it is written back."""
        return self.component + self.repetition + self.escape + self.subcomponent

    @property
    def type(self) -> str:
        """The message type and trigger event, such as ORU^R01 or ACK."""
        parts = self.kind.upper().split(self.component)
        return "^".join(part for part in parts[:2] if part)

    @property
    def trigger(self) -> str:
        """The trigger event, "" for none."""
        parts = self.kind.upper().split(self.component)
        return parts[1] if len(parts) > 1 else ""

    @property
    def origin(self) -> str:
        """Who sent it: application and facility, such as LAB|HOSPITAL."""
        names = (self.sender.split(self.component)[0], self.sender_facility.split(self.component)[0])
        return "|".join(names) if any(names) else ""

    @property
    def enhanced(self) -> bool:
        """Whether the sender asked for the enhanced acknowledgement mode (2.9.3)."""
        return bool(self.accept or self.application)


def read_header(message: bytes) -> Header | None:
    """The header of a message, None where it does not begin with a readable MSH.

    One whose separators can't be told apart from text, or from each other, has the standard's, so that the answer that
    refuses the message can be read.
    """
    line = LINE_END.split(message[:LONGEST_HEADER].lstrip(BEFORE), maxsplit=1)[0]
    if not line.startswith(b"MSH") or len(line) < 5:
        return None
    text = line.decode("latin-1")
    field = text[3]
    if field.isalnum():
        return None
    fields = text.split(field)
    marks = fields[1][:4]
    if any(mark.isalnum() for mark in marks) or len({field, *marks}) <= len(marks):
        fields = [each.replace("|", "\\F\\") for each in fields]
        field, marks = "|", STANDARD
    marks += STANDARD[len(marks) :]
    fields += [""] * (22 - len(fields))
    component, repetition, escape, subcomponent = marks
    return Header(
        field,
        component,
        repetition,
        escape,
        subcomponent,
        fields[2],
        fields[3],
        fields[4],
        fields[5],
        fields[6],
        fields[8],
        fields[9],
        fields[10],
        fields[11].split(component)[0],
        fields[14].upper(),
        fields[15].upper(),
        fields[17].split(repetition)[0],
    )


_FIELDS = {"PID": (2, 3, 4), "MRG": (1, 4)}
_REST = re.compile(rb"[^\r\n]*")


def patient_numbers(message: bytes, header: Header) -> tuple[str, ...]:
    """Every patient number of the message, in order: PID-2, -3, -4 and MRG-1, -4, without their authorities.

    Two patients may share a number of two authorities; what follows from that is only that they wait for each other.
    """
    found: dict[str, None] = {}
    for repetition in _identifying(message, header):
        identifier = repetition.split(header.component)[0].split(header.subcomponent)[0].strip()
        if identifier and identifier != '""':
            found[identifier] = None
    return tuple(found)


def patient_values(message: bytes, header: Header) -> list[list[list[str]]]:
    """The same fields with their authorities: each repetition as components of sub-components, escapes as they are."""
    return [
        [component.strip().split(header.subcomponent) for component in repetition.split(header.component)]
        for repetition in _identifying(message, header)
    ]


def _identifying(message: bytes, header: Header) -> Iterator[str]:
    for start in sorted(at for name in _FIELDS for at in _starts(message, name.encode())):
        line = _REST.match(message, start)
        assert line is not None
        fields = line[0].decode("latin-1").split(header.field)
        for number in _FIELDS[fields[0][:3]]:
            if number < len(fields):
                yield from fields[number].split(header.repetition)


def _starts(message: bytes, name: bytes) -> Iterator[int]:
    """Where segments of a name begin; by find, as a pattern takes a second for 50 MB, and others wait."""
    at = message.find(name)
    while at >= 0:
        if at == 0 or message[at - 1] in b"\r\n":
            yield at
        at = message.find(name, at + 1)
