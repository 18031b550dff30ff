"""What the interface asks of whoever turns messages into FHIR."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import msgspec

from interfaces.hl7v2.configuration import Sender
from interfaces.hl7v2.exchange.errors import Problem
from interfaces.hl7v2.header import Header
from mappings.hl7v2.moving import Named


class Translation(msgspec.Struct, frozen=True):
    """What a message says.

    bundle: a transaction, None where there is nothing to commit; problems: with one of severity E it can't be applied,
    others are warnings; ignored: why nothing is to be done, "" where something is; answer: the message that answers it
    in place of an acknowledgement (a query's response), b"" for none; brings: whether it is a message that brings its
    patients, so that those that wait for them may go on; unknown: the patients in it that the server does not know;
    named: those that it knows, and their visits and accounts, that may be merged away or moved before the bundle is
    committed.
    """

    bundle: dict[str, Any] | None = None
    problems: tuple[Problem, ...] = ()
    ignored: str = ""
    answer: bytes = b""
    brings: bool = False
    unknown: tuple[str, ...] = ()
    named: tuple[Named, ...] = ()


class Translator(Protocol):
    """Turns messages into FHIR."""

    async def translate(self, raw: bytes, header: Header, sender: Sender, strict: bool) -> Translation:
        """What a message says; strict: refuse what breaks the standard. FhirError where it can't be told."""
        ...

    async def named(self, raw: bytes) -> tuple[Named, ...]:
        """The patients whose numbers a message states, also those who were merged into others, and the visits and
        accounts that it states of theirs, also those that were moved to others."""
        ...

    async def left_behind(self, named: Sequence[Named]) -> list[dict[str, Any]]:
        """The entries of a transaction that move what refers to those of the patients who were merged into others, and
        what belongs to visits and accounts that were moved to others."""
        ...
