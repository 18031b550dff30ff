"""A Subscription tells its maker what the maker may see at that moment, and goes nowhere it must not."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, cast

import aiohttp
import httpx
import msgspec
import pytest

from fhir_server.core.settings import Settings
from fhir_server.interactions.access.visible import environment_of
from fhir_server.security.model import Client, Grant, User
from fhir_server.subscriptions.matching import interest_of
from fhir_server.subscriptions.subscription import subscription_of
from tests.conftest import Fhir, HeldClock
from tests.system.process import hms, serving
from tests.system.receiver import Came, Receiver, receiving
from tests.system.security.conftest import BASE, ORIGIN, observation
from tests.system.security.started import prepare
from tests.system.security.test_policies import actor, consent
from tests.system.security.test_scopes import Asking
from tests.system.test_subscription_topics import STORED, asked
from tests.system.test_subscription_topics import told as said

pytestmark = pytest.mark.anyio

DAY = 86_400_000_000  # microseconds
POLICIES = """
[[rule]]
effect = "permit"
resources = ["*"]

[[rule]]
effect = "deny"
client = ["careful"]
resources = ["Observation?_security=R"]

[[rule]]
effect = "mask"
client = ["masked"]
resources = ["Observation"]
fields = ["note"]
"""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    file = tmp_path / "policies.toml"
    file.write_text(POLICIES)
    return Settings(
        data=tmp_path / "data", synchronous="OFF", security="smart", policies=str(file),
        subscription_networks=("127.0.0.1/32", "trusted.test"),
    )  # fmt: skip


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as started:
        yield started


class Maker(Asking):
    """Asks as a client that is known here, by itself or for a user."""

    def __init__(self, fhir: Fhir, client: str, scope: str, user: str = "", patient: str = "") -> None:
        super().__init__(fhir, scope)
        self.security, self.client, self.scope, self.user = fhir.server.security, client, scope, user
        self.context = {"patient": patient} if patient else {}
        self.receiver: Receiver | None = None
        self._token = self._granted

    async def _granted(self) -> dict[str, str]:
        store, family = self.security.store, f"family of {self.client}"
        if await store.client(self.client) is None:
            await store.put_client(Client(id=self.client, name=self.client, scopes=self.scope))
        await store.begin_family(family, self.user, self.client, self.scope)
        grant = Grant(
            family=family, client=self.client, scope=self.scope, user=self.user, fhir_user="Practitioner/doc",
            context=self.context,
        )  # fmt: skip
        return {"authorization": f"Bearer {await self.security.tokens.access_token(grant, ORIGIN, BASE)}"}

    async def subscribe(self, receiver: Receiver, criteria: str = "Observation", **more: Any) -> str:
        answer = await self.tried(receiver.url, criteria, **more)
        assert answer.status_code == 201, answer.text
        return answer.json()["id"]

    async def tried(self, endpoint: str, criteria: str = "Observation", **more: Any) -> Any:
        channel = {"type": "rest-hook", "endpoint": endpoint, "payload": "application/fhir+json",
                   "header": [f"X-Of: {self.client}"], **more}  # fmt: skip
        resource = {"resourceType": "Subscription", "status": "requested", "reason": "x", "criteria": criteria,
                    "channel": channel}  # fmt: skip
        return await self("Subscription", "POST", resource)

    def mine(self, came: Came) -> bool:
        return came.headers.get("x-of") == self.client


@pytest.fixture
async def everybody(hospital: Fhir) -> AsyncIterator[Maker]:
    yield Maker(hospital, "everybody", "system/*.cruds")


async def told(receiver: Receiver, maker: Maker, count: int) -> list[str]:
    found = await asyncio.to_thread(receiver.wait, count, maker.mine)
    return [each.json["id"] for each in found]


async def became(ask: Asking, id: str, status: str) -> dict[str, Any]:
    for _ in range(2000):
        found = (await ask(f"Subscription/{id}")).json()
        if found["status"] == status:
            return found
        await asyncio.sleep(0.01)
    raise AssertionError(found)


async def test_each_hears_of_what_its_scopes_have(hospital: Fhir, everybody: Maker, receiver: Receiver) -> None:
    labs = Maker(hospital, "labs", "system/Subscription.cruds system/Observation.rs?category=laboratory")
    for maker in (everybody, labs):
        await maker.subscribe(receiver)
    for id, category in (("v1", "vital-signs"), ("l1", "laboratory"), ("v2", "vital-signs"), ("l2", "laboratory")):
        await everybody(f"Observation/{id}", "PUT", observation(id, "me", category))
    assert await told(receiver, everybody, 4) == ["v1", "l1", "v2", "l2"]
    assert await told(receiver, labs, 2) == ["l1", "l2"]


async def test_policies_and_masks_hold_for_what_is_sent(hospital: Fhir, everybody: Maker, receiver: Receiver) -> None:
    careful, masked = (Maker(hospital, name, "system/*.cruds") for name in ("careful", "masked"))
    for maker in (everybody, careful, masked):
        await maker.subscribe(receiver)
    restricted = {"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"}
    secret = {**observation("secret", "me"), "meta": {"security": [restricted]}, "note": [{"text": "hidden words"}]}
    await everybody("Observation/secret", "PUT", secret)
    await everybody("Observation/plain", "PUT", observation("plain", "me"))
    assert await told(receiver, everybody, 2) == ["secret", "plain"]
    assert await told(receiver, careful, 1) == ["plain"]
    assert await told(receiver, masked, 2) == ["secret", "plain"]
    sent = {maker: b"".join(each.body for each in receiver.came if maker.mine(each)) for maker in (masked, everybody)}
    assert b"hidden words" not in sent[masked]
    assert b"hidden words" in sent[everybody]


async def test_what_a_consent_denies_is_not_told_from_then_on(
    hospital: Fhir, everybody: Maker, receiver: Receiver
) -> None:
    doctor = Maker(hospital, "app", "user/*.cruds", "u-doc")
    await doctor.subscribe(receiver)
    await everybody("Observation/o1", "PUT", observation("o1", "other"))
    assert await told(receiver, doctor, 1) == ["o1"]
    denial = consent({"type": "deny", "actor": [actor("Practitioner/doc")]})
    assert (await everybody("Consent/c", "PUT", denial)).status_code == 201
    await everybody("Observation/o2", "PUT", observation("o2", "other"))
    await everybody("Observation/o3", "PUT", observation("o3", "me"))
    assert await told(receiver, doctor, 2) == ["o1", "o3"]


async def test_what_waits_is_not_told_once_a_consent_denies_it(
    hospital: Fhir, everybody: Maker, receiver: Receiver
) -> None:
    doctor = Maker(hospital, "app", "user/*.cruds", "u-doc")
    await doctor.subscribe(receiver)
    receiver.hold.clear()
    await everybody("Observation/o1", "PUT", observation("o1", "me"))
    while not receiver.at_once:
        await asyncio.sleep(0.01)
    await everybody("Observation/o2", "PUT", observation("o2", "other"))
    denial = consent({"type": "deny", "actor": [actor("Practitioner/doc")]})
    assert (await everybody("Consent/c", "PUT", denial)).status_code == 201
    await everybody("Observation/o3", "PUT", observation("o3", "me"))
    receiver.hold.set()
    assert await told(receiver, doctor, 2) == ["o1", "o3"]


@pytest.mark.parametrize("way", ["revoked", "client closed", "client removed", "person closed"])
async def test_it_ends_with_the_access_of_its_maker(
    hospital: Fhir, everybody: Maker, receiver: Receiver, way: str
) -> None:
    doctor = Maker(hospital, "desk", "user/*.cruds", "u-doc")
    id = await doctor.subscribe(receiver)
    await became(everybody, id, "active")
    store = hospital.server.security.store
    if way == "revoked":
        await store.revoke_family("family of desk")
    elif way == "client removed":
        await store.remove_client("desk")
    elif way == "client closed":
        await store.put_client(Client(id="desk", name="desk", active=False))
    else:
        await store.put_user(User(id="u-doc", name="doc", fhir_user="Practitioner/doc", active=False))
    await everybody("Observation/late", "PUT", observation("late", "me"))
    failed = await became(everybody, id, "error")
    assert "stored" in failed["error"]
    assert not receiver.came


async def test_it_goes_on_though_other_authorizations_are_over(
    hospital: Fhir, everybody: Maker, receiver: Receiver
) -> None:
    doctor = Maker(hospital, "desk", "user/*.cruds", "u-doc")
    id = await doctor.subscribe(receiver)
    await became(everybody, id, "active")
    security, clock = hospital.server.security, cast(HeldClock, hospital.server.environment.clock)
    await security.store.begin_family("another", "u-doc", "desk", "user/*.cruds")
    clock.now += 30 * DAY
    hourly = Client(id="hourly", name="hourly", scopes="system/*.rs", grants=("client_credentials",))
    _, secret = await security.add_client(hourly, confidential=True)
    form = {"grant_type": "client_credentials", "scope": "system/*.rs"}
    answer = await hospital.http.post(f"{ORIGIN}/auth/token", data=form, auth=("hourly", secret))
    assert answer.status_code == 200, answer.text
    assert [each.id for each in await security.store.families("u-doc")] == ["family of desk"]
    writer = Maker(hospital, "writer", "system/*.cruds")
    await writer("Observation/late", "PUT", observation("late", "me"))
    assert await told(receiver, doctor, 1) == ["late"]


async def test_nobody_subscribes_to_what_they_may_not_search(hospital: Fhir, receiver: Receiver) -> None:
    some = Maker(hospital, "some", "system/Subscription.cruds system/Observation.rs")
    answer = await some.tried(receiver.url, "Patient?name=a")
    assert (answer.status_code, answer.json()["issue"][0]["expression"]) == (403, ["Subscription.criteria"])
    masked = Maker(hospital, "masked", "system/*.cruds")
    assert (await masked.tried(receiver.url, "Observation?_text=a")).status_code in (400, 403)
    patients = Maker(hospital, "phone", "patient/*.cruds", "u-doc", patient="me")
    assert (await patients.tried(receiver.url, "Observation?_filter=wrong")).status_code in (400, 422)
    without = Maker(hospital, "mute", "patient/Observation.rs patient/Subscription.rs", "u-doc", patient="me")
    assert (await without.tried(receiver.url)).status_code == 403


async def test_whoever_changes_another_s_gets_what_they_may_see_themselves(
    hospital: Fhir, everybody: Maker, receiver: Receiver
) -> None:
    id = await everybody.subscribe(receiver)
    await became(everybody, id, "active")
    labs = Maker(hospital, "labs", "system/Subscription.cruds system/Observation.rs?category=laboratory")
    taken = (await labs(f"Subscription/{id}")).json()
    taken["channel"] |= {"header": ["X-Of: labs"]}
    assert (await labs(f"Subscription/{id}", "PUT", taken)).status_code == 200
    await everybody("Observation/v1", "PUT", observation("v1", "me"))
    await everybody("Observation/l1", "PUT", observation("l1", "me", "laboratory"))
    assert await told(receiver, labs, 1) == ["l1"]
    assert len(receiver.came) == 1


async def stored(everybody: Maker, id: str, **channel: Any) -> Any:
    """Reads one, changes its channel, and stores it."""
    read = (await everybody(f"Subscription/{id}")).json()
    return await everybody(f"Subscription/{id}", "PUT", {**read, "channel": {**read["channel"], **channel}})


async def test_what_headers_say_is_shown_to_nobody_and_kept_by_who_stores_what_was_read(
    hospital: Fhir, everybody: Maker, receiver: Receiver
) -> None:
    id = await everybody.subscribe(receiver, header=["X-Of: everybody", "Authorization: Bearer s3cret"])
    await became(everybody, id, "active")
    for path in (f"Subscription/{id}", "Subscription", f"Subscription/{id}/_history", "_history?_count=50",
                 f"Subscription/{id}/_history/1", "Subscription/$graphql?query="
                 "{SubscriptionList{channel{header}}}"):  # fmt: skip
        answer = await everybody(path)
        assert answer.status_code in (200, 404) and "s3cret" not in answer.text, path
    assert await everybody.ids("Subscription?_content=s3cret") == []
    read = (await everybody(f"Subscription/{id}")).json()
    assert [text.partition(": sealed.")[0] for text in read["channel"]["header"]] == ["X-Of", "Authorization"]
    again = await stored(everybody, id)
    assert (again.json()["status"], again.json()["channel"]) == ("active", read["channel"])
    said = await stored(everybody, id, header=["X-Of: everybody", "Authorization: Bearer s3cret"])
    assert (said.json()["status"], said.json()["channel"]) == ("active", read["channel"])
    await everybody("Observation/o1", "PUT", observation("o1", "me"))
    assert await told(receiver, everybody, 1) == ["o1"]
    assert receiver.came[0].headers["authorization"] == "Bearer s3cret"


async def test_what_was_sealed_is_sent_nowhere_else(everybody: Maker, receiver: Receiver) -> None:
    id = await everybody.subscribe(receiver)
    read = (await everybody(f"Subscription/{id}")).json()
    header = read["channel"]["header"]
    for answer in (
        await stored(everybody, id, endpoint=f"{receiver.url}/elsewhere"),
        await stored(everybody, id, header=[header[0].replace("X-Of", "X-Other")]),
        await stored(everybody, id, header=[header[0][:-8] + "AAAAAAAA"]),
        await everybody.tried(receiver.url, header=header),
    ):
        assert answer.status_code == 422, answer.text
        assert answer.json()["issue"][0]["expression"] == ["Subscription.channel.header[0]"]
    moved = await stored(everybody, id, endpoint=f"{receiver.url}/elsewhere", header=["X-Of: everybody"])
    assert moved.status_code == 200 and "sealed." in moved.json()["channel"]["header"][0]


async def test_headers_are_as_long_as_they_were_said_however_they_are_sealed(
    everybody: Maker, receiver: Receiver
) -> None:
    id = await everybody.subscribe(receiver, header=["X-Of: everybody", "X-Long: " + "x" * 4000])
    await became(everybody, id, "active")
    await everybody("Observation/o1", "PUT", observation("o1", "me"))
    assert await told(receiver, everybody, 1) == ["o1"]
    assert receiver.came[0].headers["x-long"] == "x" * 4000
    assert (await everybody.tried(receiver.url, header=["X-Long: " + "x" * 4096])).status_code == 422
    off = await everybody("Subscription", "POST", {
        "resourceType": "Subscription", "status": "off", "reason": "x", "criteria": "Observation",
        "channel": {"type": "rest-hook", "endpoint": receiver.url, "header": ["A: b", "not a header"]}})  # fmt: skip
    assert [text[:9] for text in off.json()["channel"]["header"]] == ["A: sealed", "not a hea"]


INSIDE = (
    "https://10.1.2.3/", "https://192.168.0.1/hook", "https://169.254.169.254/latest/meta-data/", "https://[::1]/",
    "https://[::ffff:10.0.0.1]/", "https://[64:ff9b::a00:1]/", "https://0.0.0.0/", "http://hooks.example.org/",
    "https://[fe80::1]/", "https://[fd00::1]/", "https://224.0.0.1/", "https://100.64.0.1/",
)  # fmt: skip


async def test_an_endpoint_inside_the_network_is_refused(everybody: Maker) -> None:
    for endpoint in INSIDE:
        answer = await everybody.tried(endpoint)
        assert answer.status_code == 422, endpoint
        assert answer.json()["issue"][0]["expression"] == ["Subscription.channel.endpoint"]


async def test_a_name_is_looked_at_when_it_is_called(hospital: Fhir, everybody: Maker, receiver: Receiver) -> None:
    """Whatever a name resolves to: what is not public, and not named by the setting, is not called."""
    port = receiver.url.rpartition(":")[2]
    kept = hospital.server.environment.subscriptions.store
    made = []
    for host in ("127.2", "2130706434", "0x7f000002", "nowhere.invalid"):
        answer = await everybody.tried(f"https://{host}:{port}")
        assert answer.status_code == 201, answer.text
        made.append(answer.json()["id"])
    await everybody("Observation/v1", "PUT", observation("v1", "me"))
    for id in made:
        while not (state := await kept.state(id)) or not state.problem:
            await asyncio.sleep(0.01)
        assert "no public address" in state.problem or "has no address" in state.problem
    assert not receiver.came


async def test_each_delivery_that_tells_something_is_in_the_audit_log(
    hospital: Fhir, everybody: Maker, receiver: Receiver
) -> None:
    id = await everybody.subscribe(receiver)
    await everybody("Observation/o1", "PUT", observation("o1", "other"))
    await told(receiver, everybody, 1)
    found = (await everybody(f"AuditEvent?entity=Subscription/{id}&patient=Patient/other")).json()["entry"]
    event = found[0]["resource"]
    assert event["agent"][0]["who"] == {"identifier": {"value": "everybody"}}
    assert {"reference": "Patient/other"} in [each.get("what") for each in event["entity"]]


async def test_one_of_an_open_server_is_not_served_once_it_is_secured(settings: Settings, receiver: Receiver) -> None:
    from tests.conftest import running

    opened = msgspec.structs.replace(settings, security="open", policies="")
    resource = {
        "resourceType": "Subscription", "id": "s", "status": "requested", "reason": "x", "criteria": "Observation",
        "channel": {"type": "rest-hook", "endpoint": receiver.url},
    }  # fmt: skip
    async with running(opened) as fhir:
        await fhir.create(resource)
    async with running(settings) as fhir:
        failed = await became(Maker(fhir, "everybody", "system/*.cruds"), "s", "error")
        assert "store it again" in failed["error"]


def test_nobody_is_bound_to_the_subscription_of_another(tmp_path: Path) -> None:
    data = tmp_path / "data"
    prepare(data)
    with serving(data, "--security", "smart", "--workers", 1) as server:
        base = ("--data", data, "--base-url", server.base)
        own, another = (
            {"authorization": f"Bearer {hms('token', *base, *more).strip()}"}
            for more in ((), ("--user", "doc", "--scope", "user/*.cruds"))
        )
        resource = {
            "resourceType": "Subscription", "id": "s", "status": "requested", "reason": "x", "criteria": "Patient",
            "channel": {"type": "websocket"},
        }  # fmt: skip
        answer = httpx.put(f"{server.base}/Subscription/s", json=resource, headers=own)
        assert answer.status_code == 201, answer.text

        async def bind(headers: dict[str, str]) -> Any:
            url = f"{server.origin}/subscriptions/websocket"
            async with aiohttp.ClientSession() as session, session.ws_connect(url, headers=headers) as socket:
                await socket.send_str("bind s")
                heard = await socket.receive(30)
                return heard.data if heard.type is aiohttp.WSMsgType.TEXT else heard.extra

        assert asyncio.run(bind(own)) == "bound s"
        assert "stored by another" in asyncio.run(bind(another))
        assert "access token" in asyncio.run(bind({}))


async def test_what_a_subscription_did_is_told_to_others_as_far_as_they_may_see(
    hospital: Fhir, everybody: Maker, receiver: Receiver
) -> None:
    resource = {"id": "t", **asked(receiver, STORED, "full-resource", "Observation")}
    labs = Maker(hospital, "labs", "system/Subscription.cruds system/Observation.rs?category=laboratory")
    assert (await everybody("Subscription/t", "PUT", resource)).status_code == 201
    await became(everybody, "t", "active")
    for id, category in (("v1", "vital-signs"), ("l1", "laboratory")):
        await everybody(f"Observation/{id}", "PUT", observation(id, "me", category))
    while len((await everybody("Subscription/t/$events?content=id-only")).json()["entry"]) < 3:
        await asyncio.sleep(0.01)

    async def resources(ask: Asking) -> list[str]:
        bundle = (await ask("Subscription/t/$events?content=full-resource")).json()
        return [entry["resource"]["id"] for entry in bundle["entry"][1:]]

    assert await resources(everybody) == ["v1", "l1"]
    assert await resources(labs) == ["l1"]
    nobody = Maker(hospital, "nobody", "system/Observation.cruds")
    for path in ("Subscription/t/$events", "Subscription/t/$status", "Subscription/$status"):
        assert (await nobody(path)).status_code == 403
    assert (await labs("Subscription/t/$get-ws-binding-token")).status_code == 422
    narrow = {"id": "n", **asked(receiver, STORED, "full-resource", "Patient")}
    assert (await labs("Subscription/n", "PUT", narrow)).status_code == 403


async def test_how_many_events_there_were_is_told_as_far_as_they_may_be_seen(
    hospital: Fhir, everybody: Maker, receiver: Receiver
) -> None:
    labs = Maker(hospital, "labs", "system/Subscription.rs system/Observation.rs?category=laboratory")
    blind = Maker(hospital, "blind", "system/Subscription.rs")
    narrower = Maker(hospital, "everybody", "system/Subscription.rs")
    resource = {"id": "t", **asked(receiver, STORED, "empty", "Observation")}
    assert (await everybody("Subscription/t", "PUT", resource)).status_code == 201
    await became(everybody, "t", "active")
    for id, category in (("v1", "vital-signs"), ("l1", "laboratory"), ("v2", "vital-signs")):
        await everybody(f"Observation/{id}", "PUT", observation(id, "me", category))
    url = "Subscription/t/$events?content=empty"
    while len(said((await everybody(url)).json())["events"]) < 3:
        await asyncio.sleep(0.01)

    async def numbers(ask: Asking) -> list[str]:
        return [event["event-number"] for event in said((await ask(url)).json())["events"]]

    async def count(ask: Asking) -> str:
        one, every = (await ask("Subscription/t/$status")).json(), (await ask("Subscription/$status")).json()
        found = {said({"entry": [entry]})["events-since-subscription-start"] for entry in every["entry"]}
        assert found == {said(one)["events-since-subscription-start"]}
        return found.pop()

    assert (await numbers(everybody), await count(everybody)) == (["1", "2", "3"], "3")
    assert (await numbers(labs), await count(labs)) == (["2"], "2")
    for ask in (blind, narrower):
        assert (await numbers(ask), await count(ask)) == ([], "0")


def test_a_socket_hears_no_more_than_its_token_may_see(tmp_path: Path) -> None:
    data = tmp_path / "data"
    prepare(data)
    with serving(data, "--security", "smart", "--workers", 1) as server:
        base = ("--data", data, "--base-url", server.base)
        labs = "system/Subscription.rs system/Observation.rs?category=laboratory"
        own, narrow = (
            {"authorization": f"Bearer {hms('token', *base, *more).strip()}"} for more in ((), ("--scope", labs))
        )

        def put(resource: dict[str, Any]) -> None:
            url = f"{server.base}/{resource['resourceType']}/{resource['id']}"
            answer = httpx.put(url, json=resource, headers=own)
            assert answer.status_code == 201, answer.text

        put({"resourceType": "Subscription", "id": "plain", "status": "requested", "reason": "x",
             "criteria": "Observation", "channel": {"type": "websocket"}})  # fmt: skip
        put({"id": "topic", **asked(None, STORED, "full-resource", "Observation")})
        for id in ("plain", "topic"):
            while httpx.get(f"{server.base}/Subscription/{id}", headers=own).json()["status"] != "active":
                time.sleep(0.01)

        def bound(headers: dict[str, str]) -> str:
            answer = httpx.get(f"{server.base}/Subscription/topic/$get-ws-binding-token", headers=headers)
            return answer.json()["parameter"][0]["valueString"]

        async def hear() -> tuple[list[str], list[str]]:
            heard: dict[str, list[str]] = {"own": [], "narrow": []}
            url = f"{server.origin}/subscriptions/websocket"

            async def listen(name: str, headers: dict[str, str]) -> None:
                async with aiohttp.ClientSession() as session, session.ws_connect(url, headers=headers) as socket:
                    await socket.send_str("bind plain")
                    await socket.receive(30)
                    await socket.send_str(f"bind-with-token {bound(headers)}")
                    await socket.receive(30)
                    ready[name].set()
                    while not any("last" in text for text in heard[name]):
                        heard[name].append((await socket.receive(30)).data)

            ready = {name: asyncio.Event() for name in heard}
            tasks = [asyncio.create_task(listen(name, ask)) for name, ask in (("own", own), ("narrow", narrow))]
            for each in ready.values():
                await asyncio.wait_for(each.wait(), 30)
            for id, category in (("vital", "vital-signs"), ("last", "laboratory")):
                await asyncio.to_thread(put, {**observation(id, "me", category)})
                if id == "vital":
                    while not any("vital" in text for text in heard["own"]):
                        await asyncio.sleep(0.01)
            await asyncio.gather(*tasks)
            return heard["own"], heard["narrow"]

        wide, less = asyncio.run(hear())
        assert any("vital" in text for text in wide) and "ping plain" in wide
        assert not any("vital" in text for text in less)
        notified = [json.loads(text) for text in less if text.startswith("{")]
        assert [event["event-number"] for each in notified for event in said(each)["events"]] == ["2"]
        assert sum(text == "ping plain" for text in less) <= 1


async def heard_of(ask: Asking, id: str, count: int) -> list[str]:
    """The ids of what the events of a Subscription to a topic are about, once there are so many."""
    while True:
        events = said((await ask(f"Subscription/{id}/$events?content=id-only")).json())["events"]
        if len(events) >= count:
            return [event["focus"].rpartition("/")[2] for event in map(focused, events)]
        await asyncio.sleep(0.01)


def focused(event: dict[str, Any]) -> dict[str, str]:
    return {"focus": event["focus"]["reference"]}


async def test_an_app_of_a_patient_hears_of_the_patient_s_record_alone(hospital: Fhir, everybody: Maker) -> None:
    phone = Maker(hospital, "phone", "patient/Subscription.cruds patient/Observation.rs", "u-doc", patient="me")
    id = (await phone("Subscription", "POST", asked(None, STORED, "id-only", "Observation"))).json()["id"]
    await became(phone, id, "active")
    await everybody("Observation/o1", "PUT", observation("o1", "other"))
    await everybody("Observation/o2", "PUT", observation("o2", "me"))
    await everybody("Observation/o1", "PUT", observation("o1", "me"))
    assert await heard_of(phone, id, 2) == ["o2", "o1"]
    await everybody("Observation/o4", "PUT", observation("o4", "other"))
    await everybody("Observation/o3", "PUT", observation("o3", "me"))
    assert await heard_of(phone, id, 3) == ["o2", "o1", "o3"]


async def test_an_app_of_a_patient_has_nothing_of_an_inner_network_called(
    hospital: Fhir, everybody: Maker, receiver: Receiver
) -> None:
    """What the setting names is for those who look after the house's own programs."""
    scope = "patient/Subscription.cruds patient/Observation.rs"
    phone = Maker(hospital, "phone", scope, "u-doc", patient="me")
    port = receiver.url.rpartition(":")[2]
    for endpoint in (receiver.url, receiver.url.replace("http:", "https:"), "http://trusted.test/", *INSIDE):
        assert (await phone.tried(endpoint)).status_code == 422, endpoint
    for host in ("127.0.0.1.nip.invalid", "localhost", "127.1"):
        answer = await phone.tried(f"https://{host}:{port}")
        assert answer.status_code == 201, answer.text
        await everybody("Observation/o1", "PUT", observation("o1", "me"))
        kept = hospital.server.environment.subscriptions.store
        while not (state := await kept.state(answer.json()["id"])) or not state.problem:
            await asyncio.sleep(0.01)
        assert "no public address" in state.problem or "has no address" in state.problem
    await everybody.subscribe(receiver)
    await everybody("Observation/o2", "PUT", observation("o2", "me"))
    assert await told(receiver, everybody, 1) == ["o2"]


async def test_an_app_of_a_patient_has_its_own_subscriptions_only(
    hospital: Fhir, everybody: Maker, receiver: Receiver
) -> None:
    scope = "patient/Subscription.cruds patient/Observation.rs"
    public = Receiver("https://192.0.43.8/fhir")  # never called, as nothing happens
    phone = Maker(hospital, "phone", scope, "u-doc", patient="me")
    others = [Maker(hospital, "phone", scope, "u-doc", patient="other"), Maker(hospital, "tv", scope, "u-doc", "me"),
              Maker(hospital, "phone", scope, "u-ada", patient="me")]  # fmt: skip
    theirs = await everybody.subscribe(receiver)
    id = await phone.subscribe(public)
    stored = (await phone(f"Subscription/{id}")).json()
    assert await phone.ids("Subscription") == [id]
    assert (await phone(f"Subscription/{theirs}")).status_code == 404
    taken = {**stored, "id": theirs, "channel": {**stored["channel"], "header": ["X-Of: phone"]}}
    assert (await phone(f"Subscription/{theirs}", "PUT", taken)).status_code == 403
    for ask in others:
        assert await ask.ids("Subscription") == []
        for way, method in (("", "GET"), ("/_history", "GET"), ("/$status", "GET"), ("/$events", "GET")):
            assert (await ask(f"Subscription/{id}{way}", method)).status_code == 404, way
        assert (await ask(f"Subscription/{id}", "PUT", stored)).status_code == 403
        forged = await ask(
            "Subscription", "POST", {**stored, "channel": taken["channel"]}
        )  # whose it is, is nobody's to say
        assert forged.status_code == 201
        assert await phone.ids("Subscription") == [id]
    unmarked = {name: value for name, value in stored.items() if name != "meta"}
    assert (await phone(f"Subscription/{id}", "PUT", unmarked)).status_code == 200
    assert await phone.ids("Subscription") == [id]
    assert (await everybody(f"Subscription/{id}", "PUT", stored)).status_code == 200
    assert await phone.ids("Subscription") == []
    mine = await phone.subscribe(public)
    assert (await phone(f"Subscription/{mine}", "DELETE")).status_code == 204


async def test_a_deletion_is_told_to_whoever_could_see_what_was_deleted(hospital: Fhir, everybody: Maker) -> None:
    labs = Maker(hospital, "labs", "system/Subscription.cruds system/Observation.rs?category=laboratory")
    phone = Maker(hospital, "phone", "patient/Subscription.cruds patient/Observation.rs", "u-doc", patient="me")
    linked = Maker(hospital, "linked", "system/Subscription.cruds system/Observation.rs?subject.active=true")
    ids = {}
    for maker in (labs, phone, linked):
        answer = await maker("Subscription", "POST", asked(None, "urn:hms:topic:deleted", "id-only", "Observation"))
        assert answer.status_code == 201, answer.text
        ids[maker] = answer.json()["id"]
        await became(maker, ids[maker], "active")
    kinds = {"v1": ("me", "vital-signs"), "l1": ("me", "laboratory"), "l2": ("other", "laboratory"),
             "gone": ("me", "laboratory"), "l3": ("me", "laboratory")}  # fmt: skip
    for id, (patient, category) in kinds.items():
        await everybody(f"Observation/{id}", "PUT", observation(id, patient, category))
    await everybody("Observation/gone", "PUT", observation("gone", "other", "vital-signs"))
    for id in kinds:
        assert (await everybody(f"Observation/{id}", "DELETE")).status_code == 204
    assert await heard_of(labs, ids[labs], 3) == ["l1", "l2", "l3"]
    assert await heard_of(phone, ids[phone], 3) == ["v1", "l1", "l3"]
    # what other resources tell of what it may see may have changed since
    environment = hospital.server.environment
    seen = environment_of(environment, await hospital.server.caller_of("GET", linked.headers, BASE))
    resource = (await linked(f"Subscription/{ids[linked]}")).json()
    interest = await interest_of(seen, subscription_of(resource, seen.definitions, environment.subscriptions.topics))
    changes, _ = await environment.feed.changes_of(("Observation",), 0)
    deletions = [change for change in changes if change.method == "DELETE"]
    assert len(deletions) == len(kinds) and not any([await interest.has(change) for change in deletions])
