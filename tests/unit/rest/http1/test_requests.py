"""What well-formed requests get, however their bytes are cut."""

from __future__ import annotations

import asyncio
import json

import pytest

from tests.unit.rest.http1.conftest import Served

pytestmark = pytest.mark.anyio

GET = b"GET /a%20b?c=d HTTP/1.1\r\nHost: x\r\nX-Mixed: Case\r\n\r\n"
POST = b"POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = (
    b"POST /p HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"3\r\nhel\r\n2;ext=1\r\nlo\r\n0\r\nTrailer: x\r\n\r\n"
)


def bytewise(data: bytes) -> list[bytes]:
    return [data[number : number + 1] for number in range(len(data))]


async def test_path_query_and_headers_reach_the_application(served: Served) -> None:
    client = await served.ask(GET)
    status, headers, body = await client.answer()
    assert (status, json.loads(body)["path"], json.loads(body)["query"]) == (200, "/a b", "c=d")
    assert headers["date"].endswith("gmt")
    scope = served.told.asked[0]
    assert (b"x-mixed", b"Case") in scope["headers"]
    assert scope["raw_path"] == b"/a%20b"
    assert (scope["scheme"], scope["client"][0], scope["server"][1]) == ("http", "127.0.0.1", served.port)


@pytest.mark.parametrize("request_", [GET, POST, CHUNKED])
async def test_byte_by_byte_it_is_the_same_request(served: Served, request_: bytes) -> None:
    whole = await served.ask(request_)
    pieces = await served.ask(*bytewise(request_))
    assert (await whole.answer())[2] == (await pieces.answer())[2]


async def test_a_chunked_body_is_joined_and_trailers_are_no_headers(served: Served) -> None:
    client = await served.ask(CHUNKED)
    await client.answer()
    assert served.told.asked[0]["body"] == b"hello"
    assert b"trailer" not in dict(served.told.asked[0]["headers"])


async def test_a_connection_is_kept(served: Served) -> None:
    client = await served.connect()
    for request in (GET, POST, CHUNKED, GET):
        await client.send(request)
        assert (await client.answer())[0] == 200


async def test_pipelined_requests_are_answered_in_order(served: Served) -> None:
    requests = [b"GET /%d HTTP/1.1\r\nHost: x\r\n\r\n" % number for number in range(200)]
    client = await served.ask(b"".join(requests[:100]) + POST + b"".join(requests[100:]))
    paths = [json.loads((await client.answer())[2])["path"] for _ in range(201)]
    assert paths == [*(f"/{number}" for number in range(100)), "/p", *(f"/{number}" for number in range(100, 200))]


async def test_the_next_request_waits_for_the_answer_before_it(served: Served) -> None:
    client = await served.ask(GET.replace(b"/a%20b", b"/held") + GET)
    while not (await served.connection()).busy:
        await asyncio.sleep(0.001)
    assert served.told.asked == []
    served.told.held.set()
    assert json.loads((await client.answer())[2])["path"] == "/held"
    assert json.loads((await client.answer())[2])["path"] == "/a b"


async def test_too_many_pipelined_requests_are_refused_after_the_answers(served: Served) -> None:
    client = await served.ask(b"GET /held HTTP/1.1\r\nHost: x\r\n\r\n" + GET * 1500)
    served.told.held.set()
    everything = await client.rest()
    assert everything.count(b"HTTP/1.1 200") == 1001
    assert everything.count(b"HTTP/1.1 400") == 1


async def test_head_has_the_length_and_no_body(served: Served) -> None:
    client = await served.ask(GET.replace(b"GET", b"HEAD") + GET)
    status, headers = await client.head()
    assert status == 200 and int(headers["content-length"]) > 0
    assert (await client.answer())[2].startswith(b'{"method"')


async def test_head_tells_no_length_that_the_application_does_not_know(served: Served) -> None:
    bare = b"GET /bare HTTP/1.1\r\nHost: x\r\n\r\n"
    client = await served.ask(bare.replace(b"GET", b"HEAD") + bare + GET)
    status, headers = await client.head()
    assert status == 200 and "content-length" not in headers
    status, headers, body = await client.answer()
    assert (status, headers["content-length"], body) == (200, "0", b"")
    assert (await client.answer())[2].startswith(b'{"method"')


async def test_connection_close_closes_and_what_follows_is_not_read(served: Served) -> None:
    client = await served.ask(GET.replace(b"\r\nX-", b"\r\nConnection: close\r\nX-") + GET)
    status, headers, _ = await client.answer()
    assert (status, headers["connection"]) == (200, "close")
    assert await client.rest() == b""
    assert len(served.told.asked) == 1


async def test_http_1_0_is_answered_and_closed(served: Served) -> None:
    client = await served.ask(b"GET /parts HTTP/1.0\r\n\r\n")
    everything = await client.rest()
    assert everything.endswith(b"\r\n\r\none two three") and b"chunked" not in everything


async def test_an_answer_of_unknown_length_is_chunked(served: Served) -> None:
    client = await served.ask(b"GET /parts HTTP/1.1\r\nHost: x\r\n\r\n" + GET)
    _, headers = await client.head()
    assert headers["transfer-encoding"] == "chunked"
    chunks = await client.reader.readuntil(b"0\r\n\r\n")
    assert chunks == b"4\r\none \r\n4\r\ntwo \r\n5\r\nthree\r\n0\r\n\r\n"
    assert (await client.answer())[0] == 200


async def test_100_continue_is_said_when_the_application_wants_the_body(served: Served) -> None:
    head, body = POST.replace(b"\r\n\r\nhello", b"\r\nExpect: 100-continue\r\n\r\n"), b"hello"
    client = await served.ask(head)
    assert (await client.head())[0] == 100
    await client.send(body)
    assert (await client.answer())[0] == 200
    refused = await served.ask(head.replace(b"/p", b"/early"))
    status, headers, _ = await refused.answer()
    assert (status, headers["connection"]) == (413, "close")


async def test_an_answer_before_the_body_can_be_read_by_a_client_that_goes_on_sending(served: Served) -> None:
    client = await served.ask(b"POST /early HTTP/1.1\r\nHost: x\r\nContent-Length: 9000000\r\n\r\n" + b"x" * 1000)
    await client.send(*[b"x" * 100_000] * 80)
    assert (await client.answer())[0] == 413
    assert await client.rest() == b""


async def test_a_large_body_arrives_whole(served: Served) -> None:
    client = await served.ask(b"POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 5000000\r\n\r\n", b"y" * 5_000_000)
    assert json.loads((await client.answer())[2])["body"] == 5_000_000


async def test_a_large_answer_arrives_whole_and_in_its_turn(served: Served) -> None:
    client = await served.ask(
        b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n" + GET + b"HEAD /large HTTP/1.1\r\nHost: x\r\n\r\n"
    )
    assert (await client.answer())[2] == b"x" * 8_000_000
    assert json.loads((await client.answer())[2])["path"] == "/a b"
    assert (await client.head())[1]["content-length"] == "8000000"


async def test_a_client_that_has_stopped_sending_gets_its_answer(served: Served) -> None:
    client = await served.ask(POST)
    client.writer.write_eof()
    assert (await client.answer())[0] == 200


async def test_an_upgrade_is_declined_and_the_connection_goes_on(served: Served) -> None:
    upgrade = b"\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nX-"
    client = await served.ask((GET.replace(b"\r\nX-", upgrade) + POST) * 3)
    assert [(await client.answer())[0] for _ in range(6)] == [200] * 6


async def test_a_whole_url_is_taken_for_its_path(served: Served) -> None:
    client = await served.ask(GET.replace(b"/a%20b", b"http://elsewhere/q"))
    assert json.loads((await client.answer())[2])["path"] == "/q"


async def test_a_value_can_not_bring_another_header(served: Served) -> None:
    client = await served.ask(b"GET /split HTTP/1.1\r\nHost: x\r\n\r\n")
    _, headers, body = await client.answer()
    assert "set-cookie" not in headers
    assert (headers["x-note"], body) == ("a  set-cookie: b=c ", b"ok")


async def test_an_application_that_fails_is_answered_for(served: Served) -> None:
    client = await served.ask(b"GET /fails HTTP/1.1\r\nHost: x\r\n\r\n")
    status, headers, body = await client.answer()
    assert (status, headers["connection"]) == (500, "close")
    assert json.loads(body)["resourceType"] == "OperationOutcome" and b"on purpose" not in body
