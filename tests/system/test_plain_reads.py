"""Reads that are answered without ASGI: what they say, and which requests are none."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import structs

from fhir_server.core.settings import Settings
from fhir_server.rest.metrics import request_times
from fhir_server.rest.request_times import Label
from tests.conftest import Fhir, running

pytestmark = [pytest.mark.anyio, pytest.mark.embedded("whose reads wait for nothing")]

ACCEPT = (b"accept", b"application/fhir+json")


def at_once(fhir: Fhir, path: str, *headers: tuple[bytes, bytes], method: str = "GET", query: bytes = b"") -> Any:
    assert fhir.application is not None
    scope = {"method": method, "query_string": query, "raw_path": f"/fhir/{path}".encode(), "headers": headers}
    return fhir.application.at_once(scope)


async def test_they_say_what_any_read_says_and_are_counted(fhir: Fhir) -> None:
    where = await fhir.create({"resourceType": "Patient", "id": "a", "birthDate": "1970-01-01"})
    await fhir.put(where, {"resourceType": "Patient", "id": "a", "birthDate": "1970-01-02"})
    usual = await fhir.get(where)
    before = sum(request_times().all()[Label("read", "Patient", 200)][:-1])
    for headers in ((ACCEPT,), ()):
        status, given, body = at_once(fhir, where, *headers)
        assert (status, body) == (200, usual.content)
        assert {name.decode(): value.decode() for name, value in given} == dict(usual.headers)
    assert sum(request_times().all()[Label("read", "Patient", 200)][:-1]) == before + 2


async def test_what_shapes_an_answer_is_for_asgi(fhir: Fhir) -> None:
    where = await fhir.create({"resourceType": "Patient", "id": "a"})
    assert at_once(fhir, where) is not None
    for header in (
        (b"accept", b"application/fhir+xml"),
        (b"accept", b"image/png"),
        (b"if-none-match", b'W/"1"'),
        (b"if-modified-since", b"Tue, 24 Nov 2026 08:00:00 GMT"),
        (b"origin", b"https://app.test"),
        (b"x-request-id", b"a1"),
    ):
        assert at_once(fhir, where, header) is None
    assert at_once(fhir, where, query=b"_summary=true") is None
    assert at_once(fhir, where, method="HEAD") is None
    for path in ("Patient", f"{where}/_history", f"{where}/$meta", "Patient/$export", "Patient/_history", "metadata"):
        assert at_once(fhir, path) is None


async def test_so_are_errors_and_what_is_no_json_or_large(fhir: Fhir) -> None:
    deleted = await fhir.create({"resourceType": "Patient"})
    assert (await fhir("DELETE", deleted)).status_code == 204
    binary = await fhir.create({"resourceType": "Binary", "contentType": "text/plain", "data": "YQ=="})
    large = await fhir.create({"resourceType": "Basic", "code": {"text": "x" * 30_000}})
    for path in (deleted, binary, large, "Patient/none", "Nothing/1", "Patient/a%2Fb", "Patient/*"):
        assert at_once(fhir, path) is None


@pytest.mark.parametrize(
    "watched", [{"allowed_networks": ["10.0.0.0/8"]}, {"security": "smart"}, {"audit": "on"}], ids=str
)
async def test_where_it_matters_who_asks_nothing_is_answered_at_once(settings: Settings, watched: dict) -> None:
    async with running(settings) as first:
        where = await first.create({"resourceType": "Patient", "id": "a"})
        assert at_once(first, where) is not None
    async with running(structs.replace(settings, **watched)) as fhir:
        assert at_once(fhir, where) is None


async def test_what_another_has_stored_is_read(fhir: Fhir) -> None:
    where = await fhir.create({"resourceType": "Patient", "id": "a"})
    assert at_once(fhir, where)[1][0] == (b"etag", b'W/"1"')
    async with running(fhir.server.settings) as other:
        await other.put(where, {"resourceType": "Patient", "id": "a", "active": True})
    assert at_once(fhir, where)[1][0] == (b"etag", b'W/"2"')
