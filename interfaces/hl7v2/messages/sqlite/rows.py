"""Rows of the tables as messages and letters, and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from interfaces.hl7v2.messages.message import Message, Step
from interfaces.hl7v2.messages.port import Letter

MESSAGE = (
    "id, source, sender, control, kind, version, digest, patients, size, received, state, changed, reason, attempt, "
    "revision, batch, alarm, code, links, steps, answer"
)
LETTER = "id, destination, key, kind, control, body, state, made, changed, tries, reason, answer"


def message(row: Sequence[Any]) -> Message:
    """A row of MESSAGE's columns."""
    (id, source, sender, control, kind, version, digest, patients, size, received, state, changed, reason) = row[:13]
    attempt, revision, batch, alarm, code, links, steps, answer = row[13:]
    return Message(
        id,
        source,
        sender,
        control,
        kind,
        version,
        digest.hex(),
        texts(patients),
        size,
        received,
        state,
        changed,
        reason,
        attempt,
        revision,
        batch,
        bool(alarm),
        code,
        texts(links),
        tuple(Step(*msgspec.json.decode(line)) for line in steps.splitlines()),
        bytes(answer),
    )


def letter(row: Sequence[Any]) -> Letter:
    """A row of LETTER's columns."""
    id, destination, key, kind, control, body, state, made, changed, tries, reason, answer = row
    return Letter(id, destination, key, kind, control, bytes(body), state, made, changed, tries, reason, bytes(answer))


def texts(joined: str) -> tuple[str, ...]:
    """What joined() joined."""
    return tuple(joined.split("\n")) if joined else ()


def joined(parts: Sequence[str]) -> str:
    """Texts without line ends as one."""
    return "\n".join(parts)


def step(at: int, state: str, reason: str) -> str:
    """A step as it is added to the column `steps`."""
    return msgspec.json.encode((at, state, reason)).decode()
