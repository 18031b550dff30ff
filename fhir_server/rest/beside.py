"""What is answered beside FHIR: the page for people."""

from __future__ import annotations

from typing import Any

from fhir_server.api import FhirServer


def beside(server: FhirServer) -> Any:
    """The ASGI application for every path outside /fhir."""

    async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 404, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})

    return application
