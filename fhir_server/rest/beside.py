"""What is answered beside FHIR: the page for people."""

from __future__ import annotations

from typing import Any

from fhir_server.api import FhirServer
from fhir_server.rest.page_assets import page_assets


def beside(server: FhirServer) -> Any:
    """The ASGI application for every path outside /fhir."""
    assets = page_assets()

    async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        answer = assets.answer(
            scope["path"], headers.get(b"accept-encoding", ""), headers.get(b"if-none-match", "")
        )
        if answer is None:
            await send({"type": "http.response.start", "status": 404, "headers": [(b"content-length", b"0")]})
            await send({"type": "http.response.body", "body": b""})
            return
        await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
        await send({"type": "http.response.body", "body": answer.body})

    return application
