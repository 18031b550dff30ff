"""Reads, searches and histories that are answered without ASGI: what they say, and which requests are none."""

from __future__ import annotations

import asyncio
import gzip
from typing import Any

import httpx
import pytest
from msgspec import structs

from fhir_server.core.settings import Settings
from fhir_server.rest.metrics import request_times
from fhir_server.rest.request_times import Label
from tests.conftest import BASE, Fhir, running

pytestmark = [pytest.mark.anyio, pytest.mark.embedded("whose reads wait for nothing")]

DIV = f'<div xmlns="http://www.w3.org/1999/xhtml">{"long " * 6000}</div>'
ACCEPT = (b"accept", b"application/fhir+json")


async def at_once(fhir: Fhir, path: str, *headers: tuple[bytes, bytes], method: str = "GET", query: bytes = b"") -> Any:
    """Status, headers and body of what is answered at once; None for what is not."""
    assert fhir.application is not None
    scope = {"method": method, "query_string": query, "raw_path": f"/fhir/{path}".encode(), "scheme": "http"}
    scope |= {"headers": ((b"host", b"fhir.test"), *headers), "client": ("10.0.0.1", 4711)}
    answered = asyncio.get_running_loop().create_future()
    at_once = fhir.application.at_once
    if at_once is None or not at_once(scope, lambda *answer: answered.set_result(answer)):
        return None
    return await answered


async def by_asgi(fhir: Fhir, path: str, **headers: str) -> httpx.Response:
    """What is answered otherwise."""
    application: Any = fhir.application
    transport = httpx.ASGITransport(application, client=("10.0.0.1", 4711))
    async with httpx.AsyncClient(transport=transport) as http:
        http.headers.clear()
        return await http.get(f"{BASE}/{path}", headers=headers)


async def test_they_say_what_any_read_says_and_are_counted(fhir: Fhir) -> None:
    where = await fhir.create({"resourceType": "Patient", "id": "a", "birthDate": "1970-01-01"})
    await fhir.put(where, {"resourceType": "Patient", "id": "a", "birthDate": "1970-01-02"})
    usual = await by_asgi(fhir, where)
    before = sum(request_times().all()[Label("read", "Patient", 200)][:-1])
    for headers in ((ACCEPT,), ()):
        status, given, body = await at_once(fhir, where, *headers)
        assert (status, body) == (200, usual.content)
        assert {name.decode(): value.decode() for name, value in given} == dict(usual.headers)
    assert sum(request_times().all()[Label("read", "Patient", 200)][:-1]) == before + 2


async def test_what_shapes_an_answer_is_for_asgi(fhir: Fhir) -> None:
    where = await fhir.create({"resourceType": "Patient", "id": "a"})
    assert await at_once(fhir, where) is not None
    for header in (
        (b"accept", b"application/fhir+xml"),
        (b"accept", b"image/png"),
        (b"if-none-match", b'W/"1"'),
        (b"if-modified-since", b"Tue, 24 Nov 2026 08:00:00 GMT"),
        (b"origin", b"https://app.test"),
        (b"x-request-id", b"a1"),
    ):
        assert await at_once(fhir, where, header) is None
    assert await at_once(fhir, where, query=b"_summary=true") is None
    assert await at_once(fhir, where, method="HEAD") is None
    for path in ("Patient", f"{where}/_history/1", f"{where}/$meta", "Patient/$export", "_history", "metadata"):
        assert await at_once(fhir, path) is None


async def test_so_are_errors_and_what_is_no_json_or_very_large(fhir: Fhir) -> None:
    deleted = await fhir.create({"resourceType": "Patient"})
    assert (await fhir("DELETE", deleted)).status_code == 204
    binary = await fhir.create({"resourceType": "Binary", "contentType": "text/plain", "data": "YQ=="})
    large = await fhir.create({"resourceType": "Basic", "code": {"text": "x" * 300_000}})
    for path in (deleted, binary, "Patient/none", "Nothing/1", "Patient/a%2Fb", "Patient/*"):
        assert await at_once(fhir, path) is None
    assert await at_once(fhir, large, (b"accept-encoding", b"gzip")) is None
    assert await at_once(fhir, large) is not None


async def test_where_it_matters_from_where_somebody_asks_nothing_is_answered_at_once(settings: Settings) -> None:
    async with running(settings) as first:
        where = await first.create({"resourceType": "Patient", "id": "a"})
        assert await at_once(first, where) is not None
    async with running(structs.replace(settings, allowed_networks=("10.0.0.0/8",))) as fhir:
        assert await at_once(fhir, where) is None


async def test_histories_say_what_they_say_otherwise(fhir: Fhir) -> None:
    where = await fhir.create({"resourceType": "Patient", "id": "a"})
    await fhir.put(where, {"resourceType": "Patient", "id": "a", "active": True})
    await fhir.create({"resourceType": "Patient", "id": "b", "text": {"status": "generated", "div": DIV}})
    await fhir("DELETE", where)
    for path, query in (
        (f"{where}/_history", ""),
        (f"{where}/_history", "_count=2"),
        ("Patient/_history", ""),
        ("Patient/_history", "_count=1"),
        ("Observation/_history", ""),
    ):
        for headers in ({}, {"accept-encoding": "gzip"}):
            usual = await by_asgi(fhir, f"{path}?{query}".rstrip("?"), **headers)
            sent = [(name.encode(), value.encode()) for name, value in headers.items()]
            status, given, body = await at_once(fhir, path, *sent, query=query.encode())
            assert {name.decode(): value.decode() for name, value in given} == dict(usual.headers), (path, query)
            plain = gzip.decompress(body) if usual.headers.get("content-encoding") else body
            assert (status, plain) == (200, usual.content)


async def test_what_else_may_be_asked_of_a_history_is_for_asgi(fhir: Fhir) -> None:
    where = await fhir.create({"resourceType": "Patient", "id": "a"})
    assert await at_once(fhir, f"{where}/_history") is not None
    for query in ("_since=2020-01-01", "_count=0", "_count=100", "_count=1&_summary=true", "_format=xml", "name=a"):
        assert await at_once(fhir, f"{where}/_history", query=query.encode()) is None, query
    for path in ("Patient/none/_history", "Nothing/_history", "AuditEvent/_history", "Binary/a/_history"):
        assert await at_once(fhir, path) is None, path


async def test_what_another_has_stored_is_read(fhir: Fhir) -> None:
    where = await fhir.create({"resourceType": "Patient", "id": "a"})
    assert (await at_once(fhir, where))[1][0] == (b"etag", b'W/"1"')
    async with running(fhir.server.settings) as other:
        await other.put(where, {"resourceType": "Patient", "id": "a", "active": True})
    assert (await at_once(fhir, where))[1][0] == (b"etag", b'W/"2"')


MRN = "http://hospital.test/mrn"


async def patient(fhir: Fhir, *codes: str, **more: Any) -> str:
    return await fhir.create(
        {"resourceType": "Patient", "identifier": [{"system": MRN, "value": code} for code in codes], **more}
    )


@pytest.mark.parametrize(
    "query",
    [
        f"identifier={MRN}|1",
        "identifier=http%3A%2F%2Fhospital.test%2Fmrn%7C1",
        f"identifier={MRN}|many",
        f"identifier={MRN}|none",
        f"identifier={MRN}|a+b%C3%A9",
        f"identifier={MRN}|",
        "identifier=|1",
        "gender=http://hl7.org/fhir/administrative-gender|female",
    ],
)
async def test_a_search_by_one_code_says_what_it_says_otherwise(fhir: Fhir, query: str) -> None:
    await patient(fhir, "1", gender="female")
    await patient(fhir, "a b\u00e9")
    for _ in range(25):
        await patient(fhir, "many")
    usual = await by_asgi(fhir, f"Patient?{query}")
    for headers in ((ACCEPT,), ()):
        status, given, body = await at_once(fhir, "Patient", *headers, query=query.encode())
        assert (status, body) == (200, usual.content)
        assert {name.decode() for name, _ in given} == set(usual.headers)


async def test_what_else_may_be_asked_of_a_search_is_for_asgi(fhir: Fhir) -> None:
    await patient(fhir, "1")
    asked = f"identifier={MRN}|1"
    assert await at_once(fhir, "Patient", query=asked.encode()) is not None
    for header in ((b"prefer", b"handling=lenient"), (b"accept", b"application/fhir+xml"), (b"x-request-id", b"a1")):
        assert await at_once(fhir, "Patient", header, query=asked.encode()) is None
    for query in (
        f"{asked}&_count=1",
        f"{asked},{MRN}|2",
        "identifier=1",
        "name=a",
        "identifier:not=a|b",
        "none=a|b",
        "_tag=a|b",
        "identifier=a|b%7Cc",
        "identifier=%ff|b",
    ):
        assert await at_once(fhir, "Patient", query=query.encode()) is None, query
    for path in ("Nothing", "metadata", "", "Patient/a"):
        assert await at_once(fhir, path, query=asked.encode()) is None
    assert await at_once(fhir, "Patient", query=asked.encode(), method="HEAD") is None


async def test_a_search_sees_what_another_has_stored(fhir: Fhir) -> None:
    await patient(fhir, "1")
    query = f"identifier={MRN}|2".encode()
    assert b'"entry"' not in (await at_once(fhir, "Patient", query=query))[2]
    async with running(fhir.server.settings) as other:
        where = await patient(other, "2")
    assert f"/{where}".encode() in (await at_once(fhir, "Patient", query=query))[2]


async def test_a_search_does_not_pass_a_parameter_that_another_has_just_stored(fhir: Fhir) -> None:
    await patient(fhir, "1")
    assert await at_once(fhir, "Patient", query=f"identifier={MRN}|1".encode()) is not None
    async with running(fhir.server.settings) as other:
        await other.create(
            {
                "resourceType": "SearchParameter",
                "url": "http://hospital.test/SearchParameter/nick",
                "name": "nick",
                "status": "active",
                "description": "Nicknames.",
                "code": "nick",
                "base": ["Patient"],
                "type": "string",
                "expression": "Patient.name.where(use = 'nickname').given",
            }
        )
        assert await at_once(fhir, "Patient", query=f"identifier={MRN}|1".encode()) is None
    await fhir.get("Patient?nick=a")
    assert await at_once(fhir, "Patient", query=f"identifier={MRN}|1".encode()) is not None
