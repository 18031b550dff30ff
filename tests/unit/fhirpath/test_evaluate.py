from __future__ import annotations

import datetime
from decimal import Decimal
from typing import Any

import pytest

from fhir_server.definitions import Definitions
from fhir_server.fhirpath import Environment, FhirPathError, compile_path

Json = dict[str, Any]


def test_results_have_type_value_and_path(definitions: Definitions, patient: Json) -> None:
    results = compile_path("name.given", definitions, "Patient").evaluate(patient)
    assert [(r.type, r.value, r.path) for r in results] == [
        ("string", "Peter", "Patient.name[0].given[0]"),
        ("string", "James", "Patient.name[0].given[1]"),
        ("string", "Jim", "Patient.name[1].given[0]"),
        ("string", None, "Patient.name[1].given[1]"),
    ]
    assert results[3].extension == patient["name"][1]["_given"][1]


def test_computed_results_have_a_system_type_and_no_path(definitions: Definitions, patient: Json) -> None:
    (result,) = compile_path("name.count() + 1", definitions, "Patient").evaluate(patient)
    assert (result.type, result.fhir_type, result.value, result.path) == ("System.Integer", "integer", 3, "")
    (quantity,) = compile_path("4 'mg'", definitions, "Patient").evaluate(patient)
    assert quantity.value == {"value": Decimal(4), "unit": "mg", "system": "http://unitsofmeasure.org", "code": "mg"}
    (moment,) = compile_path("@2014-01", definitions, "Patient").evaluate(patient)
    assert (moment.fhir_type, moment.value) == ("date", "2014-01")


def test_a_path_evaluates_to_the_element_that_it_was_given_for(definitions: Definitions, patient: Json) -> None:
    for result in compile_path("Patient.descendants()", definitions, "Patient").evaluate(patient):
        if "contained[" in result.path:
            continue  # its type is not settled by the path
        (again,) = compile_path(result.path, definitions, "Patient").evaluate(patient)
        assert again == result


def test_data_types_and_backbone_elements_can_be_the_context(definitions: Definitions, patient: Json) -> None:
    name, contact = patient["name"][0], patient["contact"][0]
    assert compile_path("given.first()", definitions, "HumanName").values(name) == [("string", "Peter")]
    assert compile_path("name.family", definitions, "Patient.contact").values(contact) == [("string", "du Marché")]
    assert compile_path("%resource.id", definitions, "Patient.contact").values(contact, patient) == [("id", "1")]
    assert compile_path("length()", definitions, "string").values("abc") == [("integer", 3)]
    assert compile_path("given", definitions, "HumanName").evaluate(name)[1].path == "HumanName.given[1]"


def test_the_environment_gives_variables(definitions: Definitions, patient: Json, observation: Json) -> None:
    variables = {
        "text": "Chalmers",
        "numbers": [1, 2, Decimal("2.5")],
        "weight": observation,
        "limit": ("Quantity", {"value": 100, "code": "[lb_av]", "system": "http://unitsofmeasure.org"}),
        "nothing": None,
    }
    environment = Environment(variables=variables)

    def values(expression: str) -> list[Any]:
        return [
            value for _, value in compile_path(expression, definitions, "Patient").values(patient, None, environment)
        ]

    assert values("name.where(family = %text).use") == ["official"]
    assert values("%numbers.where($this is System.Decimal)") == [Decimal("2.5")]
    assert values("%weight.value > %limit") == [True]
    assert values("%nothing.empty()") == [True]
    with pytest.raises(FhirPathError, match="pair"):
        compile_path("%x", definitions, "Patient").values(patient, None, Environment(variables={"x": {"a": 1}}))


def test_the_clock_is_the_environments_and_stands_still(definitions: Definitions, patient: Json) -> None:
    moment = datetime.datetime(2026, 3, 4, 5, 6, 7, 89000, tzinfo=datetime.timezone(-datetime.timedelta(hours=3)))
    environment = Environment(now=lambda: moment)
    for expression, expected in (
        ("now()", "2026-03-04T05:06:07.089-03:00"),
        ("today()", "2026-03-04"),
        ("timeOfDay()", "05:06:07.089"),
        ("now() = now()", True),
    ):
        assert (
            compile_path(expression, definitions, "Patient").evaluate(patient, None, environment)[0].value == expected
        )


def test_trace_tells_the_environment(definitions: Definitions, patient: Json) -> None:
    seen: list[Any] = []
    environment = Environment(trace=lambda name, items: seen.append((name, list(items))))
    path = compile_path("name.trace('names', use).given.trace('given').count()", definitions, "Patient")
    assert path.evaluate(patient, None, environment)[0].value == 4
    assert seen[0] == ("names", [("code", "official"), ("code", "usual")])
    assert seen[1][1][0] == ("string", "Peter")


def test_resolve_asks_the_resolver_and_strict_mode_believes_it(definitions: Definitions, patient: Json) -> None:
    stored = {"Practitioner/7": {"resourceType": "Practitioner", "id": "7", "gender": "female"}}
    environment = Environment(resolve=stored.get)
    path = compile_path("generalPractitioner.resolve().gender", definitions, "Patient", strict=True)
    assert [r.value for r in path.evaluate(patient, None, environment)] == ["female"]
    lenient = compile_path("generalPractitioner.resolve().ofType(Practitioner)", definitions, "Patient")
    assert [r.value for r in lenient.evaluate(patient)] == [{"resourceType": "Practitioner"}]
    strict = compile_path("generalPractitioner.resolve().ofType(Practitioner)", definitions, "Patient", strict=True)
    assert strict.evaluate(patient) == []


def test_references_resolve_to_entries_of_the_bundle_around(definitions: Definitions, observation: Json) -> None:
    patient = {"resourceType": "Patient", "id": "1", "gender": "other"}
    bundle = {
        "resourceType": "Bundle",
        "entry": [
            {"fullUrl": "https://host/Patient/1", "resource": patient},
            {"fullUrl": "https://host/Observation/w", "resource": observation},
        ],
    }
    path = compile_path("Bundle.entry.resource.ofType(Observation).subject.resolve().gender", definitions, "Bundle")
    assert path.values(bundle) == [("code", "other")]
    inside = compile_path("subject.resolve().gender", definitions, "Observation")
    assert inside.values(observation, None, Environment(container=bundle)) == [("code", "other")]


def test_root_resource_is_the_container(definitions: Definitions) -> None:
    container = {"resourceType": "Patient", "id": "outer"}
    inner = {"resourceType": "Organization", "id": "inner"}
    path = compile_path("%resource.id | %rootResource.id", definitions, "Organization")
    assert [v for _, v in path.values(inner, inner, Environment(container=container))] == ["inner", "outer"]


def test_conforms_to_asks_the_environment_for_profiles(definitions: Definitions, patient: Json) -> None:
    environment = Environment(conforms_to=lambda resource, url: url == "urn:good" if url != "urn:unknown" else None)
    for url, expected in (("urn:good", True), ("urn:bad", False)):
        path = compile_path(f"conformsTo('{url}')", definitions, "Patient")
        assert path.evaluate(patient, None, environment)[0].value is expected
    with pytest.raises(FhirPathError, match="does not know the profile"):
        compile_path("conformsTo('urn:unknown')", definitions, "Patient").evaluate(patient, None, environment)


class _Terminology:
    def member_of(self, value_set: str, system: str, code: str) -> bool | None:
        return None if value_set == "urn:unknown" else (system, code) == ("s", "c")

    def subsumes(self, system: str, code: str, other: str) -> bool | None:
        return other.startswith(code)


def test_terminology_answers_member_of_and_subsumes(definitions: Definitions, observation: Json) -> None:
    environment = Environment(terminology=_Terminology())
    for expression, expected in (
        ("code.memberOf('urn:set')", [True]),
        ("code.coding.memberOf('urn:set')", [True]),
        ("component.code.first().memberOf('urn:set')", [False]),
        ("code.memberOf('urn:unknown')", []),
        ("code.coding.subsumes(code)", [True]),
        ("'c'.subsumes('cd')", [True]),
        ("'c'.subsumedBy('cd')", [False]),
        ("'cd'.subsumedBy('c')", [True]),
    ):
        results = compile_path(expression, definitions, "Observation").evaluate(observation, None, environment)
        assert [r.value for r in results] == expected, expression


def test_modifier_extensions_must_be_among_those_that_are_known(definitions: Definitions, patient: Json) -> None:
    patient["contact"][0]["modifierExtension"] = [{"url": "urn:m", "valueBoolean": True}]
    assert compile_path("checkModifiers('urn:m').exists()", definitions, "Patient").is_true(patient)
    with pytest.raises(FhirPathError, match="urn:m"):
        compile_path("checkModifiers()", definitions, "Patient").evaluate(patient)


def test_slices_are_told_by_the_environment(definitions: Definitions, patient: Json) -> None:
    environment = Environment(in_slice=lambda path, item, url, name: path == "Patient.name" and item["use"] == name)
    path = compile_path("name.slice('urn:profile', 'usual').given", definitions, "Patient")
    assert [r.value for r in path.evaluate(patient, None, environment)] == ["Jim", None]
