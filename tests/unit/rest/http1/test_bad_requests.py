"""What is no HTTP/1.1, would be read differently by a proxy, or never ends."""

from __future__ import annotations

import asyncio
import json

import pytest

from fhir_server.rest.http1 import limits
from tests.unit.rest.http1.conftest import Served

pytestmark = pytest.mark.anyio

GET = b"GET /g HTTP/1.1\r\nHost: x\r\n\r\n"
HIDDEN = b"0\r\n\r\nGET /hidden HTTP/1.1\r\nHost: x\r\n\r\n"


def post(*headers: bytes, version: bytes = b"1.1") -> bytes:
    return b"POST /p HTTP/" + version + b"\r\n" + b"".join(line + b"\r\n" for line in (b"Host: x", *headers)) + b"\r\n"


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (post(b"Content-Length: 5", b"Transfer-Encoding: chunked") + HIDDEN, 400),
        (post(b"Transfer-Encoding: chunked", b"Content-Length: 5") + HIDDEN, 400),
        (post(b"Content-Length: 5", b"Content-Length: 6") + HIDDEN, 400),
        (post(b"Content-Length: 5", b"Content-Length: 5") + HIDDEN, 400),
        (post(b"Content-Length: 5, 6") + HIDDEN, 400),
        (post(b"Content-Length: +5") + HIDDEN, 400),
        (post(b"Content-Length: -5") + HIDDEN, 400),
        (post(b"Content-Length: 0x5") + HIDDEN, 400),
        (post(b"Content-Length: 99999999999999999999999") + HIDDEN, 400),
        (post(b"Content-Length : 5") + HIDDEN, 400),
        (post(b"Transfer-Encoding: xchunked") + HIDDEN, 501),
        (post(b"Transfer-Encoding: gzip, chunked") + HIDDEN, 501),
        (post(b"Transfer-Encoding: chunked, identity") + HIDDEN, 400),
        (post(b"Transfer-Encoding: identity") + HIDDEN, 501),
        (post(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked") + HIDDEN, 400),
        (post(b"Transfer-Encoding:\x0bchunked") + HIDDEN, 400),
        (post(b"Transfer-Encoding: chunked", version=b"1.0") + HIDDEN, 400),
        (post(b"X: 1", b" folded: 2") + HIDDEN, 400),
        (post(b"X: \x00") + HIDDEN, 400),
        (post(b"X") + HIDDEN, 400),
        (post(b"Host: y") + HIDDEN, 400),
        (b"GET /g HTTP/1.1\r\n\r\n", 400),
        (b"GET /g HTTP/1.1\nHost: x\n\n", 400),
        (b"GET /g HTTP/2.0\r\nHost: x\r\n\r\n", 505),
        (b"GET /g\r\n\r\n", 505),
        (b"GET /a b HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"GET /\xc3\xa4 HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"GET g HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"NONSENSE /g HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"CONNECT a:1 HTTP/1.1\r\nHost: x\r\n\r\nGET /hidden HTTP/1.1\r\n", 405),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
        (b"GET /" + b"a" * limits.MOST_HEAD_BYTES + b" HTTP/1.1\r\nHost: x\r\n\r\n", 431),
        (b"GET /g HTTP/1.1\r\nHost: x\r\n" + b"X: y\r\n" * limits.MOST_HEAD_BYTES, 431),
        (b"GET /g HTTP/1.1\r\nX: " + b"y" * 4 * limits.MOST_HEAD_BYTES, 431),
    ],
    ids=lambda value: value[:70].decode("latin-1") if isinstance(value, bytes) else None,
)
async def test_it_is_refused_with_an_outcome_and_the_connection_ends(served: Served, sent: bytes, status: int) -> None:
    client = await served.ask(sent)
    found, headers, body = await client.answer()
    assert (found, headers["connection"]) == (status, "close")
    issue = json.loads(body)["issue"][0]
    assert issue["severity"] == "error" and issue["diagnostics"]
    assert await client.rest() == b""
    assert served.told.asked == []


async def test_what_was_asked_before_is_answered_first(served: Served) -> None:
    client = await served.ask(GET * 3 + b"nonsense\r\n\r\n")
    assert [(await client.answer())[0] for _ in range(4)] == [200, 200, 200, 400]


@pytest.mark.parametrize("chunks", [b"5\r\nhelloXX0\r\n\r\n", b"z\r\nhello\r\n", b"5\nhello\r\n", b"-1\r\n\r\n"])
async def test_a_broken_chunk_ends_the_body(served: Served, chunks: bytes) -> None:
    client = await served.ask(post(b"Transfer-Encoding: chunked") + chunks + GET)
    status, headers, body = await client.answer()
    assert (status, headers["connection"], body) == (400, "close", b"broken off")
    assert served.told.asked == []


@pytest.mark.parametrize("last", ["close", "write_eof", "abort"])
async def test_a_client_that_ends_amid_its_body_is_not_taken_for_done(served: Served, last: str) -> None:
    client = await served.ask(post(b"Content-Length: 10") + b"half")
    while not (await served.connection()).busy:
        await asyncio.sleep(0.001)
    getattr(client.writer if last != "abort" else client.writer.transport, last)()
    while not served.told.broken_off:
        await asyncio.sleep(0.001)
    client.writer.close()
    await served.until_alone()
    assert served.told.asked == []


@pytest.mark.parametrize("sent", [b"G", b"GET /g HTTP/1.1\r\n", b"GET /g HTTP/1.1\r\nHost: x\r\nX: y"])
async def test_a_head_must_come_in_time(served: Served, sent: bytes) -> None:
    client = await served.ask(sent)
    while not (await served.connection()).reader.in_head:
        await asyncio.sleep(0.001)
    await served.later(limits.HEAD_SECONDS)
    await served.later(limits.HEAD_SECONDS + 1)
    status, _, body = await client.answer()
    assert status == 408 and json.loads(body)["issue"][0]["code"] == "timeout"


async def test_a_body_must_go_on(served: Served) -> None:
    client = await served.ask(post(b"Content-Length: 10") + b"half")
    while not (await served.connection()).busy:
        await asyncio.sleep(0.001)
    await served.later(limits.SILENT_SECONDS)
    await served.later(limits.SILENT_SECONDS + 1)
    assert (await client.answer())[::2] == (400, b"broken off")


async def test_an_idle_connection_is_closed_and_a_busy_one_is_not(served: Served) -> None:
    client = await served.ask(GET)
    await client.answer()
    await served.later(limits.IDLE_SECONDS)
    await client.send(GET.replace(b"/g", b"/held"))
    while not (await served.connection()).busy:
        await asyncio.sleep(0.001)
    await served.later(10 * limits.IDLE_SECONDS)
    served.told.held.set()
    assert (await client.answer())[0] == 200
    await served.later(limits.IDLE_SECONDS + 1)
    assert await client.rest() == b""


async def test_a_client_that_takes_nothing_of_its_answer_is_cut_off(served: Served) -> None:
    await served.ask(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n" * 20)
    connection = await served.connection()
    while connection.stalled is None:
        await asyncio.sleep(0.001)
    await asyncio.sleep(0.05)
    assert len(served.told.asked) == 1, "the next answer is not made while nobody takes the first"
    await served.later(0)
    await served.later(limits.STALLED_SECONDS + 1)
    await served.until_alone()


async def test_a_client_that_does_not_close_after_its_last_answer_is_cut_off(served: Served) -> None:
    client = await served.ask(b"nonsense\r\n\r\n")
    await client.answer()
    await served.later(limits.LINGER_SECONDS + 1)
    await served.until_alone()
