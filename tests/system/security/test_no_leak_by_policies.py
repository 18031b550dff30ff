"""What policies keep from a caller no search, count, order or operation tells of.

As in test_no_leak: each answer is that of an open server that holds only what a direct read gives.
"""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from fhir_server.interactions.access.callers import Callers
from fhir_server.security.model import Access
from fhir_server.security.policies import Policies, Rule
from tests.system.security.test_no_leak import ASKED, answer, hospital, request, same, started

pytestmark = pytest.mark.anyio

POLICIES: list[list[tuple[Any, str]]] = [
    [("deny", "Observation?category=laboratory")],
    [("deny", "Patient?gender=female"), ("deny", "Encounter?location.name=A")],
    [("deny", "*?_security=R")],
    [("deny", "Observation?subject:Patient.gender=female"), ("deny", "Location?name=A")],
    [("deny", "List"), ("deny", "Practitioner"), ("deny", "Location?_id=loc1,loc3")],
    [("permit", "Patient"), ("permit", "Observation?status=final"), ("permit", "Encounter"),
     ("permit", "Location?_id=loc0,loc2")],
    [("deny", "Patient?_has:Observation:subject:category=laboratory")],
]  # fmt: skip

FURTHER = """
Patient?_filter=general-practitioner.name eq "Doktor1"
Observation?_filter=subject.gender eq female and encounter.status eq finished
Observation?_filter=not (subject.name sw "Family1")
Observation?_filter=subject pr false
Observation?subject:identifier=urn:id|secret-p1
Observation?subject:Patient._id=p1
Observation?subject:Patient._tag=urn:tag|secret-p1
Observation?subject:Patient._list=l0
Observation?has-member:missing=false&_sort=-_lastUpdated
Observation?_lastUpdated=gt2020&_sort=subject
Observation?_sort=subject,-value-quantity
Patient?_sort=general-practitioner
Patient?_sort=link,-name
Encounter?_sort=location
List?_sort=item
Location?_sort=partof,name
Patient?link=Patient/p1&_summary=count
Patient?link:missing=true&_summary=count
Patient?_id=p0,p1,p2,p3&_summary=count
Patient?_id:not=p1&_summary=count
Patient?_has:Observation:subject:_has:Observation:has-member:status=final&_total=accurate
Patient?_has:Composition:subject:entry:Observation.code=8867-4
Composition?entry:Encounter.subject:Patient.gender=female
Composition?patient=p1&_include=Composition:entry&_include=Composition:subject
Composition/c0/$document?persist=false
Patient/p1/$graph?graph=http://graph.test/1
Patient/p2/$graph?graph=GraphDefinition/g0
Observation/$lastn?subject:Patient.gender=female
Patient/p1/$everything?_since=2020-01-01
Patient/p3/$everything?start=2020-01-01&end=2020-01-05
Encounter/e3/$everything
Practitioner/d0/Observation?_total=accurate
Practitioner/d0/Patient
Practitioner/d1/Observation?subject.gender=female
Patient/p0/Encounter?location.name=A
Patient/p1/Composition
Encounter/e0/*?_total=accurate
?_type=Patient,Observation&_id=p0,o1,p2,o3&_summary=count
?_has:List:item:_id=l0&_type=Patient,Observation
?_content=secret-o1
Observation/o2?_elements=subject
Observation?_include=Observation:has-member&_include:iterate=Observation:has-member&_count=1&_sort=_id
Observation?_include=Observation:encounter&_include:iterate=Encounter:location&_include:iterate=Location:partof
Location?_revinclude=Encounter:location&_revinclude:iterate=Observation:encounter
List?_include=List:item&_include:iterate=Observation:subject
Practitioner?_revinclude=*
Practitioner?_revinclude=Patient:general-practitioner&_revinclude:iterate=Observation:subject
$graphql?query={ObservationList(subject: "Patient/p1", _sort: _id) {id}}
$graphql?query={Observation(id: o1) {hasMember {resource(optional: true) {... on Observation {id}}}}}
$graphql?query={List(id: l0) {entry {item {resource(optional: true) {... on Patient {id}}}}}}
Patient?name:contains=amily&_elements=id&_total=accurate
Patient?_text=family
Patient?birthdate=lt1962&gender=female&_total=estimate
Observation?code-value-quantity=8867-4$gt2
Observation?combo-code=8867-4&_summary=count
Observation?date=2020-01-02&_total=accurate
Patient/p1/$meta
Patient?_security=R
Patient?_security:not=R&_summary=count
Encounter?location:above=Location/loc1
Encounter?location:above=Location/loc2
Encounter?location:above=Location/loc3
Location?partof:above=Location/loc2
Location?partof:above=Location/loc3
Location?partof:below=loc1
Patient/$ihe-pix?sourceIdentifier=urn:id|secret-p1
Patient/$ihe-pix?sourceIdentifier=urn:id|secret-p3
Observation/o1/$fhirpath?expression=subject.resolve().gender.exists()
Observation/o2/$fhirpath?expression=hasMember.resolve().subject.resolve().exists()
Patient/p2/$validate
Observation/o3/$validate?mode=update
Observation?_total=accurate&_count=0
Patient?link.link.link.gender=female
Patient?link:missing=false&_sort=_lastUpdated,_id&_elements=id
?_type=List&_include=List:item
Observation?_filter=subject re Patient/p1 or code eq 8480-6
Patient?_filter=link.link.gender eq female
""".strip().splitlines()


@pytest.mark.parametrize("seed", range(len(POLICIES)))
async def test_answers_are_those_of_a_server_without_what_the_policies_keep(tmp_path: Path, seed: int) -> None:
    resources = hospital(random.Random(100 + seed))
    rules = tuple(Rule(effect=effect, resources=(of,)) for effect, of in POLICIES[seed])
    async with started(tmp_path / "whole") as whole, started(tmp_path / "shadow") as shadow:
        access = Access(client="app", scope="user/*.rs", user="u")
        caller = await Callers(whole.environment, Policies(rules)).of_access(access)
        for resource in resources:
            await whole.perform(request("PUT", f"{resource['resourceType']}/{resource['id']}", resource))
        visible = 0
        for resource in resources:
            url = f"{resource['resourceType']}/{resource['id']}"
            if (await answer(whole, request("GET", url, caller=caller)))[0] == 200:
                visible += 1
                await shadow.perform(request("PUT", url, resource))
        assert 0 < visible < len(resources)
        for url in (*ASKED, *FURTHER):
            mine = await answer(whole, request("GET", url, caller=caller))
            other = await answer(shadow, request("GET", url))
            assert mine[0] == other[0], f"{POLICIES[seed]} {url}\n{mine}\n{other}"
            if mine[0] == 200 and "total" not in mine[2]:  # it is told where it costs nothing
                other = json.loads(json.dumps(other))
                if isinstance(other[2], dict):
                    other[2].pop("total", None)
            assert same(mine, other), f"{POLICIES[seed]} {url}\n{mine}\n{other}"
