"""A message that was received, and the states that it goes through."""

from __future__ import annotations

import hashlib
import zlib
from typing import Any, NamedTuple

import msgspec

RECEIVED = "received"  # kept, nobody works on it
TRANSLATING = "translating"  # a worker has it
DONE = "done"  # what it says is committed
WAITING = "waiting"  # for a message that brings its patient
FAILED = "failed"  # a person must look at it
IGNORED = "ignored"  # nothing is to be done: by policy, by its kind, or dismissed by a person

STATES = (RECEIVED, TRANSLATING, DONE, WAITING, FAILED, IGNORED)
OPEN = (RECEIVED, TRANSLATING)
ERASED = "Erased with its patient."  # the reason of a message and of a letter that nothing is left of but its row

LANES = 256


def lanes_of(numbers: tuple[str, ...], sender: str) -> tuple[int, ...]:
    """The lanes that a message of these patient numbers takes; without any, its sender's lane."""
    return tuple(sorted({zlib.crc32(number.encode()) % LANES for number in numbers or (f"sender {sender}",)}))


class Arrival(msgspec.Struct, frozen=True):
    """A message on its way into the store.

    source: the listener, folder or upload that it came by; sender: MSH-3 and MSH-4; control: MSH-10; kind: MSH-9;
    batch: the control id of the batch or file that it came in; state, reason, answer: where it is settled already.
    """

    raw: bytes
    source: str
    sender: str
    control: str
    kind: str
    version: str
    patients: tuple[str, ...]
    received: int
    batch: str = ""
    state: str = RECEIVED
    reason: str = ""
    answer: bytes = b""
    code: str = ""

    @property
    def digest(self) -> bytes:
        """SHA-256 of the bytes."""
        return hashlib.sha256(self.raw).digest()


class Step(NamedTuple):
    """A state that the message came into, when (microseconds since 1970) and why."""

    at: int
    state: str
    reason: str


class Message(msgspec.Struct, frozen=True):
    """A message in the store.

    id: grows with the order of arrival; attempt: how often it was given to be applied by a person's will, 0 for the
    first time; revision: the correction that is in force, 0 for the bytes as they came; changed: since when it is in
    its state; alarm: its MSH-10 was another message's; code: the acknowledgement code that was given; links: references
    with version of what it made; answer: the application acknowledgement.
    """

    id: int
    source: str
    sender: str
    control: str
    kind: str
    version: str
    digest: str
    patients: tuple[str, ...]
    size: int
    received: int
    state: str
    changed: int
    reason: str
    attempt: int = 0
    revision: int = 0
    batch: str = ""
    alarm: bool = False
    code: str = ""
    links: tuple[str, ...] = ()
    steps: tuple[Step, ...] = ()
    answer: bytes = b""

    @property
    def lanes(self) -> tuple[int, ...]:
        """The lanes that it takes."""
        return lanes_of(self.patients, self.sender)

    @property
    def settled(self) -> bool:
        """Whether nothing more happens to it by itself."""
        return self.state not in OPEN

    @property
    def erased(self) -> bool:
        """Whether what it said was erased with its patient."""
        return self.reason == ERASED

    @property
    def provenance(self) -> str:
        """The id of the Provenance that is committed with what it means: the same wherever these bytes are applied."""
        name = f"{self.sender}\0{self.control}\0{self.digest}\0{self.attempt}".encode()
        return f"v2-{hashlib.sha256(name).hexdigest()[:40]}"

    def shown(self) -> dict[str, Any]:
        """As JSON for people and programs; times in microseconds since 1970."""
        shown = msgspec.structs.asdict(self)
        shown["answer"] = self.answer.decode("utf-8", "backslashreplace")
        shown["steps"] = [step._asdict() for step in self.steps]
        return shown


class Outcome(NamedTuple):
    """What applying a message came to: its new state, why, what it made, and the acknowledgement.

    releases: patient numbers whose waiting messages may go on.
    """

    state: str
    reason: str = ""
    links: tuple[str, ...] = ()
    code: str = ""
    answer: bytes = b""
    releases: tuple[str, ...] = ()
