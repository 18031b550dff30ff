"""R4 Subscriptions on a started server with two workers, and an endpoint that really receives."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import httpx
import pytest

from tests.system.process import Server, serving, serving_on
from tests.system.receiver import SECONDS, Receiver, receiving

LOINC = "http://loinc.org"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, engine: str) -> Iterator[Server]:
    options = ("--workers", 2, "--subscription-attempts", 3, "--subscription-pause-seconds", 1)
    with serving_on(engine, tmp_path_factory.mktemp("subscriptions") / "data", *options) as started:
        yield started


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as started:
        yield started


def subscription(receiver: Receiver, code: str, **channel: Any) -> dict[str, Any]:
    return {
        "resourceType": "Subscription",
        "status": "requested",
        "reason": "a test",
        "criteria": f"Observation?code={LOINC}|{code}",
        "channel": {"type": "rest-hook", "endpoint": receiver.url, **channel},
    }


def observation(code: str, **more: Any) -> dict[str, Any]:
    coded = {"coding": [{"system": LOINC, "code": code}]}
    return {"resourceType": "Observation", "status": "final", "code": coded, **more}


def store(server: Server, resource: dict[str, Any]) -> dict[str, Any]:
    type, id = resource["resourceType"], resource.get("id")
    url = f"{server.base}/{type}"
    answer = httpx.put(f"{url}/{id}", json=resource) if id else httpx.post(url, json=resource)
    assert answer.is_success, answer.text
    return answer.json()


def until(server: Server, id: str, status: str) -> dict[str, Any]:
    """The Subscription once it has a status."""
    deadline = time.monotonic() + SECONDS
    while (found := httpx.get(f"{server.base}/Subscription/{id}").json())["status"] != status:
        assert time.monotonic() < deadline, found
        time.sleep(0.02)
    return found


def end(server: Server, id: str) -> None:
    assert httpx.delete(f"{server.base}/Subscription/{id}").is_success


def test_what_matches_is_put_to_the_endpoint_with_its_headers_in_order(server: Server, receiver: Receiver) -> None:
    asked = subscription(
        receiver, "a", payload="application/fhir+json", header=["Authorization: Bearer secret", "X: 1"]
    )
    made = store(server, asked)
    assert made["status"] == "requested"
    stored = [store(server, observation("a", note=[{"text": str(number)}])) for number in range(5)]
    store(server, observation("other"))
    changed = store(server, {**stored[0], "status": "amended"})
    came = receiver.wait(6)
    assert [each.json for each in came] == [*stored, changed]
    assert [(each.method, each.path) for each in came[:1]] == [("PUT", f"/fhir/Observation/{stored[0]['id']}")]
    assert (came[0].headers["authorization"], came[0].headers["x"]) == ("Bearer secret", "1")
    assert came[0].headers["content-type"] == "application/fhir+json"
    until(server, made["id"], "active")
    end(server, made["id"])
    assert "secret" not in server.said()


def test_a_payload_in_xml_is_xml(server: Server, receiver: Receiver) -> None:
    made = store(server, subscription(receiver, "xml", payload="application/fhir+xml"))
    store(server, observation("xml"))
    came = receiver.wait(1)[0]
    assert came.headers["content-type"] == "application/fhir+xml"
    assert came.body.startswith(b"<") and b"Observation" in came.body
    end(server, made["id"])


def test_without_a_payload_an_empty_post_says_that_something_matched(server: Server, receiver: Receiver) -> None:
    made = store(server, subscription(receiver, "empty"))
    store(server, observation("empty"))
    came = receiver.wait(1)[0]
    assert (came.method, came.path, came.body) == ("POST", "/fhir", b"")
    end(server, made["id"])


def test_what_fails_is_tried_again_and_nothing_is_lost(server: Server, receiver: Receiver) -> None:
    receiver.answers = {0: 500, 1: 302}
    made = store(server, subscription(receiver, "again", payload="application/fhir+json"))
    stored = [store(server, observation("again")) for _ in range(2)]
    came = receiver.wait(4)
    assert [each.json["id"] for each in came] == [stored[0]["id"]] * 3 + [stored[1]["id"]]
    end(server, made["id"])


def test_after_too_many_failures_it_is_in_error_and_later_goes_on(server: Server, receiver: Receiver) -> None:
    receiver.otherwise = 503
    made = store(server, subscription(receiver, "down", payload="application/fhir+json"))
    first = store(server, observation("down"))
    failed = until(server, made["id"], "error")
    assert failed["error"] == "The endpoint answered with status 503."
    second = store(server, observation("down"))
    deadline = time.monotonic() + SECONDS
    while '"valueString":"2"' not in httpx.get(f"{server.base}/Subscription/{made['id']}/$status").text:
        assert time.monotonic() < deadline
    receiver.otherwise = 200
    before = len(receiver.came)
    store(server, {**failed, "status": "requested"})
    came = receiver.wait(before + 2)[before:]
    assert [each.json["id"] for each in came] == [first["id"], second["id"]]
    assert "error" not in until(server, made["id"], "active")
    end(server, made["id"])


def test_one_that_is_off_or_whose_end_has_come_is_told_nothing(server: Server, receiver: Receiver) -> None:
    made = store(server, {**subscription(receiver, "end"), "end": "2020-01-01T00:00:00Z"})
    assert "error" not in until(server, made["id"], "off")
    off = store(server, {**subscription(receiver, "end"), "status": "off"})
    witness = store(server, subscription(receiver, "end", header=["X-Witness: yes"]))
    store(server, observation("end"))
    assert "x-witness" in receiver.wait(1)[0].headers
    for each in (made, off, witness):
        end(server, each["id"])
    assert len(receiver.came) == 1


def test_one_that_is_put_to_off_is_told_nothing_from_then_on_and_later_what_it_missed(
    server: Server, receiver: Receiver
) -> None:
    made, witness = (store(server, subscription(receiver, "pause", header=[f"X-Which: {n}"])) for n in range(2))
    of = lambda number: lambda came: came.headers["x-which"] == str(number)  # noqa: E731
    until(server, witness["id"], "active")
    for turn in range(5):
        off = {**until(server, made["id"], "active"), "status": "off"}
        entries = [  # both are news at once
            {"resource": each, "request": {"method": "PUT", "url": f"{each['resourceType']}/{each['id']}"}}
            for each in (off, {**observation("pause"), "id": f"pause{turn}"})
        ]
        bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
        assert httpx.post(server.base, json=bundle).is_success
        receiver.wait(turn + 1, of(1))
        assert len(receiver.wait(turn, of(0))) == turn
        store(server, {**until(server, made["id"], "off"), "status": "requested"})
        receiver.wait(turn + 1, of(0))
    for each in (made, witness):
        end(server, each["id"])


def test_criteria_that_go_through_other_resources_hold(server: Server, receiver: Receiver) -> None:
    patient = store(server, {"resourceType": "Patient", "name": [{"family": "Chained"}]})
    asked = subscription(receiver, "x", payload="application/fhir+json")
    made = store(server, {**asked, "criteria": "Observation?subject:Patient.family=Chained"})
    found = store(server, observation("chain", subject={"reference": f"Patient/{patient['id']}"}))
    store(server, observation("chain"))
    assert receiver.wait(1)[0].json == found
    end(server, made["id"])


@pytest.mark.parametrize(
    "wrong, told",
    [
        ({"criteria": "Observation?cod=a"}, "Did you mean 'code'"),
        ({"criteria": "Observatio"}, "no resource type"),
        ({"criteria": "Observation?_sort=date"}, "criteria say what to find"),
        ({"criteria": "Observation?date=yesterday"}, "yesterday"),
        ({"channel": {"type": "email", "endpoint": "mailto:a@example.org"}}, "use rest-hook"),
        ({"channel": {"type": "rest-hook"}}, "needs an endpoint"),
        ({"channel": {"type": "rest-hook", "endpoint": "file:///etc/passwd"}}, "absolute http or https"),
        ({"channel": {"type": "rest-hook", "endpoint": "https://u:p@example.org/"}}, "channel.header"),
        ({"channel": {"type": "rest-hook", "endpoint": "https://e.org/", "header": ["A: b\r\nC: d"]}}, "in one line"),
        ({"channel": {"type": "rest-hook", "endpoint": "https://e.org/", "header": ["Host: x"]}}, "server's own"),
        ({"channel": {"type": "rest-hook", "endpoint": "https://e.org/", "payload": "text/plain"}}, "can't be sent"),
    ],
)
def test_one_that_can_not_be_served_is_refused_with_what_to_change(
    server: Server, receiver: Receiver, wrong: dict[str, Any], told: str
) -> None:
    answer = httpx.post(f"{server.base}/Subscription", json={**subscription(receiver, "a"), **wrong})
    assert 400 <= answer.status_code < 500
    assert told in answer.json()["issue"][0]["diagnostics"]


def test_one_that_says_it_is_active_is_requested_first(server: Server, receiver: Receiver) -> None:
    asked = {**subscription(receiver, "a"), "id": "eager"}
    assert store(server, {**asked, "status": "active"})["status"] == "requested"
    active = until(server, "eager", "active")
    assert store(server, active)["status"] == "active"
    assert store(server, {**active, "criteria": "Patient"})["status"] == "requested"
    assert store(server, {**asked, "status": "error"})["status"] == "error"
    end(server, "eager")


def test_one_in_a_transaction_or_a_patch_is_looked_at_too(server: Server, receiver: Receiver) -> None:
    made = store(server, subscription(receiver, "patched"))
    patch = [{"op": "replace", "path": "/channel/endpoint", "value": "ftp://example.org/"}]
    headers = {"content-type": "application/json-patch+json"}
    answer = httpx.patch(f"{server.base}/Subscription/{made['id']}", json=patch, headers=headers)
    assert answer.status_code == 422
    entry = {"resource": {**made, "criteria": "Nothing"}, "request": {"method": "POST", "url": "Subscription"}}
    answer = httpx.post(server.base, json={"resourceType": "Bundle", "type": "transaction", "entry": [entry]})
    assert answer.status_code == 422
    end(server, made["id"])


def test_a_server_that_is_killed_while_it_delivers_goes_on_where_it_was(tmp_path: Path, receiver: Receiver) -> None:
    with serving(tmp_path / "data", "--workers", 2) as server:
        made = store(server, subscription(receiver, "k", payload="application/fhir+json"))
        until(server, made["id"], "active")
        receiver.hold.clear()
        stored = [store(server, observation("k"))["id"] for _ in range(5)]
        while not receiver.at_once:
            time.sleep(0.01)
        server.kill()
        receiver.hold.set()
        with serving(tmp_path / "data", "--workers", 2):
            told = [each.json["id"] for each in receiver.wait(6)]
    assert told == [stored[0], *stored]  # the one that was under way comes again
    assert receiver.most_at_once == 1


def test_whoever_is_bound_is_pinged_whichever_worker_has_the_socket(server: Server) -> None:
    made = store(server, {**subscription(Receiver(""), "ws"), "channel": {"type": "websocket"}})
    claimed = httpx.get(f"{server.base}/metadata").json()["rest"][0]["extension"]
    url = next(each["valueUri"] for each in claimed if each["url"].endswith("capabilitystatement-websocket"))

    async def watch() -> list[str]:
        heard = []
        async with aiohttp.ClientSession() as session, session.ws_connect(url) as one, session.ws_connect(url) as other:
            for socket in (one, other):
                await socket.send_str(f"bind {made['id']}")
                heard.append((await socket.receive(SECONDS)).data)
            await asyncio.to_thread(store, server, observation("ws"))
            for socket in (one, other):
                heard.append((await socket.receive(SECONDS)).data)
            await other.send_str("bind nothing-like-that")
            heard.append((await other.receive(SECONDS)).extra)
        return heard

    bound, ping = f"bound {made['id']}", f"ping {made['id']}"
    *heard, refused = asyncio.run(watch())
    assert heard == [bound, bound, ping, ping]
    assert "nothing-like-that" in refused
    end(server, made["id"])
    assert httpx.get(f"{server.origin}/subscriptions/websocket").status_code == 426


def test_metrics_and_health_say_how_they_fare(server: Server, receiver: Receiver) -> None:
    receiver.otherwise = 500
    made = store(server, subscription(receiver, "health"))
    store(server, observation("health"))
    until(server, made["id"], "error")
    found = httpx.get(f"{server.origin}/health/ready").json()
    assert found["status"] == "warn"
    assert made["id"] in found["checks"]["subscriptions"]["failing"]
    metrics = httpx.get(f"{server.origin}/metrics").text
    assert f'hms_subscription_waiting{{id="{made["id"]}"}} 1.0' in metrics
    assert 'hms_subscriptions{status="error"} 1.0' in metrics
    end(server, made["id"])
