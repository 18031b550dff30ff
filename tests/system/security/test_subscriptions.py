"""A Subscription tells its maker what the maker may see at that moment, and goes nowhere it must not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import httpx
import msgspec
import pytest

from fhir_server.core.settings import Settings
from fhir_server.security.model import Client, Grant, User
from tests.conftest import Fhir
from tests.system.process import hms, serving
from tests.system.receiver import Came, Receiver, receiving
from tests.system.security.conftest import BASE, ORIGIN, observation
from tests.system.security.started import prepare
from tests.system.security.test_policies import actor, consent
from tests.system.security.test_scopes import Asking

pytestmark = pytest.mark.anyio

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

    def __init__(self, fhir: Fhir, client: str, scope: str, user: str = "") -> None:
        super().__init__(fhir, scope)
        self.security, self.client, self.scope, self.user = fhir.server.security, client, scope, user
        self.receiver: Receiver | None = None
        self._token = self._granted

    async def _granted(self) -> dict[str, str]:
        store, family = self.security.store, f"family of {self.client}"
        if await store.client(self.client) is None:
            await store.put_client(Client(id=self.client, name=self.client, scopes=self.scope))
        await store.begin_family(family, self.user, self.client, self.scope)
        grant = Grant(family=family, client=self.client, scope=self.scope, user=self.user, fhir_user="Practitioner/doc")
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


async def test_nobody_subscribes_to_what_they_may_not_search(hospital: Fhir, receiver: Receiver) -> None:
    some = Maker(hospital, "some", "system/Subscription.cruds system/Observation.rs")
    answer = await some.tried(receiver.url, "Patient?name=a")
    assert (answer.status_code, answer.json()["issue"][0]["expression"]) == (403, ["Subscription.criteria"])
    masked = Maker(hospital, "masked", "system/*.cruds")
    assert (await masked.tried(receiver.url, "Observation?_text=a")).status_code in (400, 403)
    patients = Asking(hospital, "patient/*.cruds", patient="me")
    resource = {"resourceType": "Subscription", "status": "requested", "reason": "x", "criteria": "Observation",
                "channel": {"type": "rest-hook", "endpoint": receiver.url}}  # fmt: skip
    assert (await patients("Subscription", "POST", resource)).status_code == 403


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
    guide = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/"
    filters = [{"url": f"{guide}backport-filter-criteria", "valueString": "Observation"}]
    content = [{"url": f"{guide}backport-payload-content", "valueCode": "full-resource"}]
    channel = {"type": "rest-hook", "endpoint": receiver.url, "payload": "application/fhir+json",
               "_payload": {"extension": content}}  # fmt: skip
    resource = {
        "resourceType": "Subscription", "id": "t", "status": "requested", "reason": "x",
        "criteria": "urn:hms:topic:stored", "_criteria": {"extension": filters}, "channel": channel,
    }  # fmt: skip
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
    narrow = {**resource, "id": "n"}
    narrow["_criteria"] = {"extension": [{**filters[0], "valueString": "Patient"}]}
    assert (await labs("Subscription/n", "PUT", narrow)).status_code == 403
