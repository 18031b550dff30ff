"""Conditional create, update, patch and delete, and referential integrity."""

from typing import Any

import msgspec
import pytest

from fhir_server.core.settings import Settings
from tests.conftest import Fhir, issue_of

pytestmark = pytest.mark.anyio

MRN = "http://hospital.test/mrn"


def patient(value: str, **more: object) -> dict:
    return {"resourceType": "Patient", "identifier": [{"system": MRN, "value": value}], **more}


async def two_alike(fhir: Fhir) -> None:
    await fhir.create(patient("1", id="a"))
    await fhir.create(patient("1", id="b"))


async def test_create_only_where_nothing_matches(fhir: Fhir) -> None:
    first = await fhir.post("Patient", patient("1"), if_none_exist=f"identifier={MRN}|1")
    again = await fhir.post("Patient", patient("1"), if_none_exist=f"identifier={MRN}|1")
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json()["id"] == again.json()["id"]


async def test_criteria_of_a_header_are_utf_8_as_clients_send_them(fhir: Fhir) -> None:
    utf8: Any = "family=Müller".encode()
    answers = [await fhir.post("Patient", patient("1", name=[{"family": "Müller"}]), if_none_exist=utf8) for _ in "12"]
    assert [each.status_code for each in answers] == [201, 200]


async def test_criteria_that_match_several_are_412(fhir: Fhir) -> None:
    await two_alike(fhir)
    criteria = f"identifier={MRN}|1"
    for answer in (
        await fhir.post("Patient", patient("1"), if_none_exist=criteria),
        await fhir.put(f"Patient?{criteria}", patient("1")),
        await fhir("DELETE", f"Patient?{criteria}"),
    ):
        assert (answer.status_code, issue_of(answer)["code"]) == (412, "multiple-matches")
    assert len(await fhir.ids("Patient")) == 2


@pytest.mark.parametrize("criteria", ["nonsense=1", "", "identifier=", "_sort=name", "_count=1&_format=json"])
async def test_criteria_that_say_nothing_are_refused(fhir: Fhir, criteria: str) -> None:
    await fhir.create(patient("1"))
    assert (await fhir("DELETE", f"Patient?{criteria}")).status_code == 400
    assert len(await fhir.ids("Patient")) == 1


@pytest.mark.parametrize("more", ["_count=1", "_sort=_id", "_contained=both", "_include=Patient:link", "_cursor=x"])
async def test_criteria_don_t_say_how_to_answer(fhir: Fhir, more: str) -> None:
    await fhir.create({"resourceType": "Patient", "id": "p", "active": True})
    for method in ("DELETE", "PUT"):
        refused = await fhir(method, f"Patient?active=true&{more}", {"resourceType": "Patient"})
        assert refused.status_code == 400 and more.partition("=")[0] in issue_of(refused)["diagnostics"]
    created = await fhir.post("Patient", {"resourceType": "Patient"}, if_none_exist=f"active=true&{more}")
    assert created.status_code == 400
    shaped = await fhir("DELETE", "Patient?active=true&_format=json&_pretty=true")
    assert shaped.status_code == 204


async def test_conditional_update_creates_updates_and_checks_the_id(fhir: Fhir) -> None:
    where = f"Patient?identifier={MRN}|1"
    made = await fhir.put(where, patient("1"))
    assert made.status_code == 201
    changed = await fhir.put(where, patient("1", active=True))
    assert (changed.status_code, changed.json()["id"]) == (200, made.json()["id"])
    assert (await fhir.put(where, patient("1", id="another"))).status_code == 400
    chosen = await fhir.put(f"Patient?identifier={MRN}|2", patient("2", id="mine"))
    assert (chosen.status_code, chosen.json()["id"]) == (201, "mine")


async def test_if_none_match_holds_for_every_write(fhir: Fhir) -> None:
    await fhir.create(patient("1", id="a"))
    change = b'[{"op": "add", "path": "/active", "value": true}]'
    for condition in ("*", 'W/"1"'):
        put = await fhir.put("Patient/a", patient("1", id="a"), if_none_match=condition)
        patched = await fhir(
            "PATCH", "Patient/a", change, content_type="application/json-patch+json", if_none_match=condition
        )
        deleted = await fhir("DELETE", "Patient/a", if_none_match=condition)
        assert [answer.status_code for answer in (put, patched, deleted)] == [412, 412, 412]
    assert (await fhir("DELETE", "Patient/a", if_none_match='W/"9"')).status_code == 204
    assert (await fhir("DELETE", "Patient/a", if_none_match="*")).status_code == 204


async def test_conditional_patch_of_the_one_match(fhir: Fhir) -> None:
    await fhir.create(patient("1", id="a"))
    patch = b'[{"op":"add","path":"/active","value":true}]'
    answer = await fhir("PATCH", f"Patient?identifier={MRN}|1", patch, content_type="application/json-patch+json")
    assert answer.json()["active"] is True
    none = await fhir("PATCH", f"Patient?identifier={MRN}|9", patch, content_type="application/json-patch+json")
    assert none.status_code == 404


@pytest.mark.parametrize(
    ("patch", "status"),
    [
        (b'[{"op":"replace","path":"/gender","value":"male"}]', 422),
        (b'[{"op":"add","path":"/gender","value":"none"}]', 422),
        (b'[{"op":"add","path":"/id","value":"other"}]', 422),
        (b'[{"op":"remove","path":"/resourceType"}]', 422),
        (b'[{"op":"jump","path":"/id"}]', 400),
        (b"{}", 400),
    ],
)
async def test_a_patch_that_can_not_be_applied_changes_nothing(fhir: Fhir, patch: bytes, status: int) -> None:
    where = await fhir.create(patient("1", id="a"))
    answer = await fhir("PATCH", where, patch, content_type="application/json-patch+json")
    assert answer.status_code == status, answer.text
    assert (await fhir.get(where)).json()["meta"]["versionId"] == "1"


async def test_a_patch_with_an_old_etag_is_412(fhir: Fhir) -> None:
    where = await fhir.create(patient("1", id="a"))
    patch = b'[{"op":"add","path":"/active","value":true}]'
    json_patch = "application/json-patch+json"
    assert (await fhir("PATCH", where, patch, content_type=json_patch, if_match='W/"1"')).status_code == 200
    assert (await fhir("PATCH", where, patch, content_type=json_patch, if_match='W/"1"')).status_code == 412


async def test_conditional_delete_of_the_one_match(fhir: Fhir) -> None:
    await fhir.create(patient("1", id="a"))
    assert (await fhir("DELETE", f"Patient?identifier={MRN}|1")).status_code == 204
    assert (await fhir("DELETE", f"Patient?identifier={MRN}|1")).status_code == 204
    assert (await fhir.get("Patient/a")).status_code == 410


class TestSeveralAtOnce:
    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return msgspec.structs.replace(settings, conditional_delete="multiple")

    async def test_conditional_delete_of_several(self, fhir: Fhir) -> None:
        await two_alike(fhir)
        await fhir.create(patient("2", id="c"))
        assert (await fhir("DELETE", f"Patient?identifier={MRN}|1")).status_code == 204
        assert await fhir.ids("Patient") == ["c"]


class TestNoMoreThanSoMany(TestSeveralAtOnce):
    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return msgspec.structs.replace(settings, conditional_delete="multiple", conditional_delete_limit=2)

    async def test_conditional_delete_of_more_is_412_and_deletes_nothing(self, fhir: Fhir) -> None:
        await two_alike(fhir)
        await fhir.create(patient("1", id="c"))
        assert (await fhir("DELETE", f"Patient?identifier={MRN}|1")).status_code == 412
        assert len(await fhir.ids("Patient")) == 3


class TestNoIdsByClients:
    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return msgspec.structs.replace(settings, update_as_create=False)

    async def test_update_of_what_is_not_there_is_405(self, fhir: Fhir) -> None:
        assert (await fhir.put("Patient/mine", patient("1", id="mine"))).status_code == 405
        where = (await fhir.post("Patient", patient("1"))).json()["id"]
        assert (await fhir.put(f"Patient/{where}", patient("1", id=where))).status_code == 200


class TestIntegrity:
    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return msgspec.structs.replace(settings, referential_integrity=True)

    async def test_references_must_name_what_exists(self, fhir: Fhir) -> None:
        observation = {
            "resourceType": "Observation",
            "id": "o",
            "status": "final",
            "code": {"text": "x"},
            "subject": {"reference": "Patient/a"},
        }
        refused = await fhir.put("Observation/o", observation)
        assert (refused.status_code, issue_of(refused)["expression"]) == (409, ["Observation.subject"])
        await fhir.create(patient("1", id="a"))
        await fhir.create(observation)
        kept = await fhir("DELETE", "Patient/a")
        assert kept.status_code == 409
        assert "Observation/o" in issue_of(kept)["diagnostics"]
        both = {
            "resourceType": "Bundle",
            "type": "transaction",
            "entry": [{"request": {"method": "DELETE", "url": url}} for url in ("Patient/a", "Observation/o")],
        }
        assert (await fhir.post("", both)).status_code == 200
        assert await fhir.ids("Patient") == []

    async def test_a_reference_to_a_version_holds_up_no_deletion(self, fhir: Fhir) -> None:
        await fhir.create(patient("1", id="a"))
        provenance = {
            "resourceType": "Provenance",
            "id": "p",
            "target": [{"reference": "Patient/a/_history/1"}],
            "recorded": "2026-01-01T00:00:00Z",
            "agent": [{"who": {"display": "somebody"}}],
        }
        await fhir.create(provenance)
        assert (await fhir("DELETE", "Patient/a")).status_code == 204
        assert (await fhir.get("Patient/a/_history/1")).status_code == 200
        assert await fhir.ids("Provenance?target=Patient/a") == ["p"]


async def test_a_chain_to_what_was_deleted_finds_nothing_by_content(fhir: Fhir) -> None:
    for id in ("gone", "here"):
        await fhir.create({"resourceType": "Patient", "id": id, "name": [{"family": "Fever"}]})
        observation = {"resourceType": "Observation", "id": id, "status": "final", "code": {"text": "x"}}
        await fhir.create({**observation, "subject": {"reference": f"Patient/{id}"}})
    await fhir("DELETE", "Patient/gone")
    assert await fhir.ids("Observation?subject:Patient._content=fever") == ["here"]
