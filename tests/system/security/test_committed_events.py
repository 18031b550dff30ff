"""The event of what is written is committed with it: it names the versions, and there is one of each."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from typing import Any

import msgspec
import pytest

from fhir_server.core.settings import Settings
from fhir_server.security.audit import Event
from fhir_server.security.encryption.master_keys import add_key
from tests.conftest import BASE, Fhir
from tests.system.security.conftest import observation
from tests.system.security.test_audit import events, full, named, said
from tests.system.security.test_scopes import Asking

pytestmark = pytest.mark.anyio


def kept(hospital: Fhir) -> list[Event]:
    """Those of this machine's log, oldest first."""
    log = hospital.server.environment.audit
    return [event for _, event in getattr(log, "own", log).oldest_first()]


def told(event: Event) -> tuple[Any, ...]:
    return event.interaction, event.outcome, event.status, event.path, event.patients, event.written


def entry(method: str, url: str, resource: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"request": {"method": method, "url": url}, **({"resource": resource} if resource else {})}


def bundle(type: str, *entries: dict[str, Any]) -> dict[str, Any]:
    return {"resourceType": "Bundle", "type": type, "entry": list(entries)}


async def test_each_write_has_one_event_that_names_what_it_wrote(hospital: Fhir) -> None:
    ask = Asking(hospital, "user/*.cruds")
    new = observation("new", "other")
    made = (await ask("Observation", "POST", {name: new[name] for name in new if name != "id"})).json()
    assert (await ask("Observation/new", "PUT", new)).status_code == 201
    assert (await ask("Observation/new", "PUT", new | {"status": "amended"})).status_code == 200
    assert (await ask("Observation/new", "DELETE")).status_code == 204
    assert (await ask("Observation/new", "PUT", new)).status_code == 201
    assert (await ask("Observation/new", "DELETE")).status_code == 204
    assert (await ask("Observation/new", "DELETE")).status_code == 204
    assert [told(event) for event in kept(hospital)[-7:]] == [
        ("create", "0", 201, "Observation", ("other",), (f"Observation/{made['id']}/_history/1",)),
        ("update", "0", 201, "Observation/new", ("other",), ("Observation/new/_history/1",)),
        ("update", "0", 200, "Observation/new", ("other",), ("Observation/new/_history/2",)),
        ("delete", "0", 204, "Observation/new", ("other",), ("Observation/new/_history/3",)),
        ("update", "0", 201, "Observation/new", ("other",), ("Observation/new/_history/4",)),
        ("delete", "0", 204, "Observation/new", ("other",), ("Observation/new/_history/5",)),
        ("delete", "0", 204, "Observation/new", (), ()),  # nothing was committed
    ]
    event = kept(hospital)[-2]
    assert (event.user, event.address) == (kept(hospital)[-1].user, kept(hospital)[-1].address) != ("", "")


async def test_what_an_import_stores_has_an_event_for_each(hospital: Fhir) -> None:
    ask = Asking(hospital, "user/*.cruds")
    lines = b"\n".join(msgspec.json.encode(observation(id, "other")) for id in ("first", "second"))
    await ask("Patient/me")
    sent = ask.headers | {"content-type": "application/fhir+ndjson", "prefer": "respond-async"}
    begun = await hospital.http.post(f"{BASE}/$import", content=lines, headers=sent)
    status = begun.headers["content-location"].removeprefix(f"{BASE}/")
    while (await ask(status)).status_code == 202:
        await asyncio.sleep(0.01)
    found = [event for event in kept(hospital) if event.written]
    assert [told(event)[3:] for event in found[-2:]] == [
        (f"Observation/{id}", ("other",), (f"Observation/{id}/_history/1",)) for id in ("first", "second")
    ]


async def test_a_transaction_has_one_event_beside_those_of_what_it_read(hospital: Fhir) -> None:
    ask = Asking(hospital, "user/*.cruds")
    posted = bundle("transaction", entry("PUT", "Patient/new", {"resourceType": "Patient", "id": "new"}),
                    entry("DELETE", "Observation/mine"), entry("GET", "Observation/theirs"))  # fmt: skip
    assert (await ask("", "POST", posted)).status_code == 200
    written, read = kept(hospital)[-2:]
    assert told(written)[:4] == ("transaction", "0", 200, "") and told(read)[:4] == (
        "read",
        "0",
        200,
        "Observation/theirs",
    )
    assert set(written.patients) == {"new", "me"} and read.patients == ("other",)
    assert Counter(written.written) == Counter(["Patient/new/_history/1", "Observation/mine/_history/2"])
    before = len(kept(hospital))
    failing = bundle("transaction", entry("PUT", "Patient/new2", {"resourceType": "Patient", "id": "new2"}),
                     entry("DELETE", "Patient?nothing=1"))  # fmt: skip
    assert (await ask("", "POST", failing)).status_code == 400
    (refused,) = kept(hospital)[before:]
    assert told(refused)[:3] == ("transaction", "4", 400) and refused.written == ()


async def test_each_entry_of_a_batch_has_its_own(hospital: Fhir) -> None:
    ask = Asking(hospital, "user/*.cruds")
    posted = bundle("batch", entry("PUT", "Patient/new", {"resourceType": "Patient", "id": "new"}),
                    entry("DELETE", "Observation/mine"), entry("GET", "Observation/theirs"))  # fmt: skip
    assert (await ask("", "POST", posted)).status_code == 200
    found = kept(hospital)[-4:]
    assert sorted(told(event)[0] for event in found) == ["delete", "read", "transaction", "update"]
    (whole,) = [event for event in found if event.interaction == "transaction"]
    assert set(whole.patients) == {"new", "me", "other"} and whole.written == ()
    written = Counter(reference for event in found for reference in event.written)
    assert written == Counter(["Patient/new/_history/1", "Observation/mine/_history/2"])


async def test_what_matched_and_was_not_written_is_kept_before_the_answer(hospital: Fhir) -> None:
    ask = Asking(hospital, "user/*.cruds")
    await ask("Patient/me")
    answer = await hospital.http.post(
        "http://fhir.test/fhir/Patient", json={"resourceType": "Patient"},
        headers={**ask.headers, "if-none-exist": "family=Mine"},
    )  # fmt: skip
    assert answer.status_code == 200
    assert told(kept(hospital)[-1]) == ("create", "0", 200, "Patient", ("me",), ())


async def test_what_an_operation_writes_and_what_provenance_is_written_with_it(hospital: Fhir) -> None:
    ask = Asking(hospital, "user/*.cruds")
    await ask("Patient/me")
    before = len(kept(hospital))
    tag = {"resourceType": "Parameters", "parameter": [{"name": "meta", "valueMeta": {"tag": [{"code": "x"}]}}]}
    provenance = '{"resourceType":"Provenance","recorded":"2026-01-01T00:00:00Z","agent":[{"who":{"display":"x"}}]}'
    answer = await hospital.http.put("http://fhir.test/fhir/Observation/new", json=observation("new", "me"),
                                     headers={**ask.headers, "x-provenance": provenance})  # fmt: skip
    assert answer.status_code == 201
    assert (await ask("Observation/new/$meta-add", "POST", tag)).status_code == 200
    update, operation = kept(hospital)[before:]
    assert [reference.split("/")[0] for reference in update.written] == ["Observation", "Provenance"]
    assert told(operation)[:5] == ("operation", "0", 200, "Observation/new/$meta-add", ("me",))


async def test_a_write_does_not_wait_for_the_journal_and_what_is_read_does(hospital: Fhir, monkeypatch) -> None:
    ask = Asking(hospital, "user/*.cruds")
    await ask("Patient/me")
    with monkeypatch.context() as broken:
        broken.setattr(os, "pwrite", full)
        assert (await ask("Observation/new", "PUT", observation("new", "me"))).status_code == 201
        assert (await ask("Observation/new")).status_code == 503
    assert [said(event)[0] for event in await events(hospital, "?patient=Patient/me")] == ["update", "read"]


async def test_whoever_sees_an_event_for_some_of_its_patients_is_told_no_versions(hospital: Fhir) -> None:
    doctor = Asking(hospital, "user/*.cruds")
    both = bundle("transaction", entry("PUT", "Observation/a", observation("a", "me")),
                  entry("PUT", "Patient/other", {"resourceType": "Patient", "id": "other"}))  # fmt: skip
    assert (await doctor("", "POST", both)).status_code == 200
    (whole,) = await events(hospital, "?entity=Observation/a")
    assert {"Observation/a/_history/1", "Patient/other/_history/2", "Patient/me"} <= set(named(whole))
    mine = Asking(hospital, "patient/AuditEvent.rs", patient="me")
    (seen,) = (await mine("AuditEvent?subtype=transaction")).json()["entry"]
    assert named(seen["resource"]) == ["Patient/me"]
    answer = await doctor("AuditEvent/$validate", "POST", whole)
    assert all(issue["severity"] not in ("error", "fatal") for issue in answer.json()["issue"]), answer.text


class TestSealed:
    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        if settings.mongodb_url:
            pytest.skip("how notes are sealed in MongoDB is in distributed/test_notes.py")
        master = settings.data / "master.json"
        settings.data.mkdir(parents=True, exist_ok=True)
        add_key(master)
        return msgspec.structs.replace(settings, encryption_keys=str(master))

    async def test_what_is_committed_with_a_write_is_sealed_and_names_whom_it_is_about(self, hospital: Fhir) -> None:
        ask = Asking(hospital, "user/*.cruds")
        assert (await ask("Observation/new", "PUT", observation("new", "me"))).status_code == 201
        event = kept(hospital)[-1]
        assert event.patients == ("me",) and event.written == ("Observation/new/_history/1",)
        stored = b"".join(path.read_bytes() for path in hospital.server.settings.data.glob("fhir.sqlite*"))
        assert event.written[0].encode() not in stored
