"""Where $import fetches from, by the setting import_from."""

from __future__ import annotations

import functools
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from urllib.parse import SplitResult

from fhir_server.core.errors import error
from fhir_server.security.outgoing.addresses import Outgoing
from fhir_server.security.outgoing.requests import Requests, UnansweredError
from fhir_server.security.outgoing.urls import RefusedUrlError, absolute, climbs

SECONDS = 60.0  # without anything of an answer
ACCEPT = "application/fhir+ndjson"
PORTS = {"http": 80, "https": 443}


class Sources:
    """allowed: the setting; FhirError "value" for what is no URL."""

    def __init__(self, allowed: Sequence[str]) -> None:
        self._allowed = [_part(each) for each in allowed]
        self._outgoing = Outgoing([each.hostname or "" for each in self._allowed], setting="import_from")

    @functools.cached_property
    def _requests(self) -> Requests:
        return Requests(self._outgoing)

    def require(self, url: str) -> None:
        """FhirError "forbidden" for a URL that is not fetched."""
        try:
            asked = absolute(url)
            below = not climbs(asked.path) and any(_is_below(asked, each) for each in self._allowed)
        except RefusedUrlError as problem:
            raise error("forbidden", f"The url of an input {problem}.") from None
        if not below:
            raise error("forbidden", f"{url[:200]} is not fetched: it begins with none of the URLs of the setting "
                        "import_from. Send the NDJSON as the body instead.")  # fmt: skip

    async def pieces(self, url: str) -> AsyncGenerator[bytes, None]:
        """What is at a URL; FhirError "unavailable" where it can't be had."""
        self.require(url)
        try:
            async with aclosing(self._requests.pieces(url, ACCEPT, SECONDS)) as pieces:
                async for piece in pieces:
                    yield piece
        except UnansweredError as problem:
            raise error("unavailable", f"{url} can't be fetched: {problem}") from None

    async def close(self) -> None:
        """Closes its connections."""
        if "_requests" in self.__dict__:
            await self._requests.close()


def _part(text: str) -> SplitResult:
    try:
        parts = absolute(text)
    except RefusedUrlError as problem:
        raise error("value", f"import_from: {text!r} {problem}.") from None
    if parts.query or climbs(parts.path):
        raise error("value", f"import_from: {text!r} has a query, or . or .. in its path.")
    return parts


def _is_below(asked: SplitResult, allowed: SplitResult) -> bool:
    return _origin(asked) == _origin(allowed) and asked.path.startswith(allowed.path)


def _origin(parts: SplitResult) -> tuple[str, str | None, int]:
    return parts.scheme, parts.hostname, parts.port or PORTS[parts.scheme]
