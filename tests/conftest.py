"""A real server on a fresh store, reached by HTTP without a socket, under a clock that the test holds."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from httpx._transports import default as transports

from fhir_server import bootstrap
from fhir_server.api import FhirServer
from fhir_server.core.settings import Settings
from fhir_server.rest.app import Application
from tests.engines import EMBEDDED, chosen, settings_on

START = 1_790_000_000_000_000  # microseconds since 1970: a day in September 2026
BASE = "http://fhir.test/fhir"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--engines", default=EMBEDDED, help="engines to run on, with commas: embedded,distributed")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "embedded(reason): about the embedded engine alone")
    # each client of httpx loads all authorities of the world, also for plain HTTP, which takes 50 ms; none is met here
    trusting_none = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made = transports.create_ssl_context
    transports.create_ssl_context = lambda verify=True, **others: (
        trusting_none if verify is True else made(verify, **others)
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """With several engines, each test that uses one runs on all."""
    engines = chosen(metafunc.config.getoption("engines"))
    if "engine" in metafunc.fixturenames and engines != [EMBEDDED]:
        own = metafunc.definition.get_closest_marker("embedded") is not None
        chosen_here = [engine for engine in engines if engine == EMBEDDED or not own]
        metafunc.parametrize("engine", chosen_here, scope="module")  # a module's started server is one of each engine


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@dataclass
class HeldClock:
    """Stands still but for a millisecond a look, so that later versions have later times."""

    now: int = START

    def __call__(self) -> int:
        self.now += 1000
        return self.now


class Fhir:
    """Calls by method and path below the FHIR base; keeps what every test needs of an answer."""

    def __init__(self, http: httpx.AsyncClient, server: FhirServer, application: Application | None = None) -> None:
        self.http = http
        self.server = server
        self.application = application

    async def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        content = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        if content is not None:
            sent.setdefault("content-type", "application/fhir+json")
        return await self.http.request(method, f"{BASE}/{path}".rstrip("/"), content=content, headers=sent)

    async def get(self, path: str, **headers: str) -> httpx.Response:
        return await self("GET", path, **headers)

    async def post(self, path: str, body: Any, **headers: str) -> httpx.Response:
        return await self("POST", path, body, **headers)

    async def put(self, path: str, body: Any, **headers: str) -> httpx.Response:
        return await self("PUT", path, body, **headers)

    async def create(self, resource: dict[str, Any]) -> str:
        """Stores a resource; with an id under that id. Gives Type/id."""
        type = resource["resourceType"]
        if "id" in resource:
            answer = await self.put(f"{type}/{resource['id']}", resource)
        else:
            answer = await self.post(type, resource)
        assert answer.status_code in (200, 201), answer.text
        stored = answer.json()
        return f"{type}/{stored['id']}"

    async def ids(self, search: str) -> list[str]:
        """The ids of a search's matches, over all pages."""
        found: list[str] = []
        answer = await self.get(search)
        while True:
            assert answer.status_code == 200, answer.text
            bundle = answer.json()
            found += [e["resource"]["id"] for e in bundle.get("entry", ()) if e["search"]["mode"] == "match"]
            following = next((link["url"] for link in bundle["link"] if link["relation"] == "next"), None)
            if following is None:
                return found
            answer = await self.http.get(following)


@asynccontextmanager
async def running(settings: Settings, clock: HeldClock | None = None) -> AsyncIterator[Fhir]:
    """A server with these settings."""
    application = bootstrap.application(settings, clock or HeldClock())
    async with application.running() as server:
        transport = httpx.ASGITransport(app=as_connections_ask(application))
        async with httpx.AsyncClient(transport=transport) as http:
            yield Fhir(http, server, application)


def as_connections_ask(application: Application) -> Any:
    """The application as one of ASGI alone, which answers at once what connections have answered so."""

    async def asked(scope: dict[str, Any], receive: Any, send: Any) -> None:
        answered = asyncio.get_running_loop().create_future()
        without_body = not any(name in (b"content-length", b"transfer-encoding") for name, _ in scope["headers"])
        at_once = application.at_once if without_body else None
        if at_once is not None and at_once(scope, lambda *answer: answered.set_result(answer)):
            status, headers, body = await answered
            await send({"type": "http.response.start", "status": status, "headers": headers})
            await send({"type": "http.response.body", "body": body})
        else:
            await application(scope, receive, send)

    return asked


def issue_of(answer: httpx.Response) -> dict[str, Any]:
    """The only issue of an OperationOutcome."""
    outcome = answer.json()
    assert outcome["resourceType"] == "OperationOutcome", outcome
    assert len(outcome["issue"]) == 1, outcome
    return outcome["issue"][0]


@pytest.fixture(scope="session")
def engine() -> str:
    """The engine that a test runs on; tests/engines.py lets more than the embedded one take part."""
    return EMBEDDED


@pytest.fixture
def settings(tmp_path: Path, engine: str) -> Iterator[Settings]:
    with settings_on(engine, tmp_path / "data") as settings:
        yield settings


@pytest.fixture
async def fhir(settings: Settings) -> AsyncIterator[Fhir]:
    """A server with default settings; a test module that needs others overrides the fixture `settings`."""
    async with running(settings) as started:
        yield started
