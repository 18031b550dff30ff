"""What a secured server answers without ASGI: to whom, what is noted of it, and not before that is kept."""

from __future__ import annotations

import asyncio
import os
import threading
from typing import Any

import pytest
from msgspec.structs import replace

from tests.conftest import Fhir
from tests.system.security.test_audit import full
from tests.system.security.test_committed_events import kept
from tests.system.security.test_scopes import Asking
from tests.system.test_plain_reads import at_once, by_asgi

pytestmark = [pytest.mark.anyio, pytest.mark.embedded("whose reads wait for nothing")]

NOTED = (
    ("Patient/me", ""),
    ("Observation/theirs", ""),
    ("Patient/me/_history", ""),
    ("Observation/_history", "_count=2"),
    ("Observation", "code=http://loinc.org|8867-4"),
)


async def shown(fhir: Fhir, scope: str, **more: Any) -> tuple[bytes, bytes]:
    """The header with a token that was shown before."""
    ask = Asking(fhir, scope, **more)
    assert (await ask("metadata")).status_code == 200
    return b"authorization", ask.headers["authorization"].encode()


@pytest.mark.parametrize(("path", "query"), NOTED)
async def test_it_says_and_has_noted_what_it_has_otherwise(hospital: Fhir, path: str, query: str) -> None:
    token = await shown(hospital, "user/*.rs")
    before = len(kept(hospital))
    usual = await by_asgi(hospital, f"{path}?{query}".rstrip("?"), authorization=token[1].decode())
    status, headers, body = await at_once(hospital, path, token, query=query.encode())
    assert {name.decode(): value.decode() for name, value in headers} == dict(usual.headers)
    assert (status, body) == (200, usual.content) and usual.headers["cache-control"] == "no-store"
    one, other = kept(hospital)[before:]
    assert replace(one, recorded=0) == replace(other, recorded=0)
    assert (one.status, one.address) == (200, "10.0.0.1") and one.patients


async def test_it_is_for_whoever_sees_all_of_the_type(hospital: Fhir) -> None:
    async def answered(token: tuple[bytes, bytes]) -> list[str]:
        found = [(path, await at_once(hospital, path, token, query=query.encode())) for path, query in NOTED]
        return [path for path, answer in found if answer is not None]

    everything = [path for path, _ in NOTED]
    assert await answered(await shown(hospital, "user/*.cruds")) == everything
    assert await answered(await shown(hospital, "user/Patient.r")) == ["Patient/me", "Patient/me/_history"]
    assert await answered(await shown(hospital, "user/Observation.s")) == ["Observation/_history", "Observation"]
    laboratory = "user/Observation.s?category=laboratory user/Observation.r"
    assert await answered(await shown(hospital, laboratory)) == ["Observation/theirs"]
    assert await answered(await shown(hospital, "patient/*.rs", patient="me")) == []
    assert await answered((b"authorization", b"Bearer none")) == []
    assert await answered((b"accept", b"*/*")) == []


async def test_a_token_that_was_revoked_is_nobodys(hospital: Fhir) -> None:
    token = await shown(hospital, "user/*.rs")
    assert await at_once(hospital, "Patient/me", token) is not None
    await hospital.server.security.store.revoke_family("family")
    assert await at_once(hospital, "Patient/me", token) is None


async def test_nothing_is_given_out_that_can_not_be_noted(hospital: Fhir, monkeypatch: pytest.MonkeyPatch) -> None:
    token = await shown(hospital, "user/*.rs")
    assert (await at_once(hospital, "Patient/me", token))[0] == 200
    monkeypatch.setattr(os, "pwrite", full)
    status, headers, body = await at_once(hospital, "Patient/me", token)
    assert status == 503 and b"Ada" not in body
    assert {b"retry-after", b"content-length", b"cache-control", b"vary"} <= {name for name, _ in headers}


async def test_nothing_is_given_out_before_it_is_noted(hospital: Fhir, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("LATE", -1.0), ("PAUSE", 1e9)):  # the thread flushes
        monkeypatch.setattr(f"fhir_server.security.audit.recorder.{name}", value)
    token = await shown(hospital, "user/*.rs")
    for _ in range(2):  # the first makes the journal
        await at_once(hospital, "Patient/me", token)
    begun, going_on, write = threading.Event(), threading.Event(), os.pwrite

    def held(*given: Any) -> int:
        begun.set()
        going_on.wait(10)
        return write(*given)

    monkeypatch.setattr(os, "pwrite", held)
    answer = asyncio.ensure_future(at_once(hospital, "Patient/me", token))
    await asyncio.to_thread(begun.wait, 10)
    for _ in range(20):
        await asyncio.sleep(0)
    assert not answer.done()
    going_on.set()
    assert (await answer)[0] == 200


async def test_what_takes_several_events_is_for_asgi(hospital: Fhir, monkeypatch: pytest.MonkeyPatch) -> None:
    token = await shown(hospital, "user/*.rs")
    before = len(kept(hospital))
    monkeypatch.setattr("fhir_server.security.audit.event.MOST_PATIENTS", 1)
    assert await at_once(hospital, "Observation/_history", token) is None
    assert len(kept(hospital)) == before
