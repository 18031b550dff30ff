"""rest-hook as it stands in R4 (https://hl7.org/fhir/R4/valueset-subscription-channel-type.html).

With a payload the endpoint is a service base, and the resource is updated there: PUT [endpoint]/[type]/[id]. Without
one, an empty POST says that something matched.
"""

from __future__ import annotations

from collections.abc import Sequence

from fhir_server.codec import xml
from fhir_server.codec.json import decode
from fhir_server.core.keys import StoredVersion
from fhir_server.interactions.environment import Environment
from fhir_server.security.outgoing.requests import Sent
from fhir_server.subscriptions.channels.channel import HOUR, Turn
from fhir_server.subscriptions.channels.hook import Hook
from fhir_server.subscriptions.matching import seen
from fhir_server.subscriptions.store.port import Event
from fhir_server.subscriptions.subscription import Subscription


class RestHook(Hook):
    """A `Channel`."""

    async def begin(self, turn: Turn) -> None:
        """Nothing: R4 has no handshake."""

    async def tell(self, turn: Turn, waiting: Sequence[Event]) -> int:
        """Sends the first event; nothing of what the maker may not see any more."""
        event = waiting[0]
        version = await seen(turn.seen, event.type, event.id, event.version)
        if version is not None:
            shown = [version] if turn.asked.format is not None else []
            await self.send(turn, _request(turn.seen, turn.asked, version), shown)
        return event.number

    async def rest(self, turn: Turn, now: int) -> float:
        """Until something happens."""
        return HOUR


def _request(environment: Environment, asked: Subscription, version: StoredVersion) -> Sent:
    if asked.format is None:
        return Sent("POST", asked.endpoint, asked.headers, b"")
    body = version.body
    if asked.format.name == "xml":
        body = xml.serialize(decode(body), environment.definitions)
    place = f"{asked.endpoint.rstrip('/')}/{version.type}/{version.id}"
    return Sent("PUT", place, (*asked.headers, ("Content-Type", asked.payload)), body)
