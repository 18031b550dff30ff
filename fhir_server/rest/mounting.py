"""What an interface puts beside FHIR on the same port: paths, pages, documentation, metrics."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any, NamedTuple

from fhir_server.rest.page_assets import Assets

Asgi = Callable[[dict[str, Any], Any, Any], Awaitable[None]]


class Mounted(NamedTuple):
    """Everything under prefix, such as /hl7: assets are files, the rest is the application's.

    paths: what openapi.json says of it; metrics: gives metric families of prometheus_client for each scrape.
    """

    prefix: str
    application: Asgi
    assets: Assets
    paths: dict[str, Any]
    metrics: Callable[[], Awaitable[Iterable[Any]]]

    def has(self, path: str) -> bool:
        """Whether a path is below the prefix."""
        return path.startswith(self.prefix) and path[len(self.prefix) : len(self.prefix) + 1] in ("", "/")
