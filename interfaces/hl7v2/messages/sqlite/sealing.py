"""What messages and letters say, sealed at rest where the server has keys; what they are found by stays in clear."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

import msgspec

from fhir_server.core.errors import error
from interfaces.hl7v2.messages.message import Arrival, Message, Outcome
from interfaces.hl7v2.messages.port import Letter

OWNER = "hl7v2"  # of the key


class Keys(Protocol):
    """What seals."""

    def seal(self, owner: str, plain: bytes) -> bytes:
        """The bytes sealed with an owner's key."""
        ...

    def open(self, sealed: bytes) -> bytes | None:
        """What was sealed; bytes that never were as they are; None where the key is destroyed."""
        ...

    def close(self) -> None:
        """Closes their file."""
        ...


class Sealing:
    """Seals and opens; with no keys everything stays as it is. What was kept before there were keys is readable."""

    def __init__(self, keys: Keys | None) -> None:
        self._keys = keys
        if keys is not None:
            keys.seal(OWNER, b"")  # its key is there before threads ask for it

    def sealed(self, plain: bytes) -> bytes:
        """What to keep of bytes."""
        return self._keys.seal(OWNER, plain) if self._keys is not None and plain else plain

    def opened(self, kept: bytes) -> bytes:
        """The bytes again; FhirError "unavailable" where they can't be had."""
        if self._keys is None:
            if kept[:1] == b"\x01":
                raise error("unavailable", "Messages are sealed: start with the encryption_keys that they have.")
            return kept
        plain = self._keys.open(kept)
        if plain is None:
            raise error("unavailable", "The key of the messages was destroyed; they can't be read any more.")
        return plain

    def arrival(self, arrival: Arrival) -> Arrival:
        """One with its answer sealed."""
        return msgspec.structs.replace(arrival, answer=self.sealed(arrival.answer)) if arrival.answer else arrival

    def outcome(self, outcome: Outcome) -> Outcome:
        """One with its answer sealed."""
        return outcome._replace(answer=self.sealed(outcome.answer)) if outcome.answer else outcome

    def message(self, message: Message) -> Message:
        """One with its answer opened."""
        return msgspec.structs.replace(message, answer=self.opened(message.answer)) if message.answer else message

    def messages(self, messages: Iterable[Message]) -> list[Message]:
        """Likewise, many."""
        return [self.message(each) for each in messages]

    def letter(self, letter: Letter) -> Letter:
        """One with body and answer opened."""
        body, answer = self.opened(letter.body), self.opened(letter.answer)
        return msgspec.structs.replace(letter, body=body, answer=answer)

    def close(self) -> None:
        """Closes the keys' file."""
        if self._keys is not None:
            self._keys.close()
