"""No interaction shows, counts or hints at what a direct read refuses.

For random data and random scopes: whatever a caller asks is answered as by an open server that holds nothing but what
this caller may read. So a chain, an include, a total, a sort or an error message can't depend on anything else.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from fhir_server import bootstrap
from fhir_server.api import FhirServer, Request
from fhir_server.core.errors import FhirError
from fhir_server.core.ports import OPEN, Caller
from fhir_server.core.settings import Settings
from fhir_server.interactions.access.callers import Callers
from fhir_server.security.model import Access
from fhir_server.security.policies import Policies, Rule
from tests.conftest import HeldClock

pytestmark = pytest.mark.anyio

CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"
SCOPES = [
    "patient/*.rs", "patient/Patient.rs patient/Observation.rs", "user/Patient.rs?gender=female user/Observation.rs",
    "user/Observation.rs?category=laboratory user/Patient.rs user/List.rs user/Encounter.rs",
    "user/Observation.rs?subject:Patient.gender=female user/*.rs?_id=p0,o1,e0,l0,loc0,loc2",
    "user/*.rs?_security=N", "user/Location.rs?name=B user/Encounter.rs user/Patient.rs?_id:not=x",
    "patient/*.rs user/Observation.rs?category:not=laboratory", "user/Practitioner.rs user/Patient.rs?gender=male",
    "user/Composition.rs user/GraphDefinition.rs user/Patient.rs?_id=p0 user/Observation.rs?code=8867-4",
    "user/Patient.rs?_has:Observation:subject:category=laboratory user/Observation.rs?status=final user/List.rs",
    "patient/Observation.rs?category=vital-signs patient/Patient.rs user/GraphDefinition.rs user/Composition.rs",
]  # fmt: skip


def hospital(chance: random.Random) -> list[dict[str, Any]]:
    """Small and entangled; every resource has a tag and an identifier of its own."""
    made: list[dict[str, Any]] = []
    to = lambda prefix, number: {"reference": f"{PLACES[prefix]}/{prefix}{chance.randrange(number)}"}  # noqa: E731

    def add(type: str, id: str, /, **content: Any) -> None:
        meta = {"tag": [{"system": "urn:tag", "code": f"secret-{id}"}]}
        if chance.random() < 0.5:
            meta["security"] = [{"system": "urn:label", "code": chance.choice("NR")}]
        body = {"resourceType": type, "id": id, "meta": meta, **content}
        if type not in ("GraphDefinition", "Composition"):
            body["identifier"] = [{"system": "urn:id", "value": f"secret-{id}"}]
        made.append(body)

    for n in range(2):
        add("Practitioner", f"d{n}", name=[{"family": f"Doktor{n}"}])
    for n in range(4):
        parent = {"partOf": to("loc", n)} if n else {}
        add("Location", f"loc{n}", name=chance.choice("AB"), **parent)
    for n in range(4):
        add("Patient", f"p{n}", name=[{"family": f"Family{n}"}], gender=chance.choice(["male", "female"]),
            birthDate=f"19{60 + n}-01-01", generalPractitioner=[to("d", 2)],
            link=[{"other": to("p", 4), "type": "seealso"}])  # fmt: skip
    for n in range(4):
        add("Encounter", f"e{n}", status=chance.choice(["finished", "planned"]), subject=to("p", 4),
            location=[{"location": to("loc", 4)}], **{"class": {"code": "AMB"}})  # fmt: skip
    for n in range(8):
        add("Observation", f"o{n}", status=chance.choice(["final", "amended"]), subject=to("p", 4),
            encounter=to("e", 4), performer=[to("d", 2)], effectiveDateTime=f"2020-01-0{1 + n}",
            code={"coding": [{"system": "http://loinc.org", "code": chance.choice(["8867-4", "8480-6"])}]},
            category=[{"coding": [{"system": CATEGORY, "code": chance.choice(["laboratory", "vital-signs"])}]}],
            valueQuantity={"value": n, "system": "http://unitsofmeasure.org", "code": "kg", "unit": "kg"},
            hasMember=[to("o", 8)])  # fmt: skip
    for n in range(2):
        add("List", f"l{n}", status="current", mode="working",
            entry=[{"item": to("p", 4)}, {"item": to("o", 8)}])  # fmt: skip
    add("Composition", "c0", status="final", type={"text": "letter"}, subject=to("p", 4), date="2020-01-01",
        author=[to("d", 2)], title="Letter", section=[{"title": "One", "entry": [to("o", 8), to("e", 4)]}])  # fmt: skip
    add("GraphDefinition", "g0", url="http://graph.test/1", name="G", status="active", start="Patient", link=[
        {"target": [{"type": "Observation", "params": "subject={ref}", "link": [
            {"path": "Observation.encounter", "target": [{"type": "Encounter"}]}]}]},
        {"path": "Patient.link.other", "target": [{"type": "Patient"}]}])  # fmt: skip
    return made


PLACES = {"d": "Practitioner", "loc": "Location", "p": "Patient", "e": "Encounter", "o": "Observation"}

ASKED = """
Patient
Patient?name=family
Patient?_sort=-birthdate&_count=2&_total=accurate
Patient?_sort=family
Patient?_summary=count
Patient?_elements=gender
Patient?_list=l0
Patient?_tag=urn:tag|secret-p1
Patient?identifier=secret-p2
Patient?_filter=link.name sw "Family"
Patient?_filter=gender eq female or link.gender eq female
Patient?general-practitioner.name=Doktor1
Patient?link:Patient.gender=female&_total=accurate
Patient?_has:Observation:subject:code=8867-4
Patient?_has:Observation:subject:_has:List:item:_id=l0
Patient?_has:Encounter:subject:location.name=A
Patient?_has:Observation:subject:encounter.status=finished
Patient?_include=Patient:link&_include:iterate=Patient:link
Patient?_include=Patient:general-practitioner&_revinclude=Observation:subject&_revinclude:iterate=List:item
Patient?_revinclude=Encounter:subject&_include:iterate=Encounter:location
Patient?_content=secret-p3
Observation
Observation?_summary=count
Observation?_total=accurate&_count=1&_sort=_id
Observation?subject.name=family1
Observation?subject:Patient.general-practitioner.name=Doktor0
Observation?subject:missing=true
Observation?subject=Patient/p1
Observation?patient.identifier=secret-p0
Observation?has-member.code=8867-4
Observation?has-member.subject:Patient.gender=male
Observation?_has:Observation:has-member:status=final
Observation?encounter.location:below=Location/loc0
Observation?code:not=8867-4&_sort=-date
Observation?value-quantity=gt3
Observation?_include=*
Observation?_include=Observation:subject&_include:iterate=Patient:link&_revinclude:iterate=Encounter:subject
Observation?_list=l1
Encounter?location:below=Location/loc0
Encounter?location:above=Location/loc3
Encounter?location.partof.name=B
Encounter?subject:Patient.birthdate=lt1962
Location?partof:below=loc0
Location?_has:Encounter:location:subject=Patient/p2
Location?_has:Location:partof:name=A
List?item:Patient.name=family0
List?item:Observation.status=final&_include=List:item
Practitioner?_has:Patient:general-practitioner:gender=female
Practitioner?_revinclude=Observation:performer
?_type=Patient,Observation,Encounter&_total=accurate
?_type=Observation,Location&_tag=urn:tag|secret-o3
Patient/p0/Observation
Patient/p1/*
Patient/p2/Observation?_summary=count
Encounter/e0/Observation
Practitioner/d0/*?_count=3&_sort=_id
Patient/p0/$everything
Patient/p1/$everything?_type=Observation,Encounter
Encounter/e1/$everything
Patient/$everything
Composition/c0/$document
Patient/p0/$graph?graph=http://graph.test/1
Patient/p1/$graph?graph=GraphDefinition/g0
Patient/$meta
$meta
Observation/o0/$meta
Observation/$lastn?subject=Patient/p0
DocumentReference/$docref?patient=p0
Patient/p0
Observation/o1?_summary=true
Encounter/e2
Location/nowhere
Observation/o3/_history/1
$graphql?query={PatientList(name: family, _sort: _id) {id generalPractitioner {resource(optional: true) {id}}}}
$graphql?query={ObservationConnection(_count: 1, _sort: _id) {count edges {resource {id subject {resource {id}}}} next}}
$graphql?query={PatientList(_filter: "link.gender eq male", _sort: _id) {ListList(_reference: subject) {id}}}
$graphql?query={Patient(id: p1) {id EncounterConnection(_reference: patient, _sort: _id) {count edges {resource {id}}}}}
Patient/p0/$graphql?query={id gender linked: PatientList(_reference: link, _sort: _id) {id}}
Observation/o2/$graphql?query={id encounter {resource {... on Encounter {location {location {resource {name}}}}}}}
""".strip().splitlines()  # fmt: skip

WRITTEN = [
    ("POST", "Patient", {"resourceType": "Patient", "gender": "other"}, {"if_none_exist": "identifier=secret-{p}"}),
    ("POST", "Patient", {"resourceType": "Patient", "gender": "other"},
     {"if_none_exist": "_has:Observation:subject:identifier=secret-{o}"}),
    ("DELETE", "Observation?identifier=secret-{o}&subject:Patient.gender=female", None, {}),
    ("PATCH", "Observation?identifier=secret-{o}",
     {"resourceType": "Parameters", "parameter": [{"name": "operation", "part": [
         {"name": "type", "valueCode": "replace"}, {"name": "path", "valueString": "Observation.value.value"},
         {"name": "value", "valueDecimal": 5}]}]}, {}),
    ("PUT", "Encounter?identifier=secret-{e}",
     {"resourceType": "Encounter", "status": "unknown", "class": {"code": "AMB"}}, {"if_match": 'W/"7"'}),
    ("PUT", "List?item:Patient.identifier=secret-{p}",
     {"resourceType": "List", "status": "retired", "mode": "working"}, {"prefer": "representation"}),
    ("POST", "", {"resourceType": "Bundle", "type": "transaction", "entry": [
        {"resource": {"resourceType": "Encounter", "status": "planned", "class": {"code": "AMB"},
                      "subject": {"reference": "Patient?identifier=secret-{p}"}},
         "request": {"method": "POST", "url": "Encounter"}},
        {"request": {"method": "GET", "url": "Location?_has:Encounter:location:subject=Patient/{p}"}}]}, {}),
    ("POST", "", {"resourceType": "Bundle", "type": "batch", "entry": [
        {"request": {"method": "GET", "url": "Patient/{p}"}},
        {"request": {"method": "GET", "url": "Observation/{o}/_history/1"}},
        {"request": {"method": "GET", "url": "Patient?_has:Observation:subject:_id={o}&_total=accurate"}},
        {"request": {"method": "PATCH", "url": "Patient/{p}"}, "resource": {
            "resourceType": "Binary", "contentType": "application/json-patch+json",
            "data": "W3sib3AiOiJ0ZXN0IiwicGF0aCI6Ii9nZW5kZXIiLCJ2YWx1ZSI6ImZlbWFsZSJ9XQ=="}}]}, {}),
    ("POST", "Patient/{p}/$meta-add", {"resourceType": "Parameters", "parameter": [
        {"name": "meta", "valueMeta": {"tag": [{"code": "x"}]}}]}, {}),
    ("DELETE", "Location?name=A&_has:Encounter:location:identifier=secret-{e}", None, {}),
]  # fmt: skip


@asynccontextmanager
async def started(folder: Path) -> AsyncIterator[FhirServer]:
    server = await bootstrap.start(
        Settings(data=folder, synchronous="OFF", conditional_delete="multiple", base_url="http://fhir.test/fhir"),
        HeldClock(),
    )
    try:
        yield server
    finally:
        await server.close()


def request(method: str, url: str, body: Any = None, caller: Caller = OPEN, **headers: Any) -> Request:
    path, _, query = url.partition("?")
    pairs = [(name, value) for name, _, value in (part.partition("=") for part in query.split("&") if part)]
    kind = "application/fhir+json" if body is not None else ""
    return Request(method, tuple(path.split("/")) if path else (), pairs, body, base="http://fhir.test/fhir",
                   content_type=kind, caller=caller, **headers)  # fmt: skip


DIFFER = frozenset({"lastUpdated", "versionId", "lastModified", "etag", "timestamp"})
MADE_ID = re.compile(r"[0-9a-zA-Z]{10,}(?:-[0-9a-zA-Z]+)*")


def lasting(node: Any) -> Any:
    """A body without what differs between any two servers."""
    if isinstance(node, dict):
        return {name: lasting(value) for name, value in node.items() if name not in DIFFER}
    return [lasting(each) for each in node] if isinstance(node, list) else node


async def answer(server: FhirServer, asked: Request) -> Any:
    """What is said, without what differs between any two servers: moments, version numbers, new ids, cursors."""
    try:
        response = await server.perform(asked)
    except FhirError as problem:
        return problem.status, [issue.diagnostics for issue in problem.issues]
    body = json.loads(response.body) if response.body else None
    if body and "resourceType" not in body:  # GraphQL's
        return response.status, "", body
    if body and body["resourceType"] == "Bundle":
        body["link"] = sorted(link["relation"] for link in body.get("link", ()))
        body.pop("identifier", None)
        if body["type"] in ("searchset", "collection", "document"):
            body["entry"] = sorted(body.get("entry", ()), key=lambda e: json.dumps(e.get("fullUrl", "")))
    if body and body["resourceType"] == "Parameters" and "valueMeta" in body["parameter"][0]:
        meta = body["parameter"][0]["valueMeta"]
        body = sorted(json.dumps(label) for name in ("tag", "security") for label in meta.get(name, ()))
    known = response.location if response.status == 200 else ""
    return response.status, known, lasting(body)


def same(restricted: Any, shadow: Any) -> bool:
    """Refused for want of a scope tells nothing; else the answers must be the same, but for ids that were made."""
    if restricted[0] == 403:
        return True
    mine, other = (json.loads(MADE_ID.sub("*", json.dumps(each))) for each in (restricted, shadow))
    if len(mine) == 3 and isinstance(mine[2], dict) and mine[2].get("type") == "batch-response":
        entries = zip(mine[2]["entry"], other[2]["entry"], strict=True)  # some may be refused, each by itself
        return all(one == two or one["response"]["status"].startswith("403") for one, two in entries)
    return mine == other


@pytest.mark.parametrize("seed", range(len(SCOPES)))
async def test_answers_are_those_of_a_server_without_what_may_not_be_read(tmp_path, seed):
    chance = random.Random(seed)
    resources = hospital(chance)
    scope = f"{SCOPES[seed]} user/*.cud"
    access = Access(client="app", scope=scope, user="u", patient="p0")
    async with started(tmp_path / "whole") as whole, started(tmp_path / "shadow") as shadow:
        caller = await Callers(whole.environment).of_access(access)
        visible = []
        for resource in resources:
            await whole.perform(request("PUT", f"{resource['resourceType']}/{resource['id']}", resource))
        for resource in resources:
            url = f"{resource['resourceType']}/{resource['id']}"
            if (await answer(whole, request("GET", url, caller=caller)))[0] == 200:
                visible.append(url)
                await shadow.perform(request("PUT", url, resource))
        assert 0 < len(visible) < len(resources)
        for url in ASKED:
            mine = await answer(whole, request("GET", url, caller=caller))
            assert same(mine, await answer(shadow, request("GET", url))), (scope, url)
        for method, url, body, headers in WRITTEN:
            chosen = {letter: f"{letter}{chance.randrange(4)}" for letter in "poe"}

            def fill(text: str, chosen: dict[str, str] = chosen) -> str:
                return re.sub(r"\{([poe])\}", lambda found: chosen[found[1]], text)

            sent = [json.loads(fill(json.dumps(body))) for _ in range(2)]
            given: dict[str, Any] = {name: fill(value) for name, value in headers.items()}
            mine = await answer(whole, request(method, fill(url), sent[0], caller, **given))
            other = await answer(shadow, request(method, fill(url), sent[1], **given))
            assert same(mine, other), (scope, method, fill(url), mine, other)


async def test_history_shows_the_versions_that_vread_shows(tmp_path):
    """A record that was another patient's before it was put right shows its old versions to neither."""
    chance = random.Random(1)
    async with started(tmp_path) as server:
        for resource in hospital(chance):
            url = f"{resource['resourceType']}/{resource['id']}"
            await server.perform(request("PUT", url, resource))
            if resource["resourceType"] in ("Observation", "Encounter"):
                for _ in range(2):
                    moved = {**resource, "subject": {"reference": f"Patient/p{chance.randrange(4)}"}}
                    await server.perform(request("PUT", url, moved))
        caller = await Callers(server.environment).of_access(Access(client="app", scope="patient/*.rs", patient="p0"))
        for url in ("_history?_count=1000", "Observation/_history", *(f"Observation/o{n}/_history" for n in range(8))):
            try:
                found = json.loads((await server.perform(request("GET", url, caller=caller))).body)
            except FhirError as problem:
                assert problem.category == "not-found"
                continue
            for entry in found.get("entry", ()):
                subject = entry["resource"].get("subject", {}).get("reference", "Patient/p0")
                assert subject == "Patient/p0", (url, entry)
                version = entry["resource"]["meta"]["versionId"]
                key = f"{entry['resource']['resourceType']}/{entry['resource']['id']}/_history/{version}"
                assert (await answer(server, request("GET", key, caller=caller)))[0] == 200
            assert found.get("total", len(found.get("entry", ()))) == len(found.get("entry", ()))


async def test_who_may_change_what_may_not_be_read_learns_nothing_of_it(tmp_path):
    async with started(tmp_path) as server:
        for resource in hospital(random.Random(2)):
            await server.perform(request("PUT", f"{resource['resourceType']}/{resource['id']}", resource))
        scope = "user/Observation.r?_id=o0 user/Observation.cud user/Observation.s?_id=o0"
        caller = await Callers(server.environment).of_access(Access(client="app", scope=scope))
        parts = [{"name": "type", "valueCode": "delete"}, {"name": "path", "valueString": "Observation.value"}]
        patch = {"resourceType": "Parameters", "parameter": [{"name": "operation", "part": parts}]}
        tag = {"resourceType": "Parameters", "parameter": [{"name": "meta", "valueMeta": {"tag": [{"code": "x"}]}}]}
        inside = {"resourceType": "Bundle", "type": "transaction", "entry": [
            {"request": {"method": "GET", "url": "Observation/o1"}}]}  # fmt: skip
        for method, url, body in (
            ("PATCH", "Observation/o1", patch),
            ("POST", "Observation/o1/$meta-add", tag),
            ("POST", "", inside),
        ):
            assert (await answer(server, request(method, url, body, caller)))[0] == 404, (method, url)


async def test_a_deleted_record_that_was_not_the_callers_is_an_id_in_use(tmp_path):
    async with started(tmp_path) as server:
        theirs = {"resourceType": "Observation", "id": "gone", "status": "final", "code": {"text": "x"},
                  "subject": {"reference": "Patient/p1"}}  # fmt: skip
        await server.perform(request("PUT", "Observation/gone", theirs))
        await server.perform(request("DELETE", "Observation/gone"))
        caller = await Callers(server.environment).of_access(Access(client="a", scope="patient/*.cruds", patient="p0"))
        mine = {**theirs, "subject": {"reference": "Patient/p0"}}
        status, said = await answer(server, request("PUT", "Observation/gone", mine, caller))
        assert status == 403 and "in use" in said[0]


@pytest.mark.parametrize(("method", "url", "said"), [
    ("PUT", "Observation/o1", "o1 is for you to read, and not to change."),
    ("DELETE", "Observation/o1", "o1 is for you to read, and not to delete."),
    ("GET", "Observation/o1/$validate?mode=delete", "o1 is for you to read, and not to delete."),
])  # fmt: skip
async def test_what_may_be_read_and_not_written_is_not_called_an_id_in_use(
    tmp_path: Path, method: str, url: str, said: str
) -> None:
    async with started(tmp_path) as server:
        there = [each for each in hospital(random.Random(2)) if each["id"] in ("o0", "o1")]
        for resource in there:
            await server.perform(request("PUT", f"Observation/{resource['id']}", resource))
        access = Access(client="app", scope="user/Observation.rs user/Observation.ud?_id=o0")
        caller = await Callers(server.environment).of_access(access)
        found = await answer(server, request(method, url, there[1] if method == "PUT" else None, caller))
        assert said in str(found) and found[0] in (200, 403)


MASKS = [
    [("Patient", ("name", "birthDate"), ()), ("Observation", ("value",), ())],
    [("Patient", ("link", "name.family"), ()), ("Encounter", ("location",), ()), ("*", ("identifier",), ())],
    [("Observation?category=laboratory", ("subject", "valueQuantity"), ()), ("Patient?gender=female", ("gender",), ())],
    [("Location", (), ("name", "status")), ("Observation", (), ("status", "code", "subject", "category"))],
    [("*", ("subject.reference", "item"), ()), ("List", ("entry.item",), ()), ("Practitioner", ("name",), ())],
]
SUBSETTED = "http://terminology.hl7.org/CodeSystem/v3-ObservationValue"


def untagged(node: Any) -> Any:
    if isinstance(node, dict):
        found = {name: untagged(value) for name, value in node.items()}
        return {name: value for name, value in found.items() if not (name in ("tag", "meta") and not value)}
    return [untagged(e) for e in node if not (isinstance(e, dict) and e.get("system") == SUBSETTED)] if isinstance(
        node, list) else node  # fmt: skip


@pytest.mark.parametrize("seed", range(len(MASKS)))
async def test_answers_are_refused_or_those_of_a_server_without_what_is_hidden(tmp_path, seed):
    chance = random.Random(seed)
    resources = hospital(chance)
    rules = tuple(Rule(effect="mask", resources=(of,), fields=fields, only=only) for of, fields, only in MASKS[seed])
    async with started(tmp_path / "whole") as whole, started(tmp_path / "shadow") as shadow:
        callers = Callers(whole.environment, Policies(rules))
        caller = await callers.of_access(Access(client="app", scope="user/*.cruds", user="u"))
        changed = 0
        for resource in resources:
            await whole.perform(request("PUT", f"{resource['resourceType']}/{resource['id']}", resource))
        for resource in resources:
            url = f"{resource['resourceType']}/{resource['id']}"
            shown = json.loads((await whole.perform(request("GET", url, caller=caller))).body)
            changed += untagged(lasting(shown)) != lasting(resource)
            environment: Any = shadow.environment
            environment.checker = Unchecked()  # what is hidden may be mandatory
            await shadow.perform(request("PUT", url, shown))
        assert changed
        refusals = 0
        for url in ASKED:
            mine = await answer(whole, request("GET", url, caller=caller))
            refusals += mine[0] == 403
            other = await answer(shadow, request("GET", url))
            assert mine[0] == 403 or untagged(list(mine)) == untagged(list(other)), (MASKS[seed], url)
        assert 0 < refusals < len(ASKED) / 2
        for method, url, body, headers in WRITTEN:
            text = json.dumps([url, body, headers]).replace("/_history/1", "")  # old versions show less
            filled = [json.loads(re.sub(r"\{([poe])\}", r"\g<1>1", text)) for _ in "12"]
            mine, other = [
                await answer(server, request(method, one[0], one[1], **({"caller": who} if who else {}), **one[2]))
                for server, who, one in ((whole, caller, filled[0]), (shadow, None, filled[1]))
            ]
            same_answer = mine[0] in (403, 422) or same(untagged(list(mine)), untagged(list(other)))
            assert same_answer, (method, url, mine, other)


class Unchecked:
    def check(self, resource: Any) -> list[Any]:
        return []
