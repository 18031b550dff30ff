"""How a search answers: order, pages, totals, includes, summaries, forms of the request, lenient handling."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.conftest import BASE, Fhir, issue_of
from tests.system.search_data import LOINC, RESOURCES

pytestmark = pytest.mark.anyio


@pytest.fixture
async def hospital(fhir: Fhir) -> Fhir:
    for resource in RESOURCES:
        await fhir.create(resource)
    return fhir


def ids(bundle: dict[str, Any], mode: str = "match") -> list[str]:
    return [entry["resource"]["id"] for entry in bundle.get("entry", ()) if entry["search"]["mode"] == mode]


def link(bundle: dict[str, Any], relation: str) -> str | None:
    return next((found["url"] for found in bundle["link"] if found["relation"] == relation), None)


async def answer(fhir: Fhir, search: str) -> dict[str, Any]:
    given = await fhir.get(search)
    assert given.status_code == 200, given.text
    return given.json()


async def test_a_searchset_has_what_r4_asks_of_it(hospital: Fhir) -> None:
    bundle = await answer(hospital, "Patient?_id=ann&_include=Patient:organization")
    assert bundle["resourceType"] == "Bundle" and bundle["type"] == "searchset"
    assert link(bundle, "self") == f"{BASE}/Patient?_id=ann&_include=Patient:organization"
    assert [(entry["fullUrl"], entry["search"]["mode"]) for entry in bundle["entry"]] == [
        (f"{BASE}/Patient/ann", "match"),
        (f"{BASE}/Organization/acme", "include"),
    ]


async def test_no_match_is_an_empty_searchset(hospital: Fhir) -> None:
    bundle = await answer(hospital, "Patient?name=nobody&_total=accurate")
    assert bundle["total"] == 0 and "entry" not in bundle


# ---------------------------------------------------------------- order
@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ("_id", ["ann", "bob", "cyd"]),
        ("-_id", ["cyd", "bob", "ann"]),
        ("_lastUpdated", ["ann", "bob", "cyd"]),
        ("-_lastUpdated", ["cyd", "bob", "ann"]),
        ("birthdate", ["ann", "bob", "cyd"]),
        ("-birthdate", ["cyd", "bob", "ann"]),
        ("gender,birthdate", ["ann", "bob", "cyd"]),
        ("-gender,-birthdate", ["bob", "ann", "cyd"]),
        ("family", ["ann", "bob", "cyd"]),
        ("-family", ["bob", "ann", "cyd"]),
        ("organization,-_id", ["ann", "bob", "cyd"]),
        ("active,-_id", ["bob", "ann", "cyd"]),
    ],
)
async def test_order(hospital: Fhir, sort: str, expected: list[str]) -> None:
    assert ids(await answer(hospital, f"Patient?_sort={sort}")) == expected
    assert await hospital.ids(f"Patient?_sort={sort}&_count=1") == expected


async def test_order_by_a_number_and_a_quantity(hospital: Fhir) -> None:
    assert ids(await answer(hospital, "RiskAssessment?_sort=probability")) == ["unlikely", "likely"]
    assert ids(await answer(hospital, "Observation?combo-value-quantity=gt1||mg&_sort=-value-quantity")) == [
        "dose",
        "below",
    ]
    mmhg = "Observation?_sort=-component-value-quantity&component-value-quantity:missing=false"
    assert ids(await answer(hospital, mmhg)) == ["pressure"]


async def test_quantities_are_in_order_of_what_they_are_whatever_their_unit(fhir: Fhir) -> None:
    for id, value, code in (("a", 98.6, "[degF]"), ("b", 38, "Cel"), ("c", 36500, "mCel"), ("d", 310.5, "K")):
        quantity = {"value": value, "system": "http://unitsofmeasure.org", "code": code}
        seen = {"resourceType": "Observation", "status": "final", "code": {"text": "x"}, "valueQuantity": quantity}
        await fhir.create({**seen, "id": id})
    assert await fhir.ids("Observation?_sort=value-quantity&_count=1") == ["c", "a", "d", "b"]
    assert await fhir.ids("Observation?_sort=-value-quantity&_count=1") == ["b", "d", "a", "c"]


@pytest.mark.parametrize("value", ["66.89999999999999", "0.30000000000000004", "1.7976931348623157e308", "5e-324"])
async def test_a_number_of_as_many_digits_as_there_are_finds_itself(fhir: Fhir, value: str) -> None:
    quantity = f'"valueQuantity":{{"value":{value},"unit":"x"}}'
    body = f'{{"resourceType":"Observation","id":"o","status":"final","code":{{"text":"x"}},{quantity}}}'
    assert (await fhir("PUT", "Observation/o", body.encode())).status_code == 201
    for search in (value, f"{value}||x", f"ge{value}", f"le{value}"):
        assert await fhir.ids(f"Observation?value-quantity={search}") == ["o"], search
    assert await fhir.ids(f"Observation?value-quantity=ne{value}") == []


async def test_order_by_distance(hospital: Fhir) -> None:
    near = "Location?near=52.531|13.405|5|km"
    assert ids(await answer(hospital, f"{near}&_sort=near")) == ["ward", "house"]
    assert ids(await answer(hospital, f"{near}&_sort=-near")) == ["house", "ward"]


# ---------------------------------------------------------------- canonicals
OWN = f"{BASE}/Questionnaire/gcs"


@pytest.mark.parametrize(
    ("search", "expected"),
    [
        ("questionnaire=Questionnaire/gcs", ["relative", "versioned"]),
        ("questionnaire:Questionnaire=gcs", ["relative", "versioned"]),
        (f"questionnaire={OWN}", ["own", "relative", "versioned"]),
        (f"questionnaire={OWN}|1", ["own", "versioned"]),
        ("questionnaire=Questionnaire/gcs|1", ["versioned"]),
        ("questionnaire=Questionnaire/gcs|2", []),
        (f"questionnaire={OWN}|2", []),
        (f"questionnaire={BASE}/forms/gcs", ["form"]),
        ("questionnaire.title=coma", ["own", "relative", "versioned"]),
        ("questionnaire:missing=false", ["form", "own", "relative", "versioned"]),
    ],
)
async def test_canonicals_to_resources_of_this_server(fhir: Fhir, search: str, expected: list[str]) -> None:
    coma = {
        "resourceType": "Questionnaire",
        "id": "gcs",
        "url": OWN,
        "version": "1",
        "title": "Coma",
        "status": "active",
    }
    await fhir.create(coma)
    named = {"relative": "Questionnaire/gcs", "versioned": "Questionnaire/gcs|1", "own": f"{OWN}|1"}
    for id, canonical in (*named.items(), ("form", f"{BASE}/forms/gcs")):
        answers = {"resourceType": "QuestionnaireResponse", "id": id, "status": "completed", "questionnaire": canonical}
        await fhir.create(answers)
    assert sorted(await fhir.ids(f"QuestionnaireResponse?{search}")) == expected


async def test_a_uri_that_a_reference_parameter_reads_is_found_as_it_stands(fhir: Fhir) -> None:
    mapping = {"resourceType": "ConceptMap", "id": "m", "status": "active", "sourceUri": f"{BASE}/ValueSet/v"}
    await fhir.create(mapping)
    assert await fhir.ids(f"ConceptMap?source-uri={BASE}/ValueSet/v") == ["m"]


async def test_a_relative_canonical_is_followed_by_includes(fhir: Fhir) -> None:
    await fhir.create({"resourceType": "Questionnaire", "id": "gcs", "status": "active"})
    answers = {"resourceType": "QuestionnaireResponse", "status": "completed", "questionnaire": "Questionnaire/gcs|1"}
    await fhir.create({**answers, "id": "a"})
    assert ids(await answer(fhir, "QuestionnaireResponse?_include=QuestionnaireResponse:questionnaire"), "include") == [
        "gcs"
    ]
    assert ids(await answer(fhir, "Questionnaire?_revinclude=QuestionnaireResponse:questionnaire"), "include") == ["a"]


# ---------------------------------------------------------------- order
async def test_references_are_in_order_by_what_they_name_here(fhir: Fhir) -> None:
    """Whatever identifier or address elsewhere is beside it."""
    subjects: list[dict[str, Any]] = [
        {"reference": "Patient/b", "identifier": {"value": "1"}},
        {"reference": "Patient/a", "identifier": {"value": "2"}},
        {"identifier": {"value": "0"}},
        {"reference": "http://far.test/Patient/a"},
    ]
    for number, subject in enumerate(subjects):
        status = {"resourceType": "Observation", "id": f"o{number}", "status": "final", "code": {"text": "x"}}
        await fhir.create({**status, "subject": subject})
    assert await fhir.ids("Observation?_sort=subject,_id&_count=1") == ["o1", "o0", "o2", "o3"]
    assert await fhir.ids("Observation?_sort=-subject,_id&_count=1") == ["o0", "o1", "o2", "o3"]


async def test_canonicals_are_in_order_by_their_urls(fhir: Fhir) -> None:
    named = {"a": "http://b.test/q|1", "b": None, "c": "Questionnaire/q", "d": "http://a.test/q"}
    for id, canonical in named.items():
        answers = {"resourceType": "QuestionnaireResponse", "id": id, "status": "completed"}
        await fhir.create({**answers, **({"questionnaire": canonical} if canonical else {})})
    assert await fhir.ids("QuestionnaireResponse?_sort=questionnaire&_count=1") == ["c", "d", "a", "b"]
    assert await fhir.ids("QuestionnaireResponse?_sort=-questionnaire&_count=3") == ["a", "d", "c", "b"]


# ---------------------------------------------------------------- pages
async def many(fhir: Fhir, numbers: range) -> None:
    for number in numbers:
        await fhir.create({"resourceType": "Basic", "id": f"b{number:03}", "code": {"text": "x"}, "created": "2020"})


async def test_links_lead_through_all_pages_and_back(fhir: Fhir) -> None:
    await many(fhir, range(7))
    first = await answer(fhir, "Basic?_count=3&_sort=-_id&_total=accurate")
    assert first["total"] == 7 and link(first, "previous") is None
    second = (await fhir.http.get(link(first, "next"))).json()
    third = (await fhir.http.get(link(second, "next"))).json()
    assert [ids(page) for page in (first, second, third)] == [
        ["b006", "b005", "b004"],
        ["b003", "b002", "b001"],
        ["b000"],
    ]
    assert link(third, "next") is None
    for page in (second, third):
        assert ids((await fhir.http.get(link(page, "first"))).json()) == ids(first)
    assert ids((await fhir.http.get(link(third, "previous"))).json()) == ids(second)
    assert ids((await fhir.http.get(link(second, "previous"))).json()) == ids(first)


async def test_a_last_page_holds_the_last(fhir: Fhir) -> None:
    await many(fhir, range(7))
    first = await answer(fhir, "Basic?_count=3&_sort=_id")
    if link(first, "last"):
        last = (await fhir.http.get(link(first, "last"))).json()
        assert ids(last)[-1] == "b006" and link(last, "next") is None


@pytest.mark.parametrize("sort", ["", "&_sort=_id", "&_sort=-_id", "&_sort=created", "&_sort=-_lastUpdated"])
async def test_pages_neither_repeat_nor_skip_what_stays_while_others_write(fhir: Fhir, sort: str) -> None:
    await many(fhir, range(0, 40, 2))
    staying = {f"b{number:03}" for number in range(0, 40, 2)} - {"b006", "b020"}
    seen: list[str] = []
    page = await answer(fhir, f"Basic?_count=4{sort}")
    for round in range(100):
        seen += ids(page)
        await many(fhir, range(2 * round + 1, 2 * round + 2))
        if round == 1:
            await fhir("DELETE", "Basic/b006")
            await fhir("DELETE", "Basic/b020")
        following = link(page, "next")
        if following is None:
            break
        page = (await fhir.http.get(following)).json()
    assert len(seen) == len(set(seen))
    assert staying <= set(seen)


async def test_count_zero_and_summary_count_give_the_total_alone(hospital: Fhir) -> None:
    for asked in ("_count=0", "_summary=count"):
        bundle = await answer(hospital, f"Observation?{asked}")
        assert bundle["total"] == 8 and "entry" not in bundle


async def test_an_accurate_total_is_of_all_pages(hospital: Fhir) -> None:
    assert (await answer(hospital, "Observation?_count=2&_total=accurate"))["total"] == 8
    page = await answer(hospital, "Observation?_count=2&_total=accurate&subject=Patient/ann,Patient/bob")
    assert page["total"] == (await hospital.http.get(link(page, "next"))).json()["total"] == 5


async def test_an_estimate_is_given(hospital: Fhir) -> None:
    assert (await answer(hospital, "Observation?_count=2&_total=estimate"))["total"] >= 2


async def test_totals_do_not_count_includes(hospital: Fhir) -> None:
    search = "Observation?subject:missing=false&_include=Observation:subject&_total=accurate"
    bundle = await answer(hospital, search)
    assert bundle["total"] == 7 and len(ids(bundle, "include")) == 2


# ---------------------------------------------------------------- includes
@pytest.mark.parametrize(
    ("search", "expected"),
    [
        ("Observation?_id=dose&_include=Observation:subject", ["ann"]),
        ("Observation?_id=dose&_include=Observation:subject:Patient", ["ann"]),
        ("Observation?_id=dose&_include=Observation:subject:Group", []),
        ("Observation?_id=dose&_include=Observation:performer&_include=Observation:subject", ["ann", "doc"]),
        ("Observation?_id=dose&_include=Observation:*", ["ann", "doc"]),
        ("Observation?_id=dose&_include=*", ["ann", "doc"]),
        ("Observation?_id=dose,pressure,smoker&_include=Observation:subject", ["ann"]),
        ("Observation?_id=timed,word&_include=Observation:subject", []),
        ("Patient?_id=bob&_include=Patient:link", ["ann"]),
        ("Patient?_id=ann,bob&_include=Patient:link", []),
        ("Observation?_id=dose&_include=Observation:subject&_include:iterate=Patient:organization", ["acme", "ann"]),
        (
            "Observation?_id=dose&_include=Observation:subject&_include:iterate=Patient:organization"
            "&_include:iterate=Organization:partof",
            ["acme", "ann", "top"],
        ),
        ("Organization?_id=acme&_include:iterate=Organization:partof", ["top"]),
        ("Location?_id=bed&_include:iterate=Location:partof", ["house", "ward"]),
        ("Location?_id=bed&_include=Location:partof", ["ward"]),
        ("Patient?_id=ann&_revinclude=Condition:subject", ["cold"]),
        ("Patient?_id=ann&_revinclude=Observation:subject", ["dose", "pressure", "smoker"]),
        ("Patient?_id=bob&_revinclude=Observation:subject:Patient&_revinclude=Group:member",
         ["below", "dose-in-g", "friends"]),
        ("Organization?_id=top&_revinclude:iterate=Organization:partof&_revinclude:iterate=Patient:organization",
         ["acme", "ann", "bob"]),
        ("Location?_id=house&_revinclude:iterate=Location:partof", ["bed", "ward"]),
        ("Organization?_id=acme&_revinclude=Patient:organization&_include:iterate=Patient:general-practitioner",
         ["ann", "doc"]),
        ("MedicationRequest?_id=contains,refers&_include=MedicationRequest:medication", ["alone"]),
    ],
)  # fmt: skip
async def test_includes(hospital: Fhir, search: str, expected: list[str]) -> None:
    assert sorted(ids(await answer(hospital, search), "include")) == expected


async def test_everything_that_refers(hospital: Fhir) -> None:
    brought = ids(await answer(hospital, "Patient?_id=bob&_revinclude=*"), "include")
    assert sorted(brought) == ["below", "dose-in-g", "flu", "friends", "refers", "round", "stay"]


async def test_includes_stay_with_the_page_of_their_match(hospital: Fhir) -> None:
    page = await answer(hospital, "Patient?_sort=_id&_count=1&_revinclude=Condition:subject")
    assert (ids(page), ids(page, "include")) == (["ann"], ["cold"])
    page = (await hospital.http.get(link(page, "next"))).json()
    assert (ids(page), ids(page, "include")) == (["bob"], ["flu"])


# ---------------------------------------------------------------- parts of resources
def subsetted(resource: dict[str, Any]) -> bool:
    return any(tag["code"] == "SUBSETTED" for tag in resource["meta"].get("tag", ()))


@pytest.mark.parametrize(
    ("asked", "there", "gone"),
    [
        ("_summary=true", {"name", "identifier", "birthDate"}, {"text", "communication"}),
        ("_summary=text", {"text", "id", "meta"}, {"name", "identifier"}),
        ("_summary=data", {"name", "communication"}, {"text"}),
        ("_elements=birthDate,name", {"birthDate", "name"}, {"identifier", "text", "gender"}),
    ],
)
async def test_parts_of_resources_are_marked(hospital: Fhir, asked: str, there: set[str], gone: set[str]) -> None:
    resource = (await answer(hospital, f"Patient?_id=ann&{asked}"))["entry"][0]["resource"]
    assert there <= set(resource) and not gone & set(resource)
    assert subsetted(resource)


async def test_summary_false_is_the_whole(hospital: Fhir) -> None:
    resource = (await answer(hospital, "Patient?_id=ann&_summary=false"))["entry"][0]["resource"]
    assert "communication" in resource and not subsetted(resource)


async def test_elements_keep_what_is_mandatory(hospital: Fhir) -> None:
    resource = (await answer(hospital, "Observation?_id=dose&_elements=subject"))["entry"][0]["resource"]
    assert {"status", "code", "subject"} <= set(resource) and "valueQuantity" not in resource


# ---------------------------------------------------------------- forms of the request
async def form(fhir: Fhir, path: str, body: str) -> dict[str, Any]:
    given = await fhir("POST", path, body.encode(), content_type="application/x-www-form-urlencoded")
    assert given.status_code == 200, given.text
    return given.json()


async def test_a_search_by_post(hospital: Fhir) -> None:
    bundle = await form(hospital, "Patient/_search?_count=1", "gender=female,male&_sort=-_id")
    assert ids(bundle) == ["bob"]
    following = link(bundle, "next")
    assert ids((await hospital.http.get(following)).json()) == ["ann"]
    posted = f"gender=female,male&_sort=-_id&_cursor={parse_qs(urlsplit(following).query)['_cursor'][0]}"
    assert ids(await form(hospital, "Patient/_search?_count=1", posted)) == ["ann"]
    assert ids(await form(hospital, "_search", "_type=Patient,Organization&name=acme")) == ["acme"]
    assert ids(await form(hospital, "Patient/ann/Observation/_search", "code=dose")) == ["dose"]


async def test_the_format_of_a_search_by_post_may_stand_in_its_body(hospital: Fhir) -> None:
    form_type = "application/x-www-form-urlencoded"
    answer = await hospital("POST", "Patient/_search", b"_id=ann&_format=xml", content_type=form_type)
    assert answer.headers["content-type"].startswith("application/fhir+xml")
    assert answer.text.startswith("<?xml")


async def test_a_search_by_post_keeps_what_is_sensitive_out_of_no_link(hospital: Fhir) -> None:
    bundle = await form(hospital, "Patient/_search", "name=bob")
    assert link(bundle, "self") == f"{BASE}/Patient?name=bob"


async def test_searches_across_types(hospital: Fhir) -> None:
    assert sorted(ids(await answer(hospital, "?_type=Patient,Practitioner&name=grete"))) == ["doc"]
    assert sorted(ids(await answer(hospital, "?_type=Organization,Location&name=top,ward"))) == ["top", "ward"]
    assert sorted(ids(await answer(hospital, "?_id=ann"))) == ["ann"]
    assert sorted(ids(await answer(hospital, "?_type=Condition,Encounter&patient=bob"))) == ["flu", "stay"]


async def test_a_batch_searches_too(hospital: Fhir) -> None:
    entries = [{"request": {"method": "GET", "url": f"Observation?code={LOINC}|dose&_sort=_id"}}]
    given = await hospital.post("", {"resourceType": "Bundle", "type": "batch", "entry": entries})
    assert ids(given.json()["entry"][0]["resource"]) == ["below", "dose", "dose-in-g"]


# ---------------------------------------------------------------- strict and lenient
async def test_strict_handling_refuses_what_is_not_known(hospital: Fhir) -> None:
    given = await hospital.get("Patient?brithdate=1970&gender=female")
    assert given.status_code == 400
    assert "birthdate" in issue_of(given)["diagnostics"]


async def test_lenient_handling_says_what_was_used_and_what_was_not(hospital: Fhir) -> None:
    given = await hospital.get("Patient?brithdate=1970&gender=female&_sort=oddly", prefer="handling=lenient")
    assert given.status_code == 200
    bundle = given.json()
    assert ids(bundle) == ["ann"]
    assert link(bundle, "self") == f"{BASE}/Patient?gender=female"
    outcomes = [entry["resource"] for entry in bundle["entry"] if entry["search"]["mode"] == "outcome"]
    assert len(outcomes) == 1
    said = " ".join(issue["diagnostics"] for issue in outcomes[0]["issue"])
    assert "brithdate" in said and "oddly" in said


@pytest.mark.parametrize(
    "empty", ["name=", "name", "name:exact=", "_sort=", "_count=", "organization.name=", "_include="]
)
async def test_a_parameter_without_a_value_is_left_out_and_told(hospital: Fhir, empty: str) -> None:
    bundle = await answer(hospital, f"Patient?{empty}&gender=female")
    assert ids(bundle) == ["ann"] and link(bundle, "self") == f"{BASE}/Patient?gender=female"
    [outcome] = [entry["resource"] for entry in bundle["entry"] if entry["search"]["mode"] == "outcome"]
    [issue] = outcome["issue"]
    assert issue["severity"] == "warning" and "no value" in issue["diagnostics"]


async def test_criteria_to_delete_by_need_a_value_for_each_parameter(hospital: Fhir) -> None:
    given = await hospital("DELETE", "Patient?identifier=&gender=female")
    assert given.status_code == 400 and "no value" in issue_of(given)["diagnostics"]
    assert ids(await answer(hospital, "Patient?gender=female")) == ["ann"]


async def test_the_self_link_asks_the_same_again(hospital: Fhir) -> None:
    search = "Observation?code:text=iron&value-quantity=gt5||mg&_include=Observation:subject&_sort=-date&_count=5"
    first = await answer(hospital, search)
    again = (await hospital.http.get(link(first, "self"))).json()
    assert ids(first) == ids(again) == ["dose"]
    assert link(again, "self") == link(first, "self")
