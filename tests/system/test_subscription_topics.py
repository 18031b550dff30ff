"""Subscriptions to topics (Subscriptions R5 Backport 1.1) on a started server, and an endpoint that really receives."""

from __future__ import annotations

import asyncio
import csv
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import httpx
import pytest

from tests.system.process import Server, serving_on
from tests.system.receiver import SECONDS, Came, Receiver, receiving
from tests.system.test_subscriptions import end, observation, store, until

GUIDE = "http://hl7.org/fhir/uv/subscriptions-backport"
DEFINITION = f"{GUIDE}/StructureDefinition/"
STORED = "urn:hms:topic:stored"
TOPIC = {
    "resourceType": "SubscriptionTopic",
    "url": "http://example.org/topics/admitted",
    "status": "active",
    "resourceTrigger": [
        {
            "resource": "http://hl7.org/fhir/StructureDefinition/Encounter",
            "supportedInteraction": ["create", "update"],
            "queryCriteria": {
                "previous": "status:not=in-progress",
                "resultForCreate": "test-passes",
                "current": "status=in-progress",
                "requireBoth": True,
            },
        }
    ],
    "canFilterBy": [{"resource": "http://hl7.org/fhir/StructureDefinition/Encounter", "filterParameter": "patient"}],
    "notificationShape": [
        {"resource": "http://hl7.org/fhir/StructureDefinition/Encounter", "include": ["Encounter:patient"]}
    ],
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, engine: str) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("topics")
    (folder / "admitted.json").write_text(json.dumps(TOPIC))
    options = ("--workers", 2, "--subscription-pause-seconds", 1, "--subscription-topics", folder)
    with serving_on(engine, folder / "data", *options) as started:
        yield started


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as started:
        yield started


def extension(name: str, **value: Any) -> dict[str, Any]:
    return {"url": DEFINITION + name, **value}


ONE_EACH = [extension("backport-max-count", valuePositiveInt=1)]  # events of a notification


def asked(receiver: Receiver | None, topic: str, content: str, *filters: str, **channel: Any) -> dict[str, Any]:
    """A Subscription to a topic; without a receiver over a WebSocket."""
    where = {"type": "rest-hook", "endpoint": receiver.url} if receiver is not None else {"type": "websocket"}
    listed = [extension("backport-filter-criteria", valueString=each) for each in filters]
    return {
        "resourceType": "Subscription",
        "meta": {"profile": [f"{DEFINITION}backport-subscription"]},
        "status": "requested",
        "reason": "a test",
        "criteria": topic,
        **({"_criteria": {"extension": listed}} if listed else {}),
        "channel": {
            **where,
            "payload": "application/fhir+json",
            "_payload": {"extension": [extension("backport-payload-content", valueCode=content)]},
            **channel,
        },
    }


def told(bundle: dict[str, Any]) -> dict[str, Any]:
    """What the status of a notification says; of the events the parts of each."""
    found: dict[str, Any] = {"events": []}
    for each in bundle["entry"][0]["resource"]["parameter"]:
        if each["name"] == "notification-event":
            parts = {part["name"]: next(v for k, v in part.items() if k.startswith("value")) for part in each["part"]}
            found["events"].append(parts)
        else:
            found[each["name"]] = next(value for name, value in each.items() if name.startswith("value"))
    return found


def kind(type: str) -> Any:
    return lambda came: told(came.json)["type"] == type


def require_notification(server: Server, came: Came, id: str) -> dict[str, Any]:
    """What every notification has; what it says."""
    bundle = came.json
    assert (came.method, came.path) == ("POST", "/fhir")
    assert (bundle["resourceType"], bundle["type"]) == ("Bundle", "history")
    assert bundle["meta"]["profile"] == [f"{DEFINITION}backport-subscription-notification-r4"]
    first = bundle["entry"][0]
    assert first["request"] == {"method": "GET", "url": f"{server.base}/Subscription/{id}/$status"}
    assert first["resource"]["meta"]["profile"] == [f"{DEFINITION}backport-subscription-status-r4"]
    assert all("request" in entry and "response" in entry for entry in bundle["entry"])
    answer = httpx.post(f"{server.base}/Bundle/$validate", json=bundle)
    assert not [each for each in answer.json()["issue"] if each["severity"] == "error"], answer.text
    found = told(bundle)
    assert found["subscription"] == {"reference": f"{server.base}/Subscription/{id}"}
    return found


def test_after_a_handshake_events_come_as_bundles_with_the_whole_resource(server: Server, receiver: Receiver) -> None:
    headers = ["Authorization: Bearer secret"]
    filters = ("Observation?code=http://loinc.org|full", "Observation?status=final,amended")
    made = store(server, asked(receiver, STORED, "full-resource", *filters, header=headers, extension=ONE_EACH))
    assert made["status"] == "requested"
    hand = require_notification(server, receiver.wait(1)[0], made["id"])
    assert (hand["type"], hand["status"], hand["events-since-subscription-start"]) == ("handshake", "requested", "0")
    until(server, made["id"], "active")
    first = store(server, observation("full"))
    store(server, observation("other"))
    store(server, {**observation("full"), "status": "preliminary"})
    changed = store(server, {**first, "status": "amended"})
    came = receiver.wait(2, kind("event-notification"))
    assert came[0].headers["authorization"] == "Bearer secret"
    assert came[0].headers["content-type"] == "application/fhir+json"
    for number, (each, resource) in enumerate(zip(came, (first, changed), strict=True), 1):
        found = require_notification(server, each, made["id"])
        assert (found["topic"], found["status"]) == (STORED, "active")
        assert found["events"][0]["event-number"] == str(number)
        assert found["events"][0]["focus"] == {"reference": f"{server.base}/Observation/{first['id']}"}
        entry = each.json["entry"][1]
        assert entry["resource"] == resource
        assert entry["fullUrl"] == f"{server.base}/Observation/{first['id']}"
    assert came[0].json["entry"][1]["request"] == {"method": "POST", "url": "Observation"}
    assert came[1].json["entry"][1]["request"] == {"method": "PUT", "url": f"Observation/{first['id']}"}
    end(server, made["id"])
    assert "secret" not in server.said()


def test_by_ids_only_references_are_told_and_empty_tells_that_something_was(server: Server, receiver: Receiver) -> None:
    ids = store(server, asked(receiver, STORED, "id-only", "Observation?code=http://loinc.org|some"))
    until(server, ids["id"], "active")
    empty = store(server, asked(receiver, STORED, "empty", "Observation?code=http://loinc.org|some"))
    until(server, empty["id"], "active")
    stored = store(server, observation("some"))
    by_id = {}
    for each in receiver.wait(2, kind("event-notification")):
        by_id[told(each.json)["subscription"]["reference"].rpartition("/")[2]] = each
    found = require_notification(server, by_id[ids["id"]], ids["id"])
    focus = f"{server.base}/Observation/{stored['id']}"
    assert (found["topic"], found["events"][0]["focus"]) == (STORED, {"reference": focus})
    (entry,) = by_id[ids["id"]].json["entry"][1:]
    assert (entry["fullUrl"], entry["request"]["url"]) == (focus, "Observation")
    assert "resource" not in entry
    found = require_notification(server, by_id[empty["id"]], empty["id"])
    assert "topic" not in found
    assert set(found["events"][0]) == {"event-number", "timestamp"}
    assert len(by_id[empty["id"]].json["entry"]) == 1
    assert stored["id"].encode() not in by_id[empty["id"]].body
    for each in (ids, empty):
        end(server, each["id"])


def test_a_payload_in_xml_is_a_bundle_in_xml(server: Server, receiver: Receiver) -> None:
    made = store(server, asked(receiver, STORED, "id-only", "Device", payload="application/fhir+xml"))
    came = receiver.wait(1)[0]
    assert came.headers["content-type"] == "application/fhir+xml"
    assert b"<Bundle" in came.body and b'<type value="history"/>' in came.body
    end(server, made["id"])


def test_a_handshake_that_fails_makes_an_error_of_it(server: Server, receiver: Receiver) -> None:
    receiver.otherwise = 500
    made = store(server, asked(receiver, STORED, "empty", "Patient"))
    failed = until(server, made["id"], "error")
    assert failed["error"] == "The endpoint answered with status 500."
    assert len(receiver.came) == 1
    state = httpx.get(f"{server.base}/Subscription/{made['id']}/$status").json()["entry"][0]["resource"]
    listed = {each["name"]: each for each in state["parameter"]}
    assert listed["status"]["valueCode"] == "error"
    assert listed["error"]["valueCodeableConcept"]["text"] == "The endpoint answered with status 500."
    end(server, made["id"])


def test_heartbeats_come_where_they_are_asked_for(server: Server, receiver: Receiver) -> None:
    period = [extension("backport-heartbeat-period", valueUnsignedInt=1)]
    made = store(server, asked(receiver, STORED, "empty", "Medication", extension=period))
    without = store(server, asked(receiver, STORED, "empty", "Medication"))
    came = receiver.wait(2, kind("heartbeat"))
    for each in came:
        found = require_notification(server, each, made["id"])
        assert (found["events"], found["events-since-subscription-start"]) == ([], "0")
    for each in (made, without):
        end(server, each["id"])


def test_as_many_events_come_together_as_are_asked_for(server: Server, receiver: Receiver) -> None:
    most = [extension("backport-max-count", valuePositiveInt=2), extension("backport-timeout", valueUnsignedInt=30)]
    made = store(server, asked(receiver, STORED, "id-only", "Observation?code=http://loinc.org|m", extension=most))
    until(server, made["id"], "active")
    receiver.hold.clear()
    for _ in range(5):
        store(server, observation("m"))
    receiver.hold.set()
    numbers: list[int] = []
    for count in range(1, 6):
        came = receiver.wait(count, kind("event-notification"))
        parts = [[int(event["event-number"]) for event in told(each.json)["events"]] for each in came]
        assert all(len(each) <= 2 for each in parts)
        numbers = [number for each in parts for number in each]
        if len(numbers) == 5:
            break
    assert numbers == [1, 2, 3, 4, 5]
    assert told(came[-1].json)["events-since-subscription-start"] == "5"
    end(server, made["id"])


def test_an_endpoint_has_the_time_that_the_subscription_gives_it(server: Server, receiver: Receiver) -> None:
    receiver.hold.clear()
    timeout = [extension("backport-timeout", valueUnsignedInt=1)]
    made = store(server, asked(receiver, STORED, "empty", "Library", extension=timeout))
    assert until(server, made["id"], "error")["error"] == "The endpoint did not answer within 1 s."
    end(server, made["id"])


def test_a_topic_of_a_file_fires_by_what_was_before_and_sends_what_goes_with_it(
    server: Server, receiver: Receiver
) -> None:
    patient = store(server, {"resourceType": "Patient", "name": [{"family": "Admitted"}]})
    other = store(server, {"resourceType": "Patient"})
    filter = f"Encounter?patient=Patient/{patient['id']}"
    made = store(server, asked(receiver, TOPIC["url"], "full-resource", filter, extension=ONE_EACH))
    until(server, made["id"], "active")

    def encounter(status: str, of: dict[str, Any] = patient) -> dict[str, Any]:
        code = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "IMP"}
        subject = {"reference": f"Patient/{of['id']}"}
        return {"resourceType": "Encounter", "status": status, "class": code, "subject": subject}

    planned = store(server, encounter("planned"))
    store(server, encounter("in-progress", other))
    admitted = store(server, {**planned, "status": "in-progress"})
    store(server, {**admitted, "language": "de"})
    at_once = store(server, encounter("in-progress"))
    came = receiver.wait(2, kind("event-notification"))
    assert [each.json["entry"][1]["resource"] for each in came] == [admitted, at_once]
    with_it = came[0].json["entry"][2]
    assert (with_it["resource"], with_it["request"]["method"]) == (patient, "GET")
    context = {"reference": f"{server.base}/Patient/{patient['id']}"}
    assert told(came[0].json)["events"][0]["additional-context"] == context
    end(server, made["id"])


def test_deletions_and_creations_are_topics_of_their_own(server: Server, receiver: Receiver) -> None:
    made = [store(server, asked(receiver, f"urn:hms:topic:{each}", "full-resource", "Location"))
            for each in ("created", "updated", "deleted")]  # fmt: skip
    for each in made:
        until(server, each["id"], "active")
    stored = store(server, {"resourceType": "Location", "name": "a"})
    store(server, {**stored, "name": "b"})
    end_of = httpx.delete(f"{server.base}/Location/{stored['id']}")
    assert end_of.is_success
    came = receiver.wait(3, kind("event-notification"))
    methods = {told(each.json)["topic"]: each.json["entry"][1]["request"]["method"] for each in came}
    assert methods == {
        "urn:hms:topic:created": "POST", "urn:hms:topic:updated": "PUT", "urn:hms:topic:deleted": "DELETE",
    }  # fmt: skip
    for each in made:
        end(server, each["id"])


@pytest.mark.parametrize(
    "wrong, said",
    [
        ({"criteria": "http://example.org/topics/none"}, "There is no topic"),
        ({"_criteria": {"extension": [extension("backport-filter-criteria", valueString="Patient?nam=x")]}}, "'name'"),
        ({"criteria": TOPIC["url"]}, "is not about Patient"),
        ({"_criteria": {"extension": [{"url": "http://example.org/", "valueCode": "a"}]}}, "name a type by a filter"),
    ],
)
def test_what_is_not_here_is_refused(server: Server, receiver: Receiver, wrong: dict[str, Any], said: str) -> None:
    answer = httpx.post(f"{server.base}/Subscription", json={**asked(receiver, STORED, "empty", "Patient"), **wrong})
    assert 400 <= answer.status_code < 500
    assert said in answer.json()["issue"][0]["diagnostics"]


def test_a_filter_that_the_topic_does_not_have_is_refused(server: Server, receiver: Receiver) -> None:
    resource = asked(receiver, TOPIC["url"], "empty", "Encounter?status=finished")
    answer = httpx.post(f"{server.base}/Subscription", json=resource)
    assert answer.status_code == 422
    assert "it can by patient" in answer.json()["issue"][0]["diagnostics"]


@pytest.mark.parametrize(
    "channel, said",
    [
        ({"type": "message"}, "use rest-hook or websocket"),
        ({"_type": {"extension": [extension("backport-channel-type", valueCoding={"code": "zulip"})]}}, "zulip"),
        ({"endpoint": "urn:uuid:0"}, "absolute http or https"),
        ({"payload": "application/fhir+json; fhirVersion=4.3"}, "can't be sent"),
        ({"payload": "text/csv"}, "can't be sent"),
        ({"_payload": {"extension": [{"url": "http://example.org/", "valueCode": "a"}]}}, "how much is sent"),
        ({"_payload": {"extension": [extension("backport-payload-content", valueCode="all")]}}, "how much is sent"),
        ({"extension": [extension("backport-timeout", valueUnsignedInt=0)]}, "from 1 to"),
    ],
)
def test_a_channel_that_can_not_be_had_is_refused(
    server: Server, receiver: Receiver, channel: dict[str, Any], said: str
) -> None:
    answer = httpx.post(f"{server.base}/Subscription", json=asked(receiver, STORED, "empty", "Patient", **channel))
    assert 400 <= answer.status_code < 500
    assert said in answer.json()["issue"][0]["diagnostics"]


def test_status_tells_of_one_of_some_or_of_all(server: Server, receiver: Receiver) -> None:
    made = [store(server, asked(receiver, STORED, "id-only", "Group")) for _ in range(2)]
    for each in made:
        until(server, each["id"], "active")
    off = store(server, {**asked(receiver, STORED, "id-only", "Group"), "status": "off"})
    url = f"{server.base}/Subscription"

    def ids(path: str) -> list[str]:
        bundle = httpx.get(f"{url}/{path}").json()
        assert (bundle["resourceType"], bundle["type"]) == ("Bundle", "searchset")
        found = []
        for entry in bundle.get("entry", ()):
            listed = {each["name"]: each for each in entry["resource"]["parameter"]}
            assert listed["type"]["valueCode"] == "query-status"
            found.append(listed["subscription"]["valueReference"]["reference"].rpartition("/")[2])
        return sorted(found)

    one, two = (each["id"] for each in made)
    assert ids(f"{one}/$status") == [one]
    assert ids(f"{one}/$status?id={two}&status=off") == [one]
    assert ids(f"$status?id={one}&id={two}") == sorted([one, two])
    assert set(ids("$status")) >= {one, two, off["id"]}
    assert ids(f"$status?status=off&id={one}&id={off['id']}") == [off["id"]]
    assert set(ids(f"$status?status=off&status=active&id={one}&id={off['id']}")) == {one, off["id"]}
    for each in (*made, off):
        end(server, each["id"])


def test_events_are_told_again(server: Server, receiver: Receiver) -> None:
    made = store(server, asked(receiver, STORED, "id-only", "Observation?code=http://loinc.org|e"))
    until(server, made["id"], "active")
    stored = [store(server, observation("e")) for _ in range(3)]
    receiver.wait(1, lambda came: any(each["event-number"] == "3" for each in told(came.json)["events"]))
    url = f"{server.base}/Subscription/{made['id']}/$events"
    bundle = httpx.get(url, params={"eventsSinceNumber": "2", "content": "full-resource"}).json()
    found = told(bundle)
    assert (bundle["type"], found["type"]) == ("history", "query-event")
    assert [event["event-number"] for event in found["events"]] == ["2", "3"]
    assert [entry["resource"] for entry in bundle["entry"][1:]] == stored[1:]
    found = told(httpx.get(url, params={"eventsSinceNumber": "1", "eventsUntilNumber": "2"}).json())
    assert [event["event-number"] for event in found["events"]] == ["1", "2"]
    end(server, made["id"])


def test_over_a_websocket_a_token_binds_and_notifications_come(server: Server) -> None:
    period = [extension("backport-heartbeat-period", valueUnsignedInt=1)]
    made = store(server, asked(None, STORED, "full-resource", "Observation?code=http://loinc.org|w", extension=period))
    until(server, made["id"], "active")
    answer = httpx.get(f"{server.base}/Subscription/{made['id']}/$get-ws-binding-token").json()
    given = {each["name"]: next(v for k, v in each.items() if k != "name") for each in answer["parameter"]}
    assert given["subscription"] == made["id"]

    async def watch() -> tuple[list[dict[str, Any]], dict[str, Any], str]:
        async with aiohttp.ClientSession() as session, session.ws_connect(given["websocket-url"]) as socket:
            await socket.send_str(f"bind-with-token {given['token']}")
            heard = [json.loads((await socket.receive(SECONDS)).data)]
            stored = await asyncio.to_thread(store, server, observation("w"))
            while told(heard[-1])["type"] != "event-notification":
                heard.append(json.loads((await socket.receive(SECONDS)).data))
            while told(heard[-1])["type"] != "heartbeat":
                heard.append(json.loads((await socket.receive(SECONDS)).data))
            await socket.send_str("bind-with-token nonsense")
            return heard, stored, (await socket.receive(SECONDS)).extra

    heard, stored, refused = asyncio.run(watch())
    assert told(heard[0])["type"] == "handshake"
    event = next(each for each in heard if told(each)["type"] == "event-notification")
    assert event["entry"][1]["resource"] == stored
    assert "get-ws-binding-token" in refused
    end(server, made["id"])


def test_the_statement_says_what_there_is(server: Server) -> None:
    statement = httpx.get(f"{server.base}/metadata").json()
    assert f"{GUIDE}/CapabilityStatement/backport-subscription-server-r4" in statement["instantiates"]
    claim = next(each for each in statement["rest"][0]["resource"] if each["type"] == "Subscription")
    assert f"{DEFINITION}backport-subscription" in claim["supportedProfile"]
    listed = {each["valueCanonical"] for each in claim["extension"] if "subscriptiontopic-canonical" in each["url"]}
    assert listed >= {TOPIC["url"], STORED}
    operations = {each["name"]: each["definition"] for each in claim["operation"]}
    for code in ("status", "events", "get-ws-binding-token"):
        assert operations[code] == f"{GUIDE}/OperationDefinition/backport-subscription-{code}"
    assert {"url", "status"} <= {each["name"] for each in claim["searchParam"]}
    assert {"read", "create", "update", "patch", "delete", "search-type"} <= {e["code"] for e in claim["interaction"]}
    assert httpx.get(f"{server.base}/Subscription?url=http://nowhere.example/").json()["total"] == 0


def test_a_folder_of_topics_that_are_none_is_refused(tmp_path: Path) -> None:
    from tests.system.process import hms

    (tmp_path / "wrong.json").write_text('{"resourceType": "SubscriptionTopic", "url": "a", "resourceTrigger": 1}')
    said = hms("serve", "--port", 0, "--data", tmp_path / "data", "--subscription-topics", tmp_path, code=1)
    assert "wrong.json is no SubscriptionTopic" in said


def test_every_requirement_names_a_test_that_exists_or_a_reason() -> None:
    """Those of the Subscriptions R5 Backport 1.1 on R4 servers (subscriptions_backport_1_1.csv, from Inferno's kit)."""
    tests = Path(__file__).resolve().parents[1]
    with (tests / "system/subscriptions_backport_1_1.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len({row["id"] for row in rows}) == 113
    for row in rows:
        assert bool(row["test"]) != bool(row["reason"]), row
        if row["test"]:
            name, _, function = row["test"].partition("::")
            assert re.search(rf"^(async )?def {function}\(", (tests / name).read_text("utf-8"), re.MULTILINE), row
