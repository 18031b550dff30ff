"""What the interface needs of a message store; SQLite and MongoDB each have an adapter (sqlite.py, mongo.py)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Literal, NamedTuple, Protocol

import msgspec

from interfaces.hl7v2.messages.message import Arrival, Message, Outcome

NONE_OPEN: Mapping[str, int] = MappingProxyType({})
Novelty = Literal["new", "duplicate", "other"]  # other: the same MSH-10 as another message of the sender


class Kept(NamedTuple):
    """What keeping a message found; claimed: the caller has it to apply now."""

    message: Message
    novelty: Novelty
    claimed: bool


class Wanted(msgspec.Struct, frozen=True):
    """Which messages a list is to have; "" and 0 for all. before: ids below it (the next page), newest first.

    text: is looked for in MSH-10, kind, reason; patient: a patient number; since, until: when received.
    """

    state: str = ""
    sender: str = ""
    kind: str = ""
    patient: str = ""
    text: str = ""
    since: int = 0
    until: int = 0
    before: int = 0
    after: int = 0
    alarm: bool = False
    oldest_first: bool = False
    limit: int = 50


class Tally(NamedTuple):
    """How many messages of a sender are in a state, and when the oldest of them came."""

    sender: str
    state: str
    count: int
    oldest: int


class Counter(NamedTuple):
    """How many messages of a sender were new, duplicate or other, or came to a state, since the store was made."""

    sender: str
    what: str
    count: int


class Letter(msgspec.Struct, frozen=True):
    """A message to a destination.

    key: what it was made of, once a destination; state: queued | sent | held (refused: the queue waits for a person) |
    accepted | failed | dropped.
    """

    id: int
    destination: str
    key: str
    kind: str
    control: str
    body: bytes
    state: str
    made: int
    changed: int
    tries: int = 0
    reason: str = ""
    answer: bytes = b""


class MessageStore(Protocol):
    """Durable before it answers, where the method says so; safe for several processes at once."""

    async def keep(self, arrival: Arrival, owner: str, refuse_other: str = "") -> Kept:
        """Keeps a message durably, once for each sender, MSH-10 and digest.

        A new one that no unfinished message of its lanes is before is the owner's at once. refuse_other: where it
        isn't "", a message with the MSH-10 of another is kept as failed for this reason. FhirError "no-store" where
        the disk is full.
        """
        ...

    async def claim(self, owner: str, limit: int) -> list[Message]:
        """Messages that are first in all their lanes and nobody's now become the owner's; a dead owner's too."""
        ...

    async def finish(self, message: Message, owner: str, outcome: Outcome, now: int) -> list[Message]:
        """Puts a message that the owner has into its new state; what may follow in its lanes is the owner's now."""
        ...

    async def note(self, message: Message, reason: str) -> None:
        """Tells why a message that is being applied is not done yet."""
        ...

    async def reopen(self, id: int, raw: bytes | None, reason: str, patients: tuple[str, ...], now: int) -> bool:
        """Has a settled message applied anew, with other bytes where raw is given; False where it is not settled."""
        ...

    async def dismiss(self, id: int, reason: str, now: int) -> bool:
        """Puts a failed or waiting message into the state ignored; False for one in another state."""
        ...

    async def overdue(self, received_before: int) -> list[Message]:
        """Waiting messages that came before this moment, at most 100, oldest first."""
        ...

    async def expire(self, message: Message, outcome: Outcome, now: int) -> None:
        """Settles a waiting message."""
        ...

    async def alive(self, owner: str, until: int, connections: Mapping[str, int] = NONE_OPEN) -> None:
        """The owner lives and works, at least until then; connections: how many it has open, by listener."""
        ...

    async def connections(self, now: int, but: str) -> dict[str, int]:
        """How many connections the living owners but that one have last said to have open, by listener."""
        ...

    async def gone(self, owner: str) -> None:
        """The owner stops; what it has is nobody's."""
        ...

    async def lease(self, name: str, owner: str, now: int, until: int) -> bool:
        """Whether owner has this work to itself until then."""
        ...

    async def load(self, id: int) -> Message | None:
        """A message."""
        ...

    async def raw(self, id: int, revision: int = -1) -> bytes:
        """The bytes of a message: the revision in force, or that one. b"" where there is none."""
        ...

    async def find(self, wanted: Wanted) -> list[Message]:
        """Messages, newest first unless asked otherwise."""
        ...

    async def settled(self, ids: Sequence[int]) -> list[Message]:
        """Those of these messages that nothing more happens to."""
        ...

    async def tallies(self) -> list[Tally]:
        """How many messages there are, by sender and state."""
        ...

    async def counters(self) -> list[Counter]:
        """What happened to messages, counted."""
        ...

    async def purge(self, before: int, states: Sequence[str], limit: int = 1000) -> int:
        """Removes messages of these states that came into them before this moment; how many."""
        ...

    async def erase(self, patient: str, ids: Sequence[int]) -> list[Message]:
        """Erases what the messages say that were filed to a patient (Patient/ID), and what these say; gives them.

        Their rows stay, so that one that is sent again is known and nothing of it is applied. One that is being applied
        is left alone.
        """
        ...

    async def erase_letters(self, made_of: Collection[str]) -> int:
        """Erases the letters that were made of these, each a reference or a whole key, in any state; how many.

        Their rows stay, so that they are not made again.
        """
        ...

    async def post(self, consumer: str, position: int, letters: Sequence[Letter]) -> None:
        """Queues messages to destinations, each key once, and keeps the consumer's position in one commit."""
        ...

    async def position(self, consumer: str) -> int:
        """Where the consumer has got to in the change feed; -1 where it never began."""
        ...

    async def next_letter(self, destination: str) -> Letter | None:
        """The oldest letter of a destination that is queued, sent or held."""
        ...

    async def letter(self, id: int) -> Letter | None:
        """A letter."""
        ...

    async def letters(self, destination: str = "", state: str = "", before: int = 0, limit: int = 50) -> list[Letter]:
        """Letters, newest first."""
        ...

    async def mark(self, id: int, state: str, reason: str, answer: bytes, now: int, tried: int = 0) -> None:
        """Puts a letter into a state; tried is added to its tries."""
        ...

    async def letter_tallies(self) -> list[Tally]:
        """How many letters there are, by destination and state."""
        ...

    async def close(self) -> None:
        """Finishes writing and closes."""
        ...
