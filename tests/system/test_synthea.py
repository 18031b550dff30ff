"""Searches over the sample patients: the server finds what an independent count over the files' JSON finds.

On the distributed engine over a third of them, unless HMS_TEST_SAMPLES is all: to store them on MongoDB's stand-in
takes most of the time that its tests need.
"""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.engines import EMBEDDED, named, settings_on
from tests.system.matching import (
    Records,
    Resource,
    compares,
    dated,
    folded,
    has_code,
    kilometres,
    references,
    refers,
    span,
    spans,
    starts,
    walk,
)
from tests.system.process import hms, serving

Place = list[str | Path]
Expected = Callable[[Resource, Records], bool]

LOINC = "http://loinc.org"
SNOMED = "http://snomed.info/sct"
UCUM = "http://unitsofmeasure.org"
SYNTHEA = "https://github.com/synthetichealth/synthea"
NAMES = ("name.family", "name.given", "name.prefix", "name.suffix", "name.text")
ADDRESS = tuple(f"address.{part}" for part in ("line", "city", "district", "state", "country", "postalCode", "text"))
ONE = "d9f7c621-c269-8d9c-7546-6fe379953b50"
FEW = ("hospital", "practitioner", "Darrick836", "Dorla228", "Dana512", "Son314", "Frankie174", "Marco_Antonio298",
       "Whitney250", "Mckinley734")  # fmt: skip
CM = {"cm": 1.0, "m": 100.0, "[in_i]": 2.54}


@pytest.fixture(scope="module")
def files(engine: str, sample_files: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """What is loaded, by the files' names."""
    if engine == EMBEDDED or os.environ.get("HMS_TEST_SAMPLES") == "all":
        return sample_files
    return {name: bundle for name, bundle in sample_files.items() if name.startswith(FEW)}


@pytest.fixture(scope="module")
def records(files: dict[str, dict[str, Any]]) -> Records:
    return Records(copy.deepcopy([entry for bundle in files.values() for entry in bundle["entry"]]))


@pytest.fixture(scope="module")
def place(
    engine: str,
    files: dict[str, dict[str, Any]],
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Place]:
    """Where the samples are, as options of a command."""
    if engine == EMBEDDED:
        yield ["--data", request.getfixturevalue("loaded")]
        return
    folder = tmp_path_factory.mktemp("distributed")
    sources = folder / "sources"
    sources.mkdir()
    for name, bundle in files.items():
        (sources / name).write_text(json.dumps(bundle), "utf-8")
    count = sum(len(bundle["entry"]) for bundle in files.values())
    with settings_on(engine, folder / "data") as settings:
        options: Place = ["--data", settings.data, *named(settings, folder)]
        assert f"{count} resources loaded" in hms("load", sources, *options, seconds=1200)
        yield options


@pytest.fixture(scope="module")
def base(place: Place) -> Iterator[str]:
    _, data, *options = place
    with serving(Path(data), *options) as server:
        yield server.base


@pytest.fixture(scope="module")
def http() -> Iterator[httpx.Client]:
    with httpx.Client(timeout=60) as client:
        yield client


def pages(http: httpx.Client, url: str) -> Iterator[dict[str, Any]]:
    following: str | None = url
    while following:
        answer = http.get(following)
        assert answer.status_code == 200, answer.text
        yield answer.json()
        following = next((link["url"] for link in answer.json()["link"] if link["relation"] == "next"), None)


def found(http: httpx.Client, url: str, mode: str = "match") -> list[Resource]:
    entries = [entry for page in pages(http, url) for entry in page.get("entry", ())]
    return [entry["resource"] for entry in entries if entry["search"]["mode"] == mode]


def name(resource: Resource) -> str:
    """What a resource is called in the files, too: those created on a condition have ids of the server's."""
    values = (i["value"] for i in resource.get("identifier", ()) if i.get("system") == SYNTHEA)
    return next(values, resource["id"])


def names(resources: list[Resource]) -> list[str]:
    return sorted(name(resource) for resource in resources)


def value(resource: Resource, unit: str) -> float | None:
    quantity = resource.get("valueQuantity", {})
    return quantity["value"] if quantity.get("code") == unit else None


def over(found: float | None, limit: float) -> bool:
    return found is not None and found > limit


def component(resource: Resource, code: str, holds: Callable[[Resource], bool]) -> bool:
    return any(has_code(part, "code", code) and holds(part) for part in resource.get("component", ()))


def patient_of(resource: Resource, records: Records) -> Resource:
    return records.target(resource, "subject") or records.target(resource, "patient")


def having(source: str, link: str, holds: Callable[[Resource, Records], bool]) -> Expected:
    """A _has: some resource of the source type, for which it holds, refers here."""

    def expected(resource: Resource, records: Records) -> bool:
        here = f"{resource['resourceType']}/{resource['id']}"
        return any(here in references(other, link) and holds(other, records) for other in records[source])

    return expected


def coded(code: str) -> Expected:
    return lambda resource, _: has_code(resource, "code", code)


def organization_named(organization: Resource) -> bool:
    name = folded(organization["name"])
    return name.startswith(("b", "c")) and "hospital" in name


def resolved_of_one(condition: Resource) -> bool:
    return refers(condition, "subject", f"Patient/{ONE}") and has_code(condition, "clinicalStatus", "resolved")


SEARCHES: list[tuple[str, Expected]] = [
    # tokens
    ("Patient?gender=female", lambda p, _: p["gender"] == "female"),
    ("Patient?gender=http://hl7.org/fhir/administrative-gender|male", lambda p, _: p["gender"] == "male"),
    ("Patient?gender:not=female", lambda p, _: p["gender"] != "female"),
    ("Patient?deceased=true", lambda p, _: "deceasedDateTime" in p),
    ("Patient?deceased=false", lambda p, _: "deceasedDateTime" not in p),
    (f"Patient?identifier={SYNTHEA}|{ONE}", lambda p, _: p["id"] == ONE),
    (f"Patient?identifier={ONE}", lambda p, _: p["id"] == ONE),
    (
        f"Patient?identifier:of-type=http://terminology.hl7.org/CodeSystem/v2-0203|MR|{ONE}",
        lambda p, _: p["id"] == ONE,
    ),
    ("Patient?language=es", lambda p, _: has_code(p, "communication.language", "es")),
    (
        f"Observation?code={LOINC}|8302-2",
        lambda o, _: has_code(o, "code", "8302-2", system=LOINC),
    ),
    ("Observation?code=8302-2,29463-7", lambda o, _: has_code(o, "code", "8302-2", "29463-7")),
    (f"Observation?value-concept={SNOMED}|", lambda o, _: has_code(o, "valueCodeableConcept", system=SNOMED)),
    ("Observation?component-code=8480-6", lambda o, _: has_code(o, "component.code", "8480-6")),
    (
        "Observation?combo-code=8480-6,8302-2",
        lambda o, _: has_code(o, "code", "8480-6", "8302-2") or has_code(o, "component.code", "8480-6", "8302-2"),
    ),
    ("Condition?code:not=73595000,314529007", lambda c, _: not has_code(c, "code", "73595000", "314529007")),
    ("Condition?code:text=sinusitis", lambda c, _: "sinusitis" in folded(c["code"]["text"])),
    ("Encounter?class=EMER,IMP", lambda e, _: e["class"]["code"] in ("EMER", "IMP")),
    (
        "Condition?clinical-status=active&category=encounter-diagnosis",
        lambda c, _: has_code(c, "clinicalStatus", "active") and has_code(c, "category", "encounter-diagnosis"),
    ),
    (
        "Location?_profile=http://hl7.org/fhir/us/core/StructureDefinition/us-core-location",
        lambda x, _: "http://hl7.org/fhir/us/core/StructureDefinition/us-core-location" in walk(x, "meta.profile"),
    ),
    # strings
    ("Patient?name=s", lambda p, _: starts(p, NAMES, "s")),
    ("Patient?name=estevez", lambda p, _: starts(p, NAMES, "estevez")),
    ("Patient?name:contains=an", lambda p, _: any("an" in folded(v) for path in NAMES for v in walk(p, path))),
    ("Patient?family:exact=Sipes176", lambda p, _: "Sipes176" in walk(p, "name.family")),
    ("Patient?address=wor", lambda p, _: starts(p, ADDRESS, "wor")),
    ("Patient?address-city=Worcester", lambda p, _: starts(p, ["address.city"], "worcester")),
    ("Organization?name=b,c&name:contains=hospital", lambda o, _: organization_named(o)),
    # dates: partial ones, prefixes, periods
    ("Patient?birthdate=1991-05", lambda p, _: p["birthDate"].startswith("1991-05")),
    ("Patient?birthdate=ge1990&birthdate=lt1993-05", lambda p, _: "1990" <= p["birthDate"] < "1993-05"),
    ("Patient?birthdate=1971-02-19,2022", lambda p, _: p["birthDate"] == "1971-02-19" or p["birthDate"] > "2022"),
    ("Patient?death-date:missing=false", lambda p, _: "deceasedDateTime" in p),
    *(
        (
            f"Encounter?date={prefix}{asked}",
            lambda e, _, prefix=prefix, asked=asked: dated(e, "period", prefix or "eq", asked),
        )
        for prefix in ("", "ne", "gt", "lt", "ge", "le", "sa", "eb")
        for asked in ("2014", "2014-07-11", "2014-07-11T16:21:10Z")
    ),
    (
        "Observation?date=ge2014-07-11T16:21:10%2B00:00&date=lt2015",
        lambda o, _: (
            dated(o, "effectiveDateTime", "ge", "2014-07-11T16:21:10Z") and dated(o, "effectiveDateTime", "lt", "2015")
        ),
    ),
    ("Procedure?date=sa2020-06", lambda p, _: dated(p, "performedPeriod", "sa", "2020-06")),
    ("CarePlan?date=gt2021", lambda c, _: dated(c, "period", "gt", "2021")),
    ("Condition?onset-date=eb2000", lambda c, _: dated(c, "onsetDateTime", "eb", "2000")),
    ("Condition?abatement-date:missing=true", lambda c, _: "abatementDateTime" not in c),
    # quantities: ranges of precision, units and their conversion
    (f"Observation?value-quantity=gt170|{UCUM}|cm", lambda o, _: over(value(o, "cm"), 170)),
    (
        f"Observation?code=8302-2&value-quantity=gt1.7|{UCUM}|m",
        lambda o, _: has_code(o, "code", "8302-2") and over(value(o, "cm"), 170),
    ),
    (
        f"Observation?code=8302-2&value-quantity=le60|{UCUM}|[in_i]",
        lambda o, _: has_code(o, "code", "8302-2") and (value(o, "cm") or 999) <= 60 * CM["[in_i]"],
    ),
    (
        f"Observation?value-quantity=170.6|{UCUM}|cm",
        lambda o, _: 170.55 <= (value(o, "cm") or 0) < 170.65,
    ),
    ("Observation?value-quantity=170||cm", lambda o, _: 169.5 <= (value(o, "cm") or 0) < 170.5),
    (
        "Observation?value-quantity=lt5",
        lambda o, _: "valueQuantity" in o and o["valueQuantity"]["value"] < 5,
    ),
    (f"Observation?value-quantity=ge0.1|{UCUM}|kg/dL", lambda o, _: over(value(o, "mg/dL"), 99_999)),
    ("Observation?value-quantity:missing=true&status=final", lambda o, _: "valueQuantity" not in o),
    # composites: the parts of one element
    (
        f"Observation?component-code-value-quantity={LOINC}|8480-6$gt130|{UCUM}|mm[Hg]",
        lambda o, _: component(o, "8480-6", lambda part: over(value(part, "mm[Hg]"), 130)),
    ),
    (
        "Observation?code-value-quantity=8302-2$lt150",
        lambda o, _: has_code(o, "code", "8302-2") and (value(o, "cm") or 999) < 150,
    ),
    (
        f"Observation?code-value-concept=72166-2${SNOMED}|266919005",
        lambda o, _: has_code(o, "code", "72166-2") and has_code(o, "valueCodeableConcept", "266919005"),
    ),
    (
        "Observation?code-value-date=72166-2$2020",
        lambda o, _: (
            has_code(o, "code", "72166-2") and any(compares("eq", s, "2020") for s in spans(o, "valueDateTime"))
        ),
    ),
    # references and chains
    (f"Observation?subject=Patient/{ONE}", lambda o, _: refers(o, "subject", f"Patient/{ONE}")),
    (f"Immunization?patient={ONE}", lambda i, _: refers(i, "patient", f"Patient/{ONE}")),
    (
        "Observation?subject:Patient.gender=male&code=8302-2",
        lambda o, r: has_code(o, "code", "8302-2") and patient_of(o, r)["gender"] == "male",
    ),
    (
        "Immunization?patient.birthdate=ge2000&vaccine-code=140",
        lambda i, r: has_code(i, "vaccineCode", "140") and patient_of(i, r)["birthDate"] >= "2000",
    ),
    (
        "Observation?encounter.service-provider.name=vibra",
        lambda o, r: starts(r.target(r.target(o, "encounter"), "serviceProvider"), ["name"], "vibra"),
    ),
    (
        "MedicationRequest?medication.code=1000126",
        lambda m, r: has_code(r.target(m, "medicationReference"), "code", "1000126"),
    ),
    (
        "Procedure?encounter.class=IMP&subject:Patient.name=s",
        lambda p, r: r.target(p, "encounter")["class"]["code"] == "IMP" and starts(patient_of(p, r), NAMES, "s"),
    ),
    (
        "DiagnosticReport?result.code=4548-4",
        lambda d, r: any(has_code(r.by_reference[name], "code", "4548-4") for name in references(d, "result")),
    ),
    # reverse chains
    ("Patient?_has:Condition:patient:code=73595000", having("Condition", "subject", coded("73595000"))),
    (
        "Patient?_has:Observation:patient:code=4548-4&gender=male",
        lambda p, r: p["gender"] == "male" and having("Observation", "subject", coded("4548-4"))(p, r),
    ),
    (
        "Organization?_has:Encounter:service-provider:_has:Condition:encounter:code=444814009",
        having("Encounter", "serviceProvider", having("Condition", "encounter", coded("444814009"))),
    ),
    (
        "Encounter?subject:Patient._has:Immunization:patient:vaccine-code=140&class=EMER",
        lambda e, r: (
            e["class"]["code"] == "EMER"
            and having("Immunization", "patient", lambda i, _: has_code(i, "vaccineCode", "140"))(patient_of(e, r), r)
        ),
    ),
    # all that is left
    (
        "Location?near=42.36|-71.06|15|km",
        lambda x, _: "position" in x and kilometres(42.36, -71.06, x["position"]) <= 15,
    ),
    (
        "Patient?_filter=gender eq female and (birthdate lt 1980 or birthdate ge 2000)",
        lambda p, _: p["gender"] == "female" and not "1980" <= p["birthDate"] < "2000",
    ),
    (f"Patient/{ONE}/Condition?clinical-status=resolved", lambda c, _: resolved_of_one(c)),
    ("Provenance?target:Patient._id=" + ONE, lambda p, _: refers(p, "target", f"Patient/{ONE}")),
]


@pytest.mark.parametrize(("search", "expected"), SEARCHES, ids=[search for search, _ in SEARCHES])
def test_a_search_finds_what_is_counted(
    base: str, http: httpx.Client, records: Records, search: str, expected: Expected
) -> None:
    type = search.partition("?")[0].rpartition("/")[2]
    counted = [resource for resource in records[type] if expected(resource, records)]
    elements = "id,identifier" if any("identifier" in resource for resource in records[type]) else "id"
    assert names(found(http, f"{base}/{search}&_count=1000&_elements={elements}")) == names(counted)
    assert http.get(f"{base}/{search}&_summary=count").json()["total"] == len(counted)


def test_a_type_is_exported_whole(
    base: str, place: Place, records: Records, tmp_path: Path, http: httpx.Client
) -> None:
    hms("export", tmp_path, *place, "--type", "Patient", "--type", "Condition")
    for type in ("Patient", "Condition"):
        lines = (tmp_path / f"{type}.ndjson").read_text("utf-8").splitlines()
        assert names([json.loads(line) for line in lines]) == names(records[type])


def test_most_of_these_searches_find_some_and_not_all(records: Records) -> None:
    saying_little = []
    for search, expected in SEARCHES:
        all = records[search.partition("?")[0].rpartition("/")[2]]
        if not 0 < sum(expected(resource, records) for resource in all) < len(all):
            saying_little.append(search)
    assert len(saying_little) < len(SEARCHES) / 10, saying_little


def test_searches_across_types(base: str, http: httpx.Client, records: Records) -> None:
    counted = [r for t in ("Organization", "Location") for r in records[t] if starts(r, ["name"], "boston")]
    assert names(found(http, f"{base}?_type=Organization,Location&name=boston&_count=500")) == names(counted) != []


# ---------------------------------------------------------------- order and pages
SORTS: list[tuple[str, Callable[[Resource], Any], bool]] = [
    ("Patient?_sort=birthdate", lambda p: p["birthDate"], False),
    ("Patient?_sort=-birthdate", lambda p: p["birthDate"], True),
    ("Patient?_sort=family", lambda p: min(folded(family) for family in walk(p, "name.family")), False),
    ("Observation?code=8302-2&_sort=-date", lambda o: span(o["effectiveDateTime"])[0], True),
    ("Observation?code=8302-2&_sort=value-quantity", lambda o: o["valueQuantity"]["value"], False),
    ("Encounter?_sort=-date", lambda e: span(e["period"]["start"])[0], True),
    ("Encounter?_sort=date", lambda e: span(e["period"]["start"])[0], False),
    ("Condition?_sort=_id", lambda c: c["id"], False),
]


@pytest.mark.parametrize(("search", "key", "descending"), SORTS, ids=[search for search, _, _ in SORTS])
def test_pages_are_in_order_and_complete(
    base: str, http: httpx.Client, records: Records, search: str, key: Callable[[Resource], Any], descending: bool
) -> None:
    type = search.partition("?")[0]
    listed = found(http, f"{base}/{search}&_count=37")
    keys = [key(resource) for resource in listed]
    assert keys == sorted(keys, reverse=descending)
    wanted = [r for r in records[type] if "code=8302-2" not in search or has_code(r, "code", "8302-2")]
    assert names(listed) == names(wanted)


def test_the_last_page_and_the_way_back(base: str, http: httpx.Client, records: Records) -> None:
    forth = [ids(page) for page in pages(http, f"{base}/Patient?_count=5&_sort=birthdate")]
    whole, left = divmod(len(records["Patient"]), 5)
    assert [len(page) for page in forth] == [5] * whole + [left] and left == 3
    back, last = [], list(pages(http, f"{base}/Patient?_count=5&_sort=birthdate"))[-1]
    while True:
        back.append(ids(last))
        before = next((link["url"] for link in last["link"] if link["relation"] == "previous"), None)
        if before is None:
            break
        last = http.get(before).json()
    assert [id for page in reversed(back) for id in page] == [id for page in forth for id in page]


def ids(page: dict[str, Any]) -> list[str]:
    return [entry["resource"]["id"] for entry in page["entry"]]


# ---------------------------------------------------------------- includes
def test_includes_bring_each_target_once(base: str, http: httpx.Client, records: Records) -> None:
    search = f"{base}/Encounter?subject=Patient/{ONE}&_count=1000&_include=Encounter:service-provider"
    mine = [e for e in records["Encounter"] if refers(e, "subject", f"Patient/{ONE}")]
    providers = {reference for encounter in mine for reference in references(encounter, "serviceProvider")}
    assert names(found(http, search, "include")) == names([records.by_reference[r] for r in providers])
    assert len(found(http, search)) == len(mine)


def test_includes_go_on_from_what_was_included(base: str, http: httpx.Client, records: Records) -> None:
    search = (
        f"{base}/MedicationRequest?subject=Patient/{ONE}&_count=1000&_include=MedicationRequest:encounter"
        "&_include:iterate=Encounter:service-provider"
    )
    mine = [m for m in records["MedicationRequest"] if refers(m, "subject", f"Patient/{ONE}")]
    encounters = {reference for request in mine for reference in references(request, "encounter")}
    providers = {r for e in encounters for r in references(records.by_reference[e], "serviceProvider")}
    brought = found(http, search, "include")
    assert names(brought) == names([records.by_reference[r] for r in encounters | providers])


def test_revincludes_bring_all_that_refer(base: str, http: httpx.Client, records: Records) -> None:
    search = f"{base}/Patient?_id={ONE}&_revinclude=Condition:patient&_revinclude=Immunization:patient"
    counted = [
        resource
        for type, path in (("Condition", "subject"), ("Immunization", "patient"))
        for resource in records[type]
        if refers(resource, path, f"Patient/{ONE}")
    ]
    assert names(found(http, search, "include")) == names(counted)


def test_everything_of_a_patient(base: str, http: httpx.Client, records: Records) -> None:
    mine = {
        f"{type}/{resource['id']}"
        for type in ("Condition", "Observation", "Encounter", "Procedure", "Immunization", "DiagnosticReport")
        for resource in records[type]
        if refers(resource, "subject", f"Patient/{ONE}") or refers(resource, "patient", f"Patient/{ONE}")
    }
    listed = {
        entry["fullUrl"]
        for page in pages(http, f"{base}/Patient/{ONE}/$everything?_count=500")
        for entry in page["entry"]
    }
    assert {f"{base}/{name}" for name in mine} <= listed
    others = {f"{base}/Patient/{patient['id']}" for patient in records["Patient"] if patient["id"] != ONE}
    assert not others & listed
