"""Bulk Data export over HTTP: https://hl7.org/fhir/uv/bulkdata/STU2/export.html"""

import asyncio
import json
from typing import Any

import pytest

from fhir_server.api import Request
from fhir_server.core.errors import Issue, error
from fhir_server.core.ports import Caller, Transaction
from fhir_server.core.query import NOTHING, IdIn, Page, Query
from fhir_server.core.settings import Settings
from fhir_server.operations.bulk import exporting, works
from tests.conftest import BASE, Fhir, HeldClock, running
from tests.contract.conftest import Shelf

pytestmark = pytest.mark.anyio


async def record(fhir: Fhir) -> None:
    for id in ("a", "b", "c"):
        await fhir.create({"resourceType": "Patient", "id": id, "gender": "female", "birthDate": "1980-01-01"})
        for number in range(3):
            await fhir.create(
                {"resourceType": "Observation", "id": f"{id}{number}", "status": "final" if number else "preliminary",
                 "code": {"text": "x"}, "subject": {"reference": f"Patient/{id}"}}
            )  # fmt: skip
    await fhir.create({"resourceType": "Organization", "id": "o", "name": "Ward"})
    member = [{"entity": {"reference": f"Patient/{id}"}} for id in ("a", "b")]
    await fhir.create({"resourceType": "Group", "id": "g", "type": "person", "actual": True, "member": member})


async def begun(fhir: Fhir, path: str) -> str:
    answer = await fhir.get(path, accept="application/fhir+json", prefer="respond-async")
    assert answer.status_code == 202, answer.text
    return answer.headers["content-location"]


async def finished(fhir: Fhir, status: str) -> dict[str, Any]:
    while (answer := await fhir.http.get(status)).status_code == 202:
        assert answer.headers["x-progress"]
        await asyncio.sleep(0.01)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/json"
    return answer.json()


async def files(fhir: Fhir, manifest: dict[str, Any], kind: str = "output") -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for output in manifest[kind]:
        answer = await fhir.http.get(output["url"], headers={"accept": "application/fhir+ndjson"})
        assert answer.headers["content-type"] == "application/fhir+ndjson"
        resources = [json.loads(line) for line in answer.text.splitlines()]
        assert len(resources) == output["count"]
        found.setdefault(output["type"], []).extend(resources)
    return found


async def exported(fhir: Fhir, path: str) -> dict[str, list[str]]:
    found = await files(fhir, await finished(fhir, await begun(fhir, path)))
    return {type: sorted(resource["id"] for resource in resources) for type, resources in found.items()}


OBSERVATIONS = [f"{id}{number}" for id in "abc" for number in range(3)]


async def test_the_system_with_every_type(fhir: Fhir):
    await record(fhir)
    found = await exported(fhir, "$export")
    assert found == {"Patient": ["a", "b", "c"], "Observation": OBSERVATIONS, "Organization": ["o"], "Group": ["g"]}


async def test_patients_have_what_is_in_their_compartments(fhir: Fhir):
    await record(fhir)
    found = await exported(fhir, "Patient/$export")
    assert found == {"Patient": ["a", "b", "c"], "Observation": OBSERVATIONS, "Group": ["g"]}


async def test_a_group_has_its_members_only(fhir: Fhir):
    await record(fhir)
    found = await exported(fhir, "Group/g/$export?_type=Patient,Observation")
    assert found == {"Patient": ["a", "b"], "Observation": OBSERVATIONS[:6]}


@pytest.mark.parametrize(
    ("said", "patients"),
    [
        ({"period": {"end": "2020-01-01"}}, ["b"]),
        ({"period": {"start": "2099-01-01"}}, ["b"]),
        ({"inactive": True}, ["b"]),
        ({"period": {"start": "2020-01-01"}, "inactive": False}, ["a", "b"]),
    ],
)
async def test_a_group_has_those_who_are_members_now(fhir: Fhir, said: dict, patients: list[str]):
    await record(fhir)
    member = [{"entity": {"reference": "Patient/a"}, **said}, {"entity": {"reference": "Patient/b"}}]
    await fhir.create({"resourceType": "Group", "id": "of", "type": "person", "actual": True, "member": member})
    assert await exported(fhir, "Group/of/$export?_type=Patient") == {"Patient": patients}


async def test_a_group_has_the_members_of_groups_in_it_but_nobody_of_another_server(fhir: Fhir):
    await record(fhir)
    named = ["Group/inner", "http://elsewhere.test/fhir/Patient/a", "Patient/c"]
    for id, references in (("outer", named), ("inner", ["Group/outer", "Patient/b"])):
        member = [{"entity": {"reference": reference}} for reference in references]
        await fhir.create({"resourceType": "Group", "id": id, "type": "person", "actual": True, "member": member})
    assert await exported(fhir, "Group/outer/$export?_type=Patient") == {"Patient": ["b", "c"]}
    stranger = [{"name": "patient", "valueReference": {"reference": "http://elsewhere.test/fhir/Patient/a"}}]
    answer = await fhir.post("Patient/$export", {"resourceType": "Parameters", "parameter": stranger})
    assert answer.status_code == 400


async def test_provenance_follows_what_is_exported(fhir: Fhir):
    await record(fhir)
    for id, target in (("p1", "Observation/a0"), ("p2", "Organization/o")):
        await fhir.create(
            {"resourceType": "Provenance", "id": id, "target": [{"reference": target}],
             "recorded": "2026-01-01T00:00:00Z", "agent": [{"who": {"display": "x"}}]}
        )  # fmt: skip
    found = await exported(fhir, "Patient/$export?_type=Observation,Provenance")
    assert found["Provenance"] == ["p1"]


async def test_types_filters_elements_and_since(fhir: Fhir):
    await record(fhir)
    found = await exported(fhir, "$export?_type=Observation&_type=Patient&_typeFilter=Observation?status=preliminary")
    assert found == {"Patient": ["a", "b", "c"], "Observation": ["a0", "b0", "c0"]}
    shown = await files(fhir, await finished(fhir, await begun(fhir, "$export?_type=Patient&_elements=birthDate")))
    assert set(shown["Patient"][0]) == {"resourceType", "id", "meta", "birthDate"}
    assert shown["Patient"][0]["meta"]["tag"][0]["code"] == "SUBSETTED"
    first = await finished(fhir, await begun(fhir, "$export"))
    await fhir.create({"resourceType": "Patient", "id": "d"})
    await fhir("DELETE", "Organization/o")
    later = await finished(fhir, await begun(fhir, f"$export?_since={first['transactionTime']}"))
    assert {type: [r["id"] for r in found] for type, found in (await files(fhir, later)).items()} == {"Patient": ["d"]}
    [deletion] = (await files(fhir, later, "deleted"))["Bundle"]
    assert deletion["entry"][0]["request"] == {"method": "DELETE", "url": "Organization/o"}


async def test_what_is_being_written_when_an_export_begins_is_in_it_or_in_the_next(fhir: Fhir):
    """The work ran before: its version is in the export, or is not older than it."""
    ran, go_on = asyncio.Event(), asyncio.Event()

    async def work(transaction: Transaction) -> None:
        await Shelf.put_in(transaction, {"resourceType": "Patient", "id": "a"})
        ran.set()
        await go_on.wait()

    writing = asyncio.create_task(fhir.server.environment.store.commit(work))
    await ran.wait()
    status = await begun(fhir, "$export?_type=Patient")
    await asyncio.sleep(0.2)
    go_on.set()
    await writing
    manifest = await finished(fhir, status)
    found = await files(fhir, manifest)
    following = await exported(fhir, f"$export?_type=Patient&_since={manifest['transactionTime']}")
    assert ["a"] in ([resource["id"] for resource in found.get("Patient", ())], following.get("Patient"))


@pytest.mark.parametrize("how", ["behind", "away"])
async def test_an_export_waits_for_an_index_that_is_behind_or_away(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, how: str
):
    monkeypatch.setattr(works, "LOOK", 0.05)
    async with running(settings, HeldClock()) as fhir:
        await record(fhir)
        index = fhir.server.environment.index
        search, asked = index.search, 0

        async def not_yet(query: Query) -> Page:
            nonlocal asked
            asked += 1
            if asked > 2:
                return await search(query)
            if how == "away":
                raise error("unavailable", "The search index does not answer now; try again.")
            return Page([], [], warnings=(Issue("warning", "incomplete", "It is behind."),))

        monkeypatch.setattr(index, "search", not_yet)
        assert await exported(fhir, "$export?_type=Observation") == {"Observation": OBSERVATIONS}


async def test_what_attachments_lead_to_is_told_by_absolute_urls(fhir: Fhir):
    await fhir.create({
        "resourceType": "DocumentReference", "id": "d", "status": "current", "subject": {"reference": "Patient/a"},
        "content": [{"attachment": {"url": f"{where}Binary/b"}} for where in ("", "http://elsewhere.test/")],
    })  # fmt: skip
    found = await files(fhir, await finished(fhir, await begun(fhir, "$export?_type=DocumentReference")))
    document = found["DocumentReference"][0]
    urls = [each["attachment"]["url"] for each in document["content"]]
    assert urls == [f"{BASE}/Binary/b", "http://elsewhere.test/Binary/b"]
    assert document["subject"] == {"reference": "Patient/a"}


async def test_posted_parameters_name_patients(fhir: Fhir):
    await record(fhir)
    given = [
        {"name": "patient", "valueReference": {"reference": "Patient/b"}},
        {"name": "_type", "valueString": "Patient"},
    ]
    answer = await fhir.post("Patient/$export", {"resourceType": "Parameters", "parameter": given})
    found = await files(fhir, await finished(fhir, answer.headers["content-location"]))
    assert [resource["id"] for resource in found["Patient"]] == ["b"]


async def test_a_deleted_export_is_gone(fhir: Fhir):
    await record(fhir)
    status = await begun(fhir, "$export")
    manifest = await finished(fhir, status)
    assert (await fhir.http.delete(status)).status_code == 202
    for url in (status, manifest["output"][0]["url"]):
        answer = await fhir.http.get(url)
        assert answer.status_code == 404
        assert answer.json()["resourceType"] == "OperationOutcome"


async def test_an_export_that_has_an_erased_patient_is_gone(fhir: Fhir):
    await record(fhir)
    gone, without = await begun(fhir, "Group/g/$export"), await begun(fhir, "$export?_type=Organization")
    manifest, _ = await finished(fhir, gone), await finished(fhir, without)
    receipt = (await fhir.post("Patient/b/$purge", {"resourceType": "Parameters"})).json()
    assert {"name": "exports", "valueInteger": 1} in receipt["parameter"]
    for url in (gone, *[output["url"] for output in manifest["output"]]):
        answer = await fhir.http.get(url)
        assert answer.status_code == 404
        assert "erased" in answer.json()["issue"][0]["diagnostics"]
    assert (await fhir.http.get(without)).status_code == 200


@pytest.mark.parametrize(
    "query",
    ["_type=Patinet", "_since=soon", "_outputFormat=csv", "_typeFilter=Patient", "_typeFilter=Patient?nam=x",
     "_typeFilter=Patient?gender=male%26_sort=name", "_typeFilter=Patient?_include=Patient:organization",
     "_elements=a.b.c", "includeAssociatedData=x", "patient=Patient/a"],
)  # fmt: skip
async def test_what_can_not_be_given_is_refused_at_once(fhir: Fhir, query: str):
    answer = await fhir.get(f"$export?{query}")
    assert answer.status_code == 400
    assert answer.json()["issue"][0]["diagnostics"]


async def test_types_out_of_the_compartment_and_strangers_are_refused(fhir: Fhir):
    await record(fhir)
    assert (await fhir.get("Patient/$export?_type=Organization")).status_code == 400
    given = [{"name": "patient", "valueReference": {"reference": "Patient/c"}}]
    answer = await fhir.post("Group/g/$export", {"resourceType": "Parameters", "parameter": given})
    assert answer.status_code == 400


async def test_another_worker_goes_on_where_one_ended(settings: Settings, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(exporting, "PAGE", 2)
    clock = HeldClock()

    async def served(use: Any) -> Any:
        async with running(settings, clock) as fhir:
            return await use(fhir)

    async def first(fhir: Fhir) -> str:
        await record(fhir)
        append, count = exporting.Exporting._append, 0

        async def broken(self: Any, *given: Any) -> None:
            nonlocal count
            await append(self, *given)
            count += 1
            if count == 4:  # written, but not noted: as when the process is killed there
                raise asyncio.CancelledError

        monkeypatch.setattr(exporting.Exporting, "_append", broken)
        status = await begun(fhir, "$export?_type=Patient,Observation")
        while count < 4:
            await asyncio.sleep(0.01)
        monkeypatch.setattr(exporting.Exporting, "_append", append)
        return status

    status = await served(first)

    async def second(fhir: Fhir) -> dict[str, list[dict[str, Any]]]:
        return await files(fhir, await finished(fhir, status))

    found = await served(second)
    assert sorted(resource["id"] for resource in found["Observation"]) == OBSERVATIONS
    assert sorted(resource["id"] for resource in found["Patient"]) == ["a", "b", "c"]


async def test_a_restricted_caller_gets_and_sees_only_what_is_the_callers(fhir: Fhir):
    await record(fhir)

    def limit(type: str) -> Any:
        return IdIn(("a",)) if type == "Patient" else NOTHING

    caller = Caller(name="app", restriction=limit, client="app")
    begun = await fhir.server.perform(Request("GET", ("$export",), base=BASE, caller=caller))
    job = begun.headers["Content-Location"].rpartition("=")[2]
    assert (await fhir.get(f"$export-status?job={job}")).status_code == 404
    asked = Request("GET", ("$export-status",), [("job", job)], base=BASE, caller=caller)
    while (answer := await fhir.server.perform(asked)).status == 202:
        await asyncio.sleep(0.01)
    assert [(each["type"], each["count"]) for each in json.loads(answer.body)["output"]] == [("Patient", 1)]
