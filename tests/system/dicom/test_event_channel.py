"""Events of procedure steps over a WebSocket of a started server, to subscribers that are no peers."""

from __future__ import annotations

import asyncio
import json

import aiohttp
import httpx
import pytest
from pydicom.uid import generate_uid

from tests.system.dicom.conftest import until
from tests.system.dicom.procedure_steps import step
from tests.system.process import hms, serving
from tests.system.security.conftest import PASSWORD
from tests.system.security.started import prepare

JSON = {"content-type": "application/dicom+json"}
OPENING = {
    "connection": "Upgrade",
    "upgrade": "websocket",
    "sec-websocket-version": "13",
    "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
}


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    folder = tmp_path_factory.mktemp("channel")
    peers = folder / "peers.toml"
    peers.write_text('[[peer]]\nae_title = "PEER"\nhost = "127.0.0.1"\nport = 9\n')
    options = ("--dicom", "true", "--dicom-port", 0, "--dicom-reserve-mb", 0, "--dicom-peers", peers)
    options += ("--cors-origins", "https://viewer.example")
    with serving(folder / "data", *options) as server:
        yield f"{server.origin}/dicom-web"


def create(base):
    uid = str(generate_uid())
    made = step().to_json_dict()
    made.pop("00080018", None)
    assert httpx.post(f"{base}/workitems?{uid}", content=json.dumps([made]), headers=JSON).status_code == 201
    return uid


def cancel(base, uid):
    assert httpx.post(f"{base}/workitems/{uid}/cancelrequest").status_code == 202


def subscribe(base, uid, title):
    answer = httpx.post(f"{base}/workitems/{uid}/subscribers/{title}")
    assert answer.status_code == 201
    return answer.headers["content-location"]


async def told(socket, count):
    """States in so many events, with the steps that they are of."""
    found = []
    for _ in range(count):
        event = json.loads((await socket.receive(30)).data)
        assert event["00000002"]["Value"] == ["1.2.840.10008.5.1.4.34.6.4"] and event["00001002"]["Value"] == [1]
        found.append((event["00001000"]["Value"][0], event["00741000"]["Value"][0]))
    return found


def test_events_come_in_order_and_those_that_nobody_had_come_later(base):
    uid = create(base)
    url = subscribe(base, uid, "VIEWER")

    async def watch():
        async with aiohttp.ClientSession() as session:
            async with session.ws_connect(url) as socket:
                assert await told(socket, 1) == [(uid, "SCHEDULED")]
            await asyncio.to_thread(cancel, base, uid)
            async with session.ws_connect(url) as socket:
                return await told(socket, 2)

    assert asyncio.run(watch()) == [(uid, "IN PROGRESS"), (uid, "CANCELED")]


def test_a_later_channel_of_a_subscriber_ends_the_one_before(base):
    uid = create(base)
    url = subscribe(base, uid, "TWICE")

    async def watch():
        async with aiohttp.ClientSession() as session, session.ws_connect(url) as first:
            await told(first, 1)
            async with session.ws_connect(url) as second:
                ended = await first.receive(30)
                await asyncio.to_thread(cancel, base, uid)
                return ended.data, len(await told(second, 2))

    assert asyncio.run(watch()) == (1000, 2)


@pytest.mark.parametrize(
    ("headers", "status", "said"),
    [
        ({"upgrade": "h2c"}, 426, "Upgrade: websocket"),
        ({"sec-websocket-version": "8"}, 426, "version 13"),
        ({"sec-websocket-key": "short"}, 400, "16 bytes"),
        ({"origin": "https://elsewhere.example"}, 403, "cors_origins"),
    ],
)
def test_what_opens_no_channel_is_told_why(base, headers, status, said):
    answer = httpx.get(f"{base}/subscribers/VIEWER", headers={**OPENING, **headers})
    assert answer.status_code == status and said in answer.json()["issue"][0]["diagnostics"]


def test_a_peer_is_told_by_its_association_only(base):
    answer = httpx.get(f"{base}/subscribers/PEER", headers=OPENING)
    assert answer.status_code == 409 and "N-EVENT-REPORT" in answer.text


def test_a_token_is_needed_where_there_is_security(tmp_path):
    options = ("--dicom", "true", "--dicom-port", 0, "--dicom-reserve-mb", 0, "--security", "smart")
    prepare(tmp_path)
    with serving(tmp_path, *options) as server:
        channel = f"{server.origin}/dicom-web/subscribers/VIEWER"
        assert httpx.get(channel, headers=OPENING).status_code == 401
        with httpx.Client() as browser:
            page = browser.get(f"{server.origin}/auth/sign-in").text
            fields = {"name": "doc", "password": PASSWORD, "form": page.split('name="form" value="')[1][:64]}
            assert browser.post(f"{server.origin}/auth/sign-in", data=fields).status_code == 303
            assert browser.get(f"{server.origin}/dicom-web/workitems").status_code == 204
            assert browser.get(channel, headers=OPENING).status_code == 401
        token = hms("token", "--data", tmp_path, "--base-url", server.base).strip()
        shown = {"authorization": f"Bearer {token}", **OPENING}
        with httpx.stream("GET", channel, headers=shown) as answer:
            assert answer.status_code == 101


def test_what_a_channel_tells_is_in_the_audit_log(tmp_path):
    options = ("--dicom", "true", "--dicom-port", 0, "--dicom-reserve-mb", 0, "--security", "smart")
    with serving(tmp_path, *options) as server:
        token = hms("token", "--data", tmp_path, "--base-url", server.base).strip()
        shown, web = {"authorization": f"Bearer {token}"}, f"{server.origin}/dicom-web"
        patient = {"resourceType": "Patient", "id": "p1", "identifier": [{"value": "P1"}]}
        assert httpx.put(f"{server.base}/Patient/p1", json=patient, headers=shown).status_code == 201
        made = step(PatientID="P1").to_json_dict()
        made.pop("00080018", None)
        created = httpx.post(f"{web}/workitems?1.2.3", content=json.dumps([made]), headers={**JSON, **shown})
        assert created.status_code == 201

        def entries(search):
            return httpx.get(f"{server.base}/{search}", headers=shown).json().get("entry", [])

        until(lambda: entries("Task?patient=p1"))
        assert httpx.post(f"{web}/workitems/1.2.3/subscribers/VIEWER", headers=shown).status_code == 201

        async def watch():
            async with (
                aiohttp.ClientSession(headers=shown) as session,
                session.ws_connect(f"{web}/subscribers/VIEWER") as socket,
            ):
                return await told(socket, 1)

        assert asyncio.run(watch()) == [("1.2.3", "SCHEDULED")]
        kept = [entity for entry in entries("AuditEvent?patient=p1") for entity in entry["resource"]["entity"]]
        assert "dicom-web/subscribers/VIEWER" in [entity.get("what", {}).get("display") for entity in kept]
