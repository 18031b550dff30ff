"""What an interface puts beside FHIR on the same port: paths, pages, documentation, metrics."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any, NamedTuple

from fhir_server.api import FhirServer
from fhir_server.codec.asgi import base_of
from fhir_server.core.errors import error
from fhir_server.core.ports import OPEN, Caller
from fhir_server.rest.decode import headers_of
from fhir_server.rest.page_assets import Assets
from fhir_server.security.policies import WAY

Asgi = Callable[[dict[str, Any], Any, Any], Awaitable[None]]


class Mounted(NamedTuple):
    """Everything under prefix, such as /hl7: assets are files, the rest is the application's.

    paths: what openapi.json says of it; metrics: gives metric families of prometheus_client for each scrape; title: of
    its page, for those who look for it; health: gives what /health/ready says of it, None for nothing.
    """

    prefix: str
    application: Asgi
    assets: Assets
    paths: dict[str, Any]
    metrics: Callable[[], Awaitable[Iterable[Any]]]
    title: str = ""
    health: Callable[[], Awaitable[dict[str, Any] | None]] | None = None

    def has(self, path: str) -> bool:
        """Whether a path is below the prefix."""
        return path.startswith(self.prefix) and path[len(self.prefix) : len(self.prefix) + 1] in ("", "/")


async def require_everything(server: FhirServer, scope: dict[str, Any], interface: str) -> Caller:
    """The caller; FhirError "login" or "forbidden" for one who may not read all that is stored, or, where the request
    is no GET, write it: what is mounted shows what any message said. In open mode everybody may, and everywhere those
    whose role has this interface, as far as their scopes go."""
    if server.open:
        return OPEN
    headers = headers_of(scope)
    caller = await server.caller_of(scope["method"], headers, base_of(scope, headers, server.settings))
    wanted = "rs" if scope["method"] in ("GET", "HEAD") else "cruds"
    if caller.administers is not None and caller.administers(interface, wanted):
        return caller
    if caller.masks is not None:
        raise error(
            "forbidden", f"Fields are hidden from you by a policy, and what is shown here can't be shown in part. {WAY}"
        )
    for type in server.definitions.resource_types:
        seen = caller.restriction is None or caller.restriction(type) is None
        if not seen or (caller.may is not None and not all(caller.may(each, type) for each in wanted)):
            raise error(
                "forbidden",
                f"This needs a scope for everything, such as system/*.{wanted} or user/*.{wanted}, and no policy or "
                f"Consent that takes from it. {WAY}",
            )
    return caller
