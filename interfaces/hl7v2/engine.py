"""The translator and the maker of messages that a server has: the tables of mappings.hl7v2."""

from __future__ import annotations

from typing import Any

from fhir_server.client import FhirClient
from fhir_server.core.errors import error
from fhir_server.core.ports import Clock
from interfaces.hl7v2.configuration import Destination, Interfaces, Sender
from interfaces.hl7v2.header import Header
from interfaces.hl7v2.translation import Translation


class Engine:
    """Translates by the tables; until they are here each message fails with that reason and can be replayed."""

    def __init__(self, interfaces: Interfaces, client: FhirClient, clock: Clock) -> None:
        self._interfaces = interfaces
        self._client = client
        self._clock = clock

    async def translate(self, raw: bytes, header: Header, sender: Sender) -> Translation:
        """See Translator."""
        raise error("not-implemented", "No mapping tables are installed.")

    async def to_message(self, resource: dict[str, Any], destination: Destination, control: str) -> bytes:
        """See ToMessage."""
        raise error("not-implemented", "No mapping tables are installed.")
