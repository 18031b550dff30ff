"""The message log over HTTP."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from prometheus_client import CollectorRegistry, generate_latest

from fhir_server.core.ports import OPEN, Caller
from interfaces.hl7v2.configuration import Interfaces, Listener, Sender
from interfaces.hl7v2.http.application import Hl7Application
from interfaces.hl7v2.http.metrics import families
from interfaces.hl7v2.http.openapi import paths
from interfaces.hl7v2.http.routes import ROUTES
from tests.conftest import issue_of
from tests.unit.interfaces.hl7v2.conftest import Open
from tests.unit.interfaces.hl7v2.test_states import until
from tests.unit.interfaces.hl7v2.traffic import Station, message

pytestmark = pytest.mark.anyio


async def everybody(scope: dict[str, Any]) -> Caller:
    """Open mode."""
    return OPEN


@pytest.fixture
async def http(station: Station) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=Hl7Application(station.interface, 200_000, everybody))
    async with httpx.AsyncClient(transport=transport, base_url="http://h.test") as http:
        yield http


async def test_an_upload_is_answered_like_a_frame(http: httpx.AsyncClient, station: Station):
    answer = await http.post("/hl7/upload", content=message("1"))
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "x-application/hl7-v2+er7"
    assert b"MSA|AA|1" in answer.content
    assert await station.states() == ["done"]
    assert b"MSA|AA|2" in (await http.post("/hl7/upload", content=message("2", accept="NE", application="AL"))).content


async def test_the_log_is_searched(http: httpx.AsyncClient):
    for number, patient in enumerate("ABA"):
        await http.post("/hl7/upload", content=message(str(number), patient))
    await http.post("/hl7/upload", content=message("bad", ""))

    async def controls(**query: Any) -> list[str]:
        return [row["control"] for row in (await http.get("/hl7/messages", params=query)).json()["messages"]]

    assert await controls() == ["bad", "2", "1", "0"]
    assert await controls(patient="A") == ["2", "0"]
    assert await controls(state="failed") == ["bad"]
    assert await controls(sender="LAB|H", kind="ORU", limit=2) == ["bad", "2"]
    assert await controls(text="no PID") == ["bad"]
    assert await controls(text="%") == []
    assert await controls(since="2026-09-01", until="2026-09-02T00:00:00Z") == []
    first = (await http.get("/hl7/messages?limit=2")).json()
    assert await controls(before=first["next"]) == ["1", "0"]


async def test_a_message_is_shown_with_its_segments_and_what_it_made(http: httpx.AsyncClient):
    await http.post("/hl7/upload", content=message("1", values=("1", "2")))
    shown = (await http.get("/hl7/messages/1")).json()
    assert [segment["name"] for segment in shown["segments"]] == ["MSH", "PID", "OBX", "OBX"]
    assert shown["segments"][0]["fields"][0] == {"number": 2, "text": "^~\\&"}
    assert shown["segments"][1]["fields"][1] == {"number": 3, "text": "100^^^H^MR"}
    assert [link.split("/")[0] for link in shown["links"]] == ["Patient", "Observation", "Observation"]
    assert (await http.get("/hl7/messages/1/raw")).content == message("1", values=("1", "2"))


async def test_bytes_of_another_character_set_are_shown(http: httpx.AsyncClient):
    await http.post("/hl7/upload", content=message("1", charset="ASCII").replace(b"DOE^JANE", b"DOE^JANE|D\xd6E"))
    shown = (await http.get("/hl7/messages/1")).json()
    assert shown["segments"][1]["fields"][-1] == {"number": 6, "text": "D\\xd6E"}


async def test_a_message_is_corrected_replayed_and_dismissed(http: httpx.AsyncClient, station: Station):
    await http.post("/hl7/upload", content=message("1", patient=""))
    corrected = await http.post("/hl7/messages/1/correct?reason=typo", content=message("1"))
    assert corrected.status_code == 202
    await until(station, lambda states: states == ["done"])
    assert (await http.post("/hl7/messages/1/replay", json={"reason": "once more"})).status_code == 202
    await until(station, lambda states: states == ["done"])
    await http.post("/hl7/upload", content=message("2", patient=""))
    assert (await http.post("/hl7/messages/2/dismiss", json={"reason": "a test"})).status_code == 200
    assert (await http.post("/hl7/messages/replay", json={"state": "done"})).json() == {"replayed": 1}
    assert (await http.post("/hl7/messages/replay", json={"alarm": True})).json() == {"replayed": 0}


async def test_a_correction_is_put_into_the_character_set_of_its_message(http: httpx.AsyncClient, station: Station):
    await http.post("/hl7/upload", content=message("1", "", charset="8859/1"))
    as_utf_8 = {"content-type": "x-application/hl7-v2+er7; charset=utf-8"}
    right = message("1", charset="8859/1").replace(b"DOE", "MÜLLER".encode())
    await http.post("/hl7/messages/1/correct", content=right, headers=as_utf_8)
    await until(station, lambda states: states == ["done"])
    assert (await http.get("/hl7/messages/1/raw")).content == right.decode().encode("latin-1")
    unknown = {"content-type": as_utf_8["content-type"].replace("utf-8", "zlib")}
    for wrong, headers in (
        (right.replace("Ü".encode(), "Ł".encode()), as_utf_8),
        (right.replace("Ü".encode(), b"\xdc"), as_utf_8),
        (right, unknown),
    ):
        answer = await http.post("/hl7/messages/1/correct", content=wrong, headers=headers)
        assert answer.status_code == 400
        assert issue_of(answer)["diagnostics"]


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/hl7/nothing", None, 404),
        ("GET", "/hl7/messages/99", None, 404),
        ("GET", "/hl7/messages/1/raw?revision=7", None, 404),
        ("GET", "/hl7/messages?state=lost", None, 400),
        ("GET", "/hl7/messages?since=yesterday", None, 400),
        ("GET", "/hl7/messages?colour=red", None, 400),
        ("GET", "/hl7/messages?before=x", None, 400),
        ("GET", "/hl7/messages?alarm=perhaps", None, 400),
        ("GET", "/hl7/messages/1?colour=red", None, 400),
        ("POST", "/hl7/messages/1/replay", b'{"because": "of it"}', 400),
        ("DELETE", "/hl7/messages/1", None, 405),
        ("POST", "/hl7/messages/1/dismiss", b"{}", 400),
        ("POST", "/hl7/messages/1/dismiss", b"[]", 400),
        ("POST", "/hl7/messages/1/dismiss", b"{", 400),
        ("POST", "/hl7/messages/1/dismiss", b'{"reason": "done is done"}', 422),
        ("POST", "/hl7/messages/1/correct", b"no message", 400),
        ("POST", "/hl7/messages/1/correct", message("1", sender="ELSE"), 400),
        ("POST", "/hl7/messages/replay", b'{"colour": "red"}', 400),
        ("POST", "/hl7/upload", b"", 400),
        ("POST", "/hl7/upload", b"x" * 300_000, 413),
        ("POST", "/hl7/letters/5/resend", b"{}", 404),
    ],
)
async def test_mistakes_are_told(http: httpx.AsyncClient, method: str, path: str, body: bytes | None, status: int):
    await http.post("/hl7/upload", content=message("1"))
    answer = await http.request(method, path, content=body)
    assert answer.status_code == status, answer.text
    assert issue_of(answer)["diagnostics"]


async def metrics(station: Station) -> str:
    registry = CollectorRegistry()
    made = await families(station.interface)
    registry.register(type("Made", (), {"collect": lambda self: iter(made)})())
    return generate_latest(registry).decode()


async def test_the_status_and_the_metrics_tell_what_waits(http: httpx.AsyncClient, station: Station):
    await http.post("/hl7/upload", content=message("1"))
    await http.post("/hl7/upload", content=message("1"))
    await http.post("/hl7/upload", content=message("2", patient=""))
    status = (await http.get("/hl7/status")).json()
    assert status["listeners"][0]["port"] == station.port
    assert {(row["sender"], row["state"]): row["count"] for row in status["messages"]} == {
        ("LAB|H", "done"): 1,
        ("LAB|H", "failed"): 1,
    }
    text = await metrics(station)
    for event, count in (("new", 2), ("duplicate", 1), ("done", 1), ("failed", 1)):
        assert f'hms_hl7_events_total{{event="{event}",sender="other"}} {count}.0' in text
    assert 'hms_hl7_messages{sender="other",state="failed"} 1.0' in text


async def test_metrics_name_the_senders_that_the_file_names(open_station: Open):
    senders = {"LAB|H": Sender(), "RIS": Sender(), "default": Sender()}
    station = await open_station(Interfaces(listener={"lab": Listener(port=0)}, sender=senders))
    async with station.client() as client:
        for number, name in enumerate(("LAB", "RIS", "default", "x1", "x2", "x3")):
            await client.ask(message(str(number), sender=name))
    text = await metrics(station)
    for name, count in (("LAB|H", 1), ("RIS", 1), ("other", 4)):
        assert f'hms_hl7_events_total{{event="new",sender="{name}"}} {count}.0' in text
        assert f'hms_hl7_messages{{sender="{name}",state="done"}} {count}.0' in text
    assert "x1" not in text and "default" not in text


async def test_connections_of_all_workers_are_counted(station: Station):
    store = station.interface.store
    await store.alive("other/1/1", 2**60, {"lab": 3})
    await store.alive("dead/1/1", 0, {"lab": 5})
    async with station.client() as client:
        await client.ask(message("1"))
        assert 'hms_hl7_connections{listener="lab"} 4.0' in await metrics(station)


async def test_what_openapi_says_is_there(http: httpx.AsyncClient):
    documented = paths()
    assert set(documented) == {route.path for route in ROUTES}
    for path, operations in documented.items():
        for method in set(operations) - {"servers"}:
            answer = await http.request(method.upper(), path.replace("{id}", "4711"), content=b"")
            assert answer.status_code != 405 and "There is nothing at" not in answer.text, (path, json.dumps(method))
