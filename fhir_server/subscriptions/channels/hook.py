"""What both kinds of rest-hook have in common."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from fhir_server.core.keys import StoredVersion
from fhir_server.security.outgoing.requests import Requests, Sent, UnansweredError
from fhir_server.subscriptions.auditing import Disclosures
from fhir_server.subscriptions.channels.channel import Turn, UndeliveredError
from fhir_server.subscriptions.sealed_headers import SealedHeaders


class Hook:
    """requests: what sends for a Subscription; headers: what opens those of channels; seconds: that an endpoint may
    take where that does not say."""

    def __init__(
        self, requests: Callable[[Turn], Requests], disclosures: Disclosures, headers: SealedHeaders, seconds: float
    ) -> None:
        self._requests = requests
        self._disclosures = disclosures
        self._headers = headers
        self._seconds = seconds

    async def send(self, turn: Turn, request: Sent, shown: Sequence[StoredVersion]) -> None:
        """Sends a request, which shows these versions, once that is in the audit log; UndeliveredError."""
        headers = await self._headers.opened(turn.version.id, turn.asked.endpoint, request.headers)
        await self._disclosures.note(turn, shown)
        try:
            await self._requests(turn).send(request._replace(headers=headers), turn.asked.timeout or self._seconds)
        except UnansweredError as problem:
            raise UndeliveredError(str(problem)) from None
