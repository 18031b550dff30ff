"""What US Core asks of a server: its CapabilityStatement against ours, and its searches over its own examples."""

import asyncio
import io
import tarfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode

import pytest
import zstandard

from fhir_server import definitions as r4
from fhir_server.codec import json
from fhir_server.core.settings import Settings
from fhir_server.fhirpath import compile_path
from tests.conftest import BASE, Fhir, running
from tests.system.process import hms

pytestmark = pytest.mark.anyio

Json = dict[str, Any]
PACKAGES = Path(__file__).parents[1] / "data/packages"
VERSIONS = ("6.1.0", "7.0.0")
CORE = "http://hl7.org/fhir/us/core/"
STATEMENT = f"{CORE}CapabilityStatement/us-core-server"
EXTENSION = "http://hl7.org/fhir/StructureDefinition/capabilitystatement-"
NOT_OURS = ("http://hl7.org/fhir/uv/sdc/",)  # profiles of other packages
MOST = 2  # examples for each parameter and combination
DEFINITIONS = r4.load()


class Guide(NamedTuple):
    """A release of US Core on a server: its conformance resources by URL, its examples, which are stored."""

    fhir: Fhir
    by_url: dict[str, Json]
    examples: list[Json]

    @property
    def claims(self) -> list[Json]:
        return self.by_url[STATEMENT]["rest"][0]["resource"]


def expected(claim: Json) -> str:
    """SHALL, SHOULD or MAY."""
    found = (each for each in claim.get("extension", ()) if each["url"] == f"{EXTENSION}expectation")
    return next((each["valueCode"] for each in found), "SHALL")


@pytest.fixture(scope="module", params=VERSIONS)
async def guide(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Guide]:
    folder = tmp_path_factory.mktemp("us-core")
    packed = (PACKAGES / f"hl7.fhir.us.core-{request.param}.tar.zst").read_bytes()
    plain = zstandard.ZstdDecompressor().stream_reader(packed).read()
    by_url, examples = {}, []
    with tarfile.open(fileobj=io.BytesIO(plain)) as archive:
        for member in archive:
            if (content := archive.extractfile(member)) is not None:
                file = folder / "unpacked" / member.name
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(content.read())
    for file in sorted((folder / "unpacked").rglob("*.json")):
        resource = json.parse(file.read_bytes())
        if file.parent.name == "example":
            examples.append(resource)
        elif "url" in resource:
            by_url[resource["url"]] = resource
    data = folder / "data"
    told = await asyncio.to_thread(hms, "packages", "install", folder / "unpacked", "--data", data)
    assert "search parameter race of Patient" in told
    async with running(Settings(data=data)) as fhir:
        for each in examples:
            if each["resourceType"] != "Bundle":
                stored = await fhir.put(f"{each['resourceType']}/{each['id']}", json.serialize(each))
                assert stored.status_code == 201, stored.text
        yield Guide(fhir, by_url, examples)


async def test_what_us_core_claims_of_a_server_is_in_our_statement(guide: Guide) -> None:
    ours = {each["type"]: each for each in (await guide.fhir.get("metadata")).json()["rest"][0]["resource"]}
    missing = []
    for claim in guide.claims:
        own = ours[claim["type"]]
        for what, key in (("interaction", "code"), ("searchParam", "name"), ("operation", "name")):
            has = {each[key] for each in own.get(what, ())}
            missing += [(claim["type"], what, e[key]) for e in claim.get(what, ()) if e[key] not in has]
        claimed = [each.partition("|")[0] for each in claim.get("supportedProfile", ())]
        profiles = [each for each in claimed if not each.startswith(NOT_OURS)]
        missing += [(claim["type"], "profile", each) for each in profiles if each not in own["supportedProfile"]]
        reverse = set(claim.get("searchRevInclude", ())) - set(own.get("searchRevInclude", ()))
        missing += [(claim["type"], "searchRevInclude", each) for each in reverse]
        includes = {":".join(each.split(":")[:2]) for each in claim.get("searchInclude", ())}
        missing += [(claim["type"], "searchInclude", each) for each in includes - set(own["searchInclude"])]
    assert missing == []


def texts(type: str, value: Any) -> Iterator[str]:
    """A value as a search names it."""
    if type == "CodeableConcept":
        for coding in value.get("coding", ()):
            yield from texts("Coding", coding)
    elif type == "Coding":
        yield f"{value.get('system', '')}|{value['code']}"
        yield value["code"]
    elif type == "Identifier":
        yield f"{value.get('system', '')}|{value['value']}"
    elif type == "Reference":
        yield value["reference"]
    elif type == "Period":
        yield f"ge{value['start']}"
    elif type == "HumanName":
        yield value["family"]
    elif type == "Address":
        yield value["city"]
    elif not isinstance(value, dict):
        yield str(value).lower() if isinstance(value, bool) else str(value)


def named(guide: Guide, claim: Json, name: str, resource: Json) -> list[str]:
    """How a parameter names what a resource has; [] where it has nothing."""
    definition = next(each["definition"] for each in claim["searchParam"] if each["name"] == name)
    expression = guide.by_url[definition]["expression"]
    values = compile_path(expression, DEFINITIONS, claim["type"]).values(resource)
    return [text for type, value in values for text in texts(type, value)]


async def test_every_parameter_and_combination_finds_the_examples(guide: Guide) -> None:
    tried, lost = set(), []
    for claim in guide.claims:
        single = [[each["name"]] for each in claim.get("searchParam", ()) if each["definition"] in guide.by_url]
        combined = [
            [part["valueString"] for part in each["extension"] if part["url"] == "required"]
            for each in claim.get("extension", ())
            if each["url"] == f"{EXTENSION}search-parameter-combination"
        ]
        for names in (*single, *combined):
            if "_lastUpdated" in names:  # the server's own, not the example's
                continue
            mine = [each for each in guide.examples if each["resourceType"] == claim["type"]]
            all_values = [(each, [named(guide, claim, name, each) for name in names]) for each in mine]
            for resource, values in [(each, found) for each, found in all_values if all(found)][:MOST]:
                criteria = [(name, found[0]) for name, found in zip(names, values, strict=True)]
                tried.add((claim["type"], *names))
                if resource["id"] not in await _found(guide.fhir, claim["type"], criteria):
                    lost.append((claim["type"], resource["id"], criteria))
    assert lost == []
    assert len(tried) > 100


async def _found(fhir: Fhir, type: str, criteria: list[tuple[str, str]]) -> set[str]:
    """The ids that a search by GET and by POST finds."""
    wanted = urlencode([*criteria, ("_count", "500")])
    got = await fhir.get(f"{type}?{wanted}")
    form = {"content-type": "application/x-www-form-urlencoded"}
    posted = await fhir.http.post(f"{BASE}/{type}/_search", content=wanted, headers=form)
    assert got.status_code == posted.status_code == 200, (criteria, got.text[:300])
    ids = [{each["resource"]["id"] for each in answer.json().get("entry", ())} for answer in (got, posted)]
    assert ids[0] == ids[1]
    return ids[0]


async def test_provenance_comes_with_what_it_is_about(guide: Guide) -> None:
    provenance = next(each for each in guide.examples if each["resourceType"] == "Provenance")
    type, id = provenance["target"][0]["reference"].split("/")
    found = (await guide.fhir.get(f"{type}?_id={id}&_revinclude=Provenance:target")).json()
    assert {each["resource"]["id"] for each in found["entry"]} == {id, provenance["id"]}


async def test_docref_tells_the_newest_of_each_type_or_those_of_a_time(guide: Guide) -> None:
    async def document(id: str, code: str, day: str, **more: Any) -> None:
        await guide.fhir.create({
            "resourceType": "DocumentReference", "id": id, "status": "current", "subject": {"reference": "Patient/dr"},
            "type": {"coding": [{"system": "http://loinc.org", "code": code}]}, "date": f"{day}T10:00:00Z",
            "context": {"period": {"start": day, "end": day}}, "content": [{"attachment": {"url": "Binary/1"}}], **more,
        })  # fmt: skip

    async def told(query: str) -> list[str]:
        answer = await guide.fhir.get(f"DocumentReference/$docref?{query}")
        assert answer.status_code == 200, answer.text
        return [each["resource"]["id"] for each in answer.json().get("entry", ())]

    await guide.fhir.create({"resourceType": "Patient", "id": "dr"})
    await document("old", "34133-9", "2024-01-05")
    await document("new", "34133-9", "2025-01-05")
    await document("note", "11506-3", "2024-06-05")
    await document("gone", "34133-9", "2025-02-05", status="superseded")
    assert await told("patient=dr") == ["new", "note"]
    assert await told("patient=dr&start=2024-01-01&end=2024-12-31") == ["note", "old"]
    assert await told("patient=dr&type=http://loinc.org|34133-9&start=2024-01-01") == ["new", "old"]
    assert await told("patient=dr&on-demand=true") == await told("patient=nobody") == []
    assert (await guide.fhir.get("DocumentReference/$docref")).status_code == 400
    parameters = {"resourceType": "Parameters", "parameter": [
        {"name": "patient", "valueId": "dr"}, {"name": "type", "valueCoding": {"code": "11506-3"}},
    ]}  # fmt: skip
    answer = await guide.fhir.post("DocumentReference/$docref", parameters)
    assert [each["resource"]["id"] for each in answer.json()["entry"]] == ["note"]
    parameters["parameter"].append({"name": "on-demand", "valueBoolean": True})
    answer = await guide.fhir.post("DocumentReference/$docref", parameters)
    assert answer.json()["link"][0]["url"].endswith("?patient=dr&type=11506-3&on-demand=true")
    for coding in ({"system": "http://loinc.org"}, {"system": 5, "code": "11506-3"}, {"code": ["11506-3"]}):
        parameters["parameter"][1] = {"name": "type", "valueCoding": coding}
        answer = await guide.fhir.post("DocumentReference/$docref", parameters)
        assert (answer.status_code, "Coding" in answer.text) == (400, True)
