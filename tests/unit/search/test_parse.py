"""queries.txt has pairs of a search and the clause it becomes, or ! and the error's category and a part of its text."""

import asyncio
from pathlib import Path

import pytest

from fhir_server.core.errors import FhirError
from fhir_server.search.rewrite import simplify
from tests.unit.search.rendering import read_pairs, render

HERE = Path(__file__).parent


@pytest.mark.parametrize(("search", "expected"), read_pairs(HERE / "queries.txt"))
def test_a_search_becomes_this_clause(parse, fields, search, expected):
    type_name, _, text = search.partition("?")
    try:
        found = render(simplify(parse(type_name or None, text).where, fields))
    except FhirError as refusal:
        found = f"! {refusal.category} {refusal}"
        part = expected.partition("...")
        assert found.startswith(part[0].rstrip()) and part[2].strip() in found, found
        assert refusal.issues[0].location.startswith("http.")
    else:
        assert found == expected


def test_the_self_link_parameters_are_those_that_were_used(parse):
    query = parse("Patient", "nmae=x&gender=male&_count=5000&birthdate=soon&_format=json", lenient=True)
    assert query.used == (("gender", "male"), ("_count", "1000"), ("_format", "json"))
    assert [issue.severity for issue in query.warnings] == ["warning", "warning"]
    assert [issue.location for issue in query.warnings] == ["http.nmae", "http.birthdate"]


def test_count_zero_and_summary_count_ask_for_the_total_alone(parse):
    assert parse("Patient", "_count=0").only_count
    assert parse("Patient", "_summary=count").only_count
    assert not parse("Patient", "_count=1").only_count


def test_result_parameters_are_kept(parse):
    query = parse("Patient", "_count=7&_total=accurate&_summary=text&_cursor=abc&_contained=false&_pretty=true")
    assert (query.count, query.total, query.summary, query.cursor) == (7, "accurate", "text", "abc")


def test_elements_may_be_repeated_and_are_checked(parse):
    assert parse("Patient", "_elements=name,active&_elements=deceased").elements == ("name", "active", "deceased")
    with pytest.raises(FhirError, match="'name'"):
        parse("Patient", "_elements=nam")


@pytest.mark.parametrize("name", ["_count", "_sort", "_total", "_summary", "_cursor"])
def test_what_can_be_said_once_is_refused_twice(parse, name):
    value = {"_count": "1", "_sort": "_id", "_total": "none", "_summary": "true", "_cursor": "x"}[name]
    with pytest.raises(FhirError, match="more than once"):
        parse("Patient", f"{name}={value}&{name}={value}")


def test_sort_keys(parse):
    keys = parse("Observation", "_sort=-date,_lastUpdated,-_id,patient").sort
    assert [(k.fields, k.kind, k.descending) for k in keys] == [
        (("date",), "date", True), ((), "updated", False), ((), "id", True), (("subject",), "reference", False),
    ]  # fmt: skip


def test_sort_by_distance_takes_the_point_of_near(parse):
    (key,) = parse("Location", "_sort=near&near=42.25|-83.5|11|km").sort
    assert (key.kind, key.latitude, key.longitude) == ("near", 42.25, -83.5)


@pytest.mark.parametrize("sort", ["near", "_sort", "-", "position", "name,,_id"])
def test_sorts_that_have_no_sense_are_refused(parse, sort):
    with pytest.raises(FhirError):
        parse("Location", f"_sort={sort}")


def include(parse, type_name, text):
    return [(i.source, i.fields, i.target_types, i.reverse, i.iterate) for i in parse(type_name, text).includes]


def test_includes(parse):
    assert include(
        parse,
        "MedicationRequest",
        "_include=MedicationRequest:subject&_include:iterate=Patient:organization"
        "&_include=MedicationRequest:requester:Practitioner&_revinclude=Provenance:target"
        "&_revinclude:recurse=Provenance:patient",
    ) == [
        ("MedicationRequest", ("subject",), (), False, False),
        ("Patient", ("organization",), (), False, True),
        ("MedicationRequest", ("requester",), ("Practitioner",), False, False),
        ("Provenance", ("target",), (), True, False),
        ("Provenance", ("target",), ("Patient",), True, True),
    ]


def test_include_everything(parse):
    ((source, found, targets, reverse, iterate),) = include(parse, "Encounter", "_include=*")
    assert (source, targets, reverse, iterate) == ("Encounter", (), False, False)
    assert {"subject", "participant", "part-of"} <= set(found)
    assert include(parse, "Encounter", "_include=Encounter:*") == include(parse, "Encounter", "_include=*")


def test_revinclude_everything_names_only_what_can_refer_to_the_type(parse):
    found = {source: names for source, names, *_ in include(parse, "Practitioner", "_revinclude=*")}
    assert "performer" in found["Observation"] and "subject" not in found["Observation"]
    assert "Patient" in found and "Slot" not in found


@pytest.mark.parametrize(
    "text",
    ["_include=Patient", "_include=Patient:", "_include=Patient:name", "_include=Patient:organisation",
     "_include=Observation:subject", "_revinclude=Slot:schedule", "_include=Patient:organization:Patient",
     "_include:twice=Patient:organization", "_include=Pacient:organization",
     "_summary=text&_include=Patient:link"],
)  # fmt: skip
def test_includes_that_have_no_sense_are_refused(parse, text):
    with pytest.raises(FhirError):
        parse("Patient", text)


def test_a_compartment_is_the_references_that_make_it(parse):
    where = parse("Observation", "code=x", compartment=("Patient", "1")).where
    assert render(where) == "(subject,performer -> Patient/1 and code = x)"


def test_a_compartment_of_all_types_has_each_types_references(parse):
    query = parse(None, "_type=Observation,Encounter,Device", compartment=("Device", "1"), lenient=True)
    assert "Device" not in query.types or query.types == ("Observation", "Encounter", "Device")


def test_the_resource_itself_can_be_in_its_compartment(parse):
    where = parse("Encounter", "", compartment=("Encounter", "1")).where
    assert "IdIn(1)" in render(where)


@pytest.mark.parametrize(("type_name", "compartment"), [("Organization", "Patient"), ("Patient", "Organization")])
def test_types_outside_of_a_compartment_are_not_found(parse, type_name, compartment):
    with pytest.raises(FhirError) as refusal:
        parse(type_name, "", compartment=(compartment, "1"))
    assert refusal.value.category == "not-found"


def test_a_search_across_types_speaks_of_each_type_by_its_own_fields(parse):
    query = parse(None, "_type=Observation,Condition&patient=Patient/1&date=2020", lenient=True)
    assert query.types == ("Observation", "Condition")
    assert render(query.where) == "subject -> Patient/1"
    assert "_type=A,B" in query.warnings[0].diagnostics


def test_a_search_of_everything_takes_what_all_types_have(parse, definitions):
    query = parse(None, "_tag=x|y&_lastUpdated=gt2020")
    assert query.types == definitions.resource_types
    assert render(query.where) == "(_tag = x|y and updated gt [2020-01-01, 2021-01-01))"


def test_a_parameter_that_is_being_indexed_says_so(parse, context):
    import dataclasses

    url = context.fields.of("Patient").parameters["name"].parameter.url
    with pytest.raises(FhirError) as refusal:
        parse("Patient", "name=x", context=dataclasses.replace(context, building={url}), lenient=True)
    assert refusal.value.category == "unavailable"


def test_an_unknown_type_is_not_found(parse):
    with pytest.raises(FhirError) as refusal:
        parse("Pacient", "")
    assert refusal.value.status == 404


def test_parsing_needs_no_event_loop(parse):
    with pytest.raises(RuntimeError):
        asyncio.get_running_loop()
    assert parse("Observation", "code:in=http://acme.org/vs").where


def test_lenient_handling_passes_over_a_few_mistakes_not_hundreds(parse):
    assert len(parse("Patient", "&".join(["nmae=x"] * 20), lenient=True).warnings) == 20
    with pytest.raises(FhirError):
        parse("Patient", "&".join(["nmae=x"] * 21), lenient=True)


def test_a_form_may_have_any_number_of_empty_fields(parse, fields):
    names = [name for name in fields.of("Patient").parameters if name != "near"][:30]
    query = parse("Patient", "&".join(["gender=male", *(f"{name}=" for name in names)]), blank=True)
    assert query.used == (("gender", "male"),)
    assert [issue.severity for issue in query.warnings] == ["warning"] * 21
    assert all(name in query.warnings[-1].diagnostics for name in names[20:])


def test_an_empty_format_is_left_to_content_negotiation(parse):
    assert parse("Patient", "_format=&_pretty=").used == (("_format", ""), ("_pretty", ""))


def test_alternatives_that_an_index_looks_for_one_by_one_have_a_limit(parse):
    words = ",".join(f"x{number}" for number in range(1001))
    parse("Patient", f"identifier={words}")
    ids = ",".join(f"x{number}" for number in range(50_001))
    for search in (
        f"identifier={ids}",
        f"name={words}",
        f"name={words[:5000]}&given={words[:5000]}",
        f"subject.name={words}",
    ):
        with pytest.raises(FhirError) as refused:
            parse("Observation" if search.startswith("subject") else "Patient", search)
        assert refused.value.category == "too-costly"


def test_a_filter_of_thousands_of_tests_says_so(parse):
    with pytest.raises(FhirError, match="more than 2000 tests"):
        parse("Patient", "_filter=" + " or ".join(["active eq true"] * 2001))
