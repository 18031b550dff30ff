"""The translator and the maker of messages that a server has: the tables of mappings.hl7v2."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from fhir_server.client import FhirClient
from fhir_server.core.errors import FhirError, error
from fhir_server.core.ports import Clock
from interfaces.hl7v2.configuration import Destination, Interfaces, Sender
from interfaces.hl7v2.er7 import parse
from interfaces.hl7v2.exchange.errors import Problem
from interfaces.hl7v2.header import Header
from interfaces.hl7v2.reading import ClientReader
from interfaces.hl7v2.translation import Translation
from mappings.hl7v2.tables import SiteTables
from mappings.hl7v2.translating import translate


class Engine:
    """Translates by HL7's tables, ours, the site's and the sender's; the last two are read again when they change."""

    def __init__(self, interfaces: Interfaces, client: FhirClient, clock: Clock) -> None:
        self._interfaces = interfaces
        self._reader = ClientReader(client)
        self._clock = clock
        self._tables: dict[str, SiteTables] = {}

    async def translate(self, raw: bytes, header: Header, sender: Sender) -> Translation:
        """See Translator."""
        message = parse(raw)
        try:
            made = await translate(message, self._of(sender.tables).current(), self._reader, now=self._now())
        except FhirError as problem:
            if problem.category != "not-supported":
                raise
            return Translation(problems=(_unsupported(message.type, message.event, problem),))
        problems = [Problem("102", text) for text in made.errors]
        problems += [Problem("102", text, severity="W") for text in made.issues]
        ignored = "An acknowledgement says nothing that is kept." if message.type == "ACK" else ""
        if made.bundle is None and not ignored and not made.errors:
            ignored = "It says nothing that is not known."
        return Translation(made.bundle, tuple(problems), ignored, brings=made.brings)

    async def to_message(self, resource: dict[str, Any], destination: Destination, control: str) -> bytes:
        """See ToMessage."""
        raise error("not-implemented", "No mapping tables are installed.")

    def _of(self, folder: str) -> SiteTables:
        if folder not in self._tables:
            self._tables[folder] = SiteTables(self._interfaces.tables, folder)
        return self._tables[folder]

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock() / 1e6, UTC)


def _unsupported(kind: str, event: str, problem: FhirError) -> Problem:
    code = "200" if kind not in KNOWN else "201"
    return Problem(code, str(problem), ("MSH", 1, 9))


KNOWN = ("ADT", "ORM", "ORU", "OML", "OMG", "OMI", "OUL", "OMP", "RDE", "RDS", "RAS", "MDM", "SIU", "VXU", "DFT", "BAR",
         "PPR", "REF", "ORL", "ORR", "QBP", "ACK")  # fmt: skip
