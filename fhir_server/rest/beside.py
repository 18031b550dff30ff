"""What is answered beside FHIR: the page for people, the API's documentation, health and metrics.

Few fixed paths and no framework: see docs/decisions/0004-hot-interactions-without-a-framework.md.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from fhir_server.api import FhirServer
from fhir_server.codec.formats import JSON as FHIR_JSON
from fhir_server.codec.json import serialize
from fhir_server.core.errors import error
from fhir_server.rest.docs_page import docs_assets
from fhir_server.rest.encode import Answer, error_answer
from fhir_server.rest.health import live, ready
from fhir_server.rest.metrics import metrics
from fhir_server.rest.mounting import Mounted
from fhir_server.rest.networks import MetricsReaders
from fhir_server.rest.openapi import openapi
from fhir_server.rest.page_assets import Assets, page_assets

JSON = (b"content-type", b"application/json")
METHODS = ("GET", "HEAD")
ALLOW = {"Allow": "GET, HEAD"}
READERS = (
    "The metrics of this server are for its own machine and the networks that the setting metrics_networks names. Have "
    "whoever runs it add the address of your Prometheus."
)
PLACES = "FHIR is at /fhir, the page at /, the documentation at /docs."


def beside(server: FhirServer, mounted: Sequence[Mounted] = ()) -> Any:
    """The ASGI application for every path outside /fhir; mounted: what interfaces have put beside it. FhirError "value"
    for a setting that names no network."""
    readers = None if server.open else MetricsReaders(server.settings)

    async def document() -> Answer:
        return Answer(200, [JSON], serialize(openapi(server, mounted)))

    async def session() -> Answer:
        return Answer(200, [JSON], b'{"open":true}')

    async def pages() -> Answer:
        listed = [{"path": f"{each.prefix[1:]}/", "title": each.title} for each in mounted if each.title]
        return Answer(200, [JSON], serialize(listed))

    computed: dict[str, Callable[[], Awaitable[Answer]]] = {
        "/openapi.json": document,
        "/pages.json": pages,
        "/health": lambda: ready(server, mounted),
        "/health/live": lambda: live(server),
        "/health/ready": lambda: ready(server, mounted),
        "/metrics": lambda: metrics(server, mounted),
        "/auth/session": session,
    }

    async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
        path = scope["path"]
        there = next((each for each in mounted if each.has(path)), None)
        if there is not None and (scope["method"] not in METHODS or path not in there.assets.files):
            return await there.application(scope, receive, send)
        if scope["method"] not in METHODS:
            problem = error("not-supported", f"{scope['method']} is not possible here. {PLACES}", headers=ALLOW)
            answer = error_answer(problem, FHIR_JSON, server.definitions)
        elif path == "/metrics" and readers is not None and not readers.lets(scope):
            answer = error_answer(error("forbidden", READERS), FHIR_JSON, server.definitions)
        elif path in computed:
            answer = await computed[path]()
        else:
            assets = docs_assets() if path.startswith("/docs") else page_assets()
            answer = _file(there.assets if there is not None else assets, scope)
        headers = answer.headers
        if not any(name == b"content-length" for name, _ in headers):
            headers = [*headers, (b"content-length", b"%d" % len(answer.body))]
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else answer.body})

    return application


def _file(assets: Assets, scope: dict[str, Any]) -> Answer:
    headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
    found = assets.answer(scope["path"], headers.get(b"accept-encoding", ""), headers.get(b"if-none-match", ""))
    if found is None:
        text = f"There is nothing here. {PLACES}\n"
        return Answer(404, [(b"content-type", b"text/plain; charset=utf-8")], text.encode())
    return Answer(found.status, found.headers, found.body)
