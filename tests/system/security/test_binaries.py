"""Which Binaries a caller finds who may see the records of some patients alone: by the index, be they many."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest

from fhir_server import bootstrap
from fhir_server.api import FhirServer, Request
from fhir_server.core.ports import Caller
from fhir_server.core.query import Query
from fhir_server.core.settings import Settings
from fhir_server.interactions.access.contents import Contents
from fhir_server.interactions.followers import custom_parameters
from fhir_server.search import fields
from fhir_server.security.model import Access
from tests.conftest import Fhir, HeldClock
from tests.system.security.conftest import BASE, observation
from tests.system.security.test_scopes import Asking

pytestmark = pytest.mark.anyio

MANY = 120


def binary(id: str, context: dict[str, Any] | None = None) -> dict[str, Any]:
    about = {} if context is None else {"securityContext": context}
    return {"resourceType": "Binary", "id": id, "contentType": "text/plain", "data": "eA==", **about}


def named(reference: str) -> dict[str, Any]:
    return {"reference": reference}


async def put(server: FhirServer, *resources: dict[str, Any]) -> None:
    entries = [
        {"resource": each, "request": {"method": "PUT", "url": f"{each['resourceType']}/{each['id']}"}}
        for each in resources
    ]
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
    await server.perform(Request("POST", (), resource=bundle, base=BASE))


def documents() -> tuple[list[dict[str, Any]], list[str]]:
    """Binaries that belong to all kinds of things, and the ids of those that are of the patient "me"."""
    chance = random.Random(7)
    mine = ["Patient/me", "Observation/mine", "Observation/lab/_history/1"]
    others = [
        "Patient/other", "Observation/theirs", "Observation/gone", "Device/pump", "Organization/house",
        "http://elsewhere.test/fhir/Observation/mine", "Binary/b0",
    ]  # fmt: skip
    made, own = [], []
    for number in range(MANY):
        about = chance.choice([named(chance.choice(mine)), named(chance.choice(others)), None,
                               {"identifier": {"value": "me"}}])  # fmt: skip
        made.append(binary(f"b{number}", about))
        if about is not None and about.get("reference") in mine:
            own.append(f"b{number}")
    return made, own


@pytest.fixture
def looked_into(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many Binaries each search has looked into."""
    found: list[int] = []
    whole = Contents.shown

    async def shown(self: Contents, versions: list[Any], seen: Any) -> list[Any]:
        found.append(len(versions) if self._found and self.concern("Binary") else 0)
        return await whole(self, versions, seen)

    monkeypatch.setattr(Contents, "shown", shown)
    return found


async def everything(ask: Asking, path: str) -> list[str]:
    """The ids on all pages."""
    found: list[str] = []
    while path:
        page = (await ask(path)).json()
        found += [entry["resource"]["id"] for entry in page.get("entry", ())]
        path = next((link["url"].removeprefix(f"{BASE}/") for link in page["link"] if link["relation"] == "next"), "")
    return sorted(found)


NARROW = [
    ("patient/*.rs", {"patient": "me"}),
    ("user/*.rs", {"fhir_user": "Patient/me"}),
    ("patient/Binary.rs patient/Observation.rs patient/Patient.rs", {"patient": "me"}),
]


@pytest.mark.parametrize(("scope", "about"), NARROW)
async def test_within_a_patients_context_the_index_finds_the_patients_binaries(
    hospital: Fhir, looked_into: list[int], scope: str, about: dict[str, str]
) -> None:
    made, own = documents()
    await put(hospital.server, *made)
    ask = Asking(hospital, scope, **about)
    assert await everything(ask, "Binary?_count=7") == sorted(own)
    assert (await ask("Binary?_summary=count")).json()["total"] == len(own)
    assert (await ask("Binary?_total=accurate&_count=3")).json()["total"] == len(own)
    assert await everything(ask, "Binary/_history?_count=50") == sorted(own)
    one, another = own[0], next(each["id"] for each in made if each["id"] not in own)
    assert await everything(ask, f"Binary?_id={one},{another}") == [one]
    assert not any(looked_into)


async def test_scopes_that_narrow_to_patients_find_binaries_by_the_index(
    hospital: Fhir, looked_into: list[int]
) -> None:
    made, _ = documents()
    await put(hospital.server, *made)
    open_ones = [each["id"] for each in made if "securityContext" not in each]
    of_mine = [
        each["id"]
        for each in made
        if each.get("securityContext", {}).get("reference") in ("Observation/mine", "Observation/lab/_history/1")
    ]
    ask = Asking(hospital, "user/Binary.rs user/Observation.rs?patient=Patient/me")
    assert await everything(ask, "Binary?_count=50") == sorted(["scan", *open_ones, *of_mine])
    assert (await ask("Binary?_summary=count")).json()["total"] == 1 + len(open_ones) + len(of_mine)
    assert not any(looked_into)


async def test_scopes_that_leave_many_have_each_binary_looked_into(hospital: Fhir, looked_into: list[int]) -> None:
    made, _ = documents()
    await put(hospital.server, *made)
    gone = ("Patient/", "Device/", "Organization/", "Binary/", "http", "Observation/gone")
    shown = [
        each["id"]
        for each in made
        if "securityContext" not in each
        or ("reference" in each["securityContext"] and not each["securityContext"]["reference"].startswith(gone))
    ]
    ask = Asking(hospital, "user/Binary.rs user/Observation.rs?code:not=x")
    assert await everything(ask, "Binary?_count=50") == sorted(["scan", *shown])
    assert (await ask("Binary?_summary=count")).json()["total"] == 1 + len(shown)
    assert any(looked_into)


async def test_a_binary_follows_what_its_context_names_to_another_patient(hospital: Fhir) -> None:
    await put(hospital.server, binary("letter", named("Observation/mine")))
    ask, theirs = Asking(hospital, "patient/*.rs", patient="me"), Asking(hospital, "patient/*.rs", patient="other")
    assert (await ask.ids("Binary"), await theirs.ids("Binary")) == (["letter"], [])
    await put(hospital.server, observation("mine", "other"))
    assert (await ask.ids("Binary"), await theirs.ids("Binary")) == ([], ["letter"])
    assert (await ask("Binary/letter")).status_code == 404
    await hospital.server.perform(Request("DELETE", ("Observation", "mine")))
    assert (await ask.ids("Binary"), await theirs.ids("Binary")) == ([], [])


async def test_old_versions_are_shown_where_their_own_context_may_be_seen(hospital: Fhir) -> None:
    await put(hospital.server, binary("letter", named("Observation/theirs")))
    for context in ("Observation/mine", "Observation/lab"):
        await put(hospital.server, binary("letter", named(context)))
    for ask in (
        Asking(hospital, "patient/*.rs", patient="me"),
        Asking(hospital, "user/Binary.rs user/Observation.rs?patient=Patient/me"),
        Asking(hospital, "user/Binary.rs user/Observation.rs?_id:not=theirs"),
    ):
        for path in ("Binary/letter/_history", "Binary/_history", "_history?_count=1000"):
            entries = [entry["resource"] for entry in (await ask(path)).json()["entry"]]
            found = [each["meta"]["versionId"] for each in entries if each["id"] == "letter"]
            assert found == ["3", "2"], path
        for number, status in (("1", 404), ("2", 200), ("3", 200)):
            assert (await ask(f"Binary/letter/_history/{number}")).status_code == status


async def test_deletions_of_binaries_are_not_told_as_nobody_can_say_whose_they_were(hospital: Fhir) -> None:
    await put(hospital.server, binary("letter", named("Observation/theirs")))
    await hospital.server.perform(Request("DELETE", ("Binary", "letter")))
    for scope in (
        "user/Binary.rs user/Observation.rs?patient=Patient/me",
        "user/Binary.rs user/Patient.rs?gender=male",
    ):
        ask = Asking(hospital, scope)
        for path in ("Binary/letter", "Binary/letter/_history", "Binary/letter/_history/1", "Binary/never"):
            assert (await ask(path)).status_code == 404, path
    assert (await Asking(hospital, "user/*.rs")("Binary/letter")).status_code == 410


async def test_binaries_are_included_and_passed_through_where_they_may_be_seen(hospital: Fhir) -> None:
    items = [{"item": named(f"Binary/{id}")} for id in ("own", "no")]
    listed = {"resourceType": "List", "id": "papers", "status": "current", "mode": "working", "entry": items,
              "subject": named("Patient/me")}  # fmt: skip
    own, other = (
        {**binary(id, named(f"Patient/{whose}")), "meta": {"tag": [{"code": id}]}}
        for id, whose in (("own", "me"), ("no", "other"))
    )
    await put(hospital.server, own, other, listed)
    ask = Asking(hospital, "patient/*.rs", patient="me")
    assert await ask.ids("List?_include=List:item") == ["own", "papers"]
    assert await ask.ids("List?item:Binary._tag=own") == ["papers"]
    assert await ask.ids("List?item:Binary._tag=no") == []
    assert await ask.ids("Binary?_list=papers") == ["own"]


async def test_content_is_stored_with_the_context_of_its_header(hospital: Fhir) -> None:
    ask = Asking(hospital, "patient/*.cruds", patient="me")
    await ask("metadata")
    for address, status in ((f"{BASE}/Patient/me", 201), ("Patient/me", 201), (f"{BASE}/Patient/other", 403)):
        headers = {**ask.headers, "content-type": "text/plain", "x-security-context": address}
        assert (await ask.http.post(f"{BASE}/Binary", content=b"x", headers=headers)).status_code == status, address
    assert (await ask("Binary?_summary=count")).json()["total"] == 2


async def test_no_client_asks_by_what_is_indexed_for_restrictions(hospital: Fhir) -> None:
    await put(hospital.server, binary("letter", named("Patient/me")))
    ask = Asking(hospital, "user/*.cruds")
    for path in (
        "Binary?security-context=Patient/me",
        "Binary?_filter=security-context eq Patient/me",
        "Binary?_include=Binary:security-context",
        "Patient?_revinclude=Binary:security-context",
        "Patient?_has:Binary:security-context:_id=letter",
        "Binary?_sort=security-context",
    ):
        assert (await ask(path)).status_code == 400, path
    assert "security-context" not in (await ask("metadata")).text
    assert await ask.ids("Patient?_id=me&_revinclude=*") == ["lab", "me", "mine", "other"]


async def caller_of(server: FhirServer) -> Caller:
    return await server.environment.callers.of_access(Access(client="app", scope="patient/*.rs", patient="me"))


async def total(server: FhirServer) -> int:
    from fhir_server.codec.json import decode

    asked = Request("GET", ("Binary",), [("_summary", "count")], base=BASE, caller=await caller_of(server))
    return decode((await server.perform(asked)).body)["total"]


async def test_what_was_indexed_when_it_was_stored_is_not_indexed_again(settings: Settings) -> None:
    for _ in range(2):
        server = await bootstrap.start(settings, HeldClock())
        assert not server.indexing()
        await put(server, {"resourceType": "Patient", "id": "me"})
        await server.close()


async def test_what_an_older_program_has_stored_is_indexed_in_the_background(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, looked_into: list[int]
) -> None:
    made, own = documents()
    patients = [{"resourceType": "Patient", "id": id} for id in ("me", "other")]
    with monkeypatch.context() as older:
        for module in (fields, custom_parameters):
            older.setattr(module, "UNASKED", {})
        server = await bootstrap.start(settings, HeldClock())
        await put(server, *patients, observation("mine", "me"), observation("lab", "me"), *made[: MANY // 2])
        await put(server, *made[MANY // 2 :])
        await server.close()

    waiting = asyncio.Event()
    page = custom_parameters.reindex_page

    async def held(*arguments: Any) -> int:
        await waiting.wait()
        return await page(*arguments)

    monkeypatch.setattr(custom_parameters, "reindex_page", held)
    server = await bootstrap.start(settings, HeldClock())
    assert [each.url for each in server.indexing()] == [fields.SECURITY_CONTEXT.url]
    assert await total(server) == len(own)  # each looked into until then
    assert any(looked_into)
    waiting.set()
    while server.indexing():
        await asyncio.sleep(0.01)
    looked_into.clear()
    assert await total(server) == len(own)
    assert not any(looked_into)
    assert await server.check() == []
    await server.close()
    again = await bootstrap.start(settings, HeldClock())
    assert again.indexing() == []
    await again.close()


@pytest.mark.embedded("SQLite's plans")
async def test_the_plan_goes_from_the_patients_records_to_the_binaries(hospital: Fhir) -> None:
    made, own = documents()
    await put(hospital.server, *made)
    server = hospital.server
    restriction = (await caller_of(server)).restriction
    assert restriction is not None
    where = restriction("Binary")
    assert where is not None
    index: Any = server.environment.index
    connection = index._connection
    statements: list[str] = []
    connection.set_trace_callback(statements.append)
    page = await server.environment.index.search(Query(("Binary",), where, count=500))
    connection.set_trace_callback(None)
    assert len(page.matches) == len(own)
    finding = next(each for each in statements if each.startswith(("SELECT", "WITH")) and "version" in each)
    plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {finding}")]
    assert any("USING PRIMARY KEY (field=? AND target=?)" in line for line in plan), plan
    assert not any("resource_live" in line for line in plan), plan  # which is all Binaries
