"""What the interface asks of whoever turns messages into FHIR."""

from __future__ import annotations

from typing import Any, Protocol

import msgspec

from interfaces.hl7v2.configuration import Sender
from interfaces.hl7v2.exchange.errors import Problem
from interfaces.hl7v2.header import Header


class Translation(msgspec.Struct, frozen=True):
    """What a message says.

    bundle: a transaction, None where there is nothing to commit; problems: with one of severity E it can't be applied,
    others are warnings; ignored: why nothing is to be done, "" where something is; answer: the message that answers it
    in place of an acknowledgement (a query's response), b"" for none; brings: whether it is a message that brings its
    patients, so that those that wait for them may go on; unknown: the patients in it that the server does not know.
    """

    bundle: dict[str, Any] | None = None
    problems: tuple[Problem, ...] = ()
    ignored: str = ""
    answer: bytes = b""
    brings: bool = False
    unknown: tuple[str, ...] = ()


class Translator(Protocol):
    """Turns messages into FHIR."""

    async def translate(self, raw: bytes, header: Header, sender: Sender, strict: bool) -> Translation:
        """What a message says; strict: refuse what breaks the standard. FhirError where it can't be told."""
        ...
