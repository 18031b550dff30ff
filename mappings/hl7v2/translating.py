"""A message as one FHIR transaction: draft, identity, what the store has, and the bundle.

The bundle holds conditional updates by business identifiers for what is new, and updates of a stated version for what
the reader found; what a message does not change is not in it. What is asked of the store is asked through a Reader, in
one search a type.
"""

from __future__ import annotations

import asyncio
import datetime

from fhir_server.core.errors import error
from mappings.hl7v2.drafting import Draft, draft
from mappings.hl7v2.events import finish
from mappings.hl7v2.identity import assign
from mappings.hl7v2.merges import Merge, merges_of
from mappings.hl7v2.reader import Nothing, Reader
from mappings.hl7v2.settling import Settling
from mappings.hl7v2.source import Message
from mappings.hl7v2.tables import Tables, standard
from mappings.hl7v2.translation import Translation

MANY = 300  # segments; a longer message is read in a thread


async def translate(
    message: Message,
    tables: Tables | None = None,
    reader: Reader | None = None,
    *,
    zone: str = "Z",
    trace: bool = False,
    now: datetime.datetime | None = None,
) -> Translation:
    """The transaction that a message stands for.

    zone: of times that state none; now: the time of the translation, for Provenance. FhirError "not-supported" for a
    message that no table has, "unprocessable" for one that contradicts what is kept.
    """
    tables = tables or standard()
    reader = reader or Nothing()
    if message.problems:
        text = " ".join(message.problems)
        raise error("unprocessable", text, location="MSH-18" if "MSH-18" in text else "", code="structure")
    if message.type == "ACK":
        return Translation(None, [], [], [], "ACK", False, [], [])
    if len(message.segments) > MANY:  # others go on meanwhile
        made, merges = await asyncio.to_thread(_read_message, message, tables, zone, trace)
    else:
        made, merges = _read_message(message, tables, zone, trace)
    return await Settling(made, reader, now or datetime.datetime.now(datetime.UTC)).settle(merges)


def _read_message(message: Message, tables: Tables, zone: str, trace: bool) -> tuple[Draft, list[Merge]]:
    made = draft(message, tables, zone=zone, trace=trace)
    finish(made, tables)
    assign(made, tables)
    return made, merges_of(made, tables)
