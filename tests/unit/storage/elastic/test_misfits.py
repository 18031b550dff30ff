"""What stands where an Elasticsearch should be, or refuses: told to whoever can put it right, never a server error."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from fhir_server.core.errors import FhirError
from fhir_server.storage.elastic.client import connect
from tests.unit.storage.elastic.house import House

SECURITY = b'{"error": {"type": "security_exception", "reason": "no"}, "status": 401}'
BLOCKED = b'{"error": {"type": "cluster_block_exception", "reason": "disk usage exceeded"}, "status": 403}'
FAILING = b'{"error": {"type": "search_phase_execution_exception", "reason": "all shards failed"}, "status": 500}'
CLOSED = b'{"error": {"type": "index_closed_exception", "reason": "closed"}, "status": 400}'
FULL = b'{"error": {"type": "cluster_block_exception", "reason": "flood-stage watermark"}, "status": 429}'
PAGE = b"<html>Welcome</html>"


@contextmanager
def answering(status: int, body: bytes) -> Iterator[str]:
    """A server that gives this answer to everything; its URL."""

    class Answers(BaseHTTPRequestHandler):
        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("content-length", 0)))
            self.send_response(status)
            if body.startswith(b"{"):
                self.send_header("content-type", "application/json")
                self.send_header("X-Elastic-Product", "Elasticsearch")
            elif body.startswith(b"<"):
                self.send_header("content-type", "text/html")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PUT = do_HEAD = answer

        def log_message(self, *about: object) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    ("status", "body", "searcher", "operator"),
    [
        (401, SECURITY, "refuses this server", "refuses the login in elasticsearch_url"),
        (403, SECURITY, "refuses this server", "give the user of elasticsearch_url its rights"),
        (403, BLOCKED, "is blocked now", "read-only, mostly as its disk is full; make room"),
        (429, FULL, "has too much to do", "read-only, mostly as its disk is full; make room"),
        (
            500,
            FAILING,
            "operator has to look into",
            "it fails (search_phase_execution_exception); its own log says why",
        ),
        (400, CLOSED, "is closed", "its index is closed; open it"),
        (200, PAGE, "its operator", "no Elasticsearch 8 or 9; correct its host and port"),
        (200, b"+OK", "its operator", "no Elasticsearch 8 or 9; correct its host and port"),
        (404, PAGE, "its operator", "no Elasticsearch 8 or 9; correct its host and port"),
        (502, PAGE, "can't be reached now", "is not ready (502)"),
    ],
)
def test_each_is_told_what_to_do(tmp_path: Path, status: int, body: bytes, searcher: str, operator: str) -> None:
    async def work() -> tuple[FhirError, list[str]]:
        with answering(status, body) as url:
            house = House(tmp_path, url)
            with pytest.raises(FhirError) as searched:
                await house.ids()
            told = [(await house.engine.state()).away]
            for command in (house.engine.check, house.engine.rebuild):
                with pytest.raises(FhirError) as refused:
                    await command()
                told.append(str(refused.value))
            await house.engine.close()
            await house.store.close()
            return searched.value, told

    searched, told = asyncio.run(work())
    assert (searched.status, searched.headers["Retry-After"]) == (503, "5")
    assert searcher.replace("its operator", "operator has to put right") in str(searched)
    assert all(operator in each for each in told), told


@pytest.mark.parametrize("url", ["http://elastic", "http://elastic:port", "elastic:9200"])
def test_a_url_that_can_not_be_used_is_refused_with_one_that_can(url: str) -> None:
    with pytest.raises(FhirError, match="such as https://user:password@es1:9200"):
        connect(url)
