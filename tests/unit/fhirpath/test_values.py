from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from fhir_server.definitions import Definitions
from fhir_server.fhirpath import Environment, FhirPathError, compile_path

Json = dict[str, Any]


def values(expression: str, definitions: Definitions, item: Json, **options: Any) -> list[tuple[str, Any]]:
    return compile_path(expression, definitions, item.get("resourceType", ""), **options).values(item)


def test_values_carry_their_fhir_type(definitions: Definitions, patient: Json, observation: Json) -> None:
    assert values("Patient.name.given", definitions, patient) == [("string", n) for n in ("Peter", "James", "Jim")]
    assert values("Patient.birthDate", definitions, patient) == [("date", "1974-12-25")]
    assert values("Patient.name.period", definitions, patient) == []
    assert values("Observation.component", definitions, observation)[1][0] == "Observation.component"
    assert values("Patient.contained", definitions, patient)[0][0] == "Organization"
    assert values("Patient.deceased.exists() and Patient.deceased != false", definitions, patient) == [
        ("boolean", False)
    ]


def test_a_choice_is_read_by_its_type(definitions: Definitions, observation: Json) -> None:
    quantity = observation["valueQuantity"]
    for expression in (
        "Observation.value",
        "(Observation.value as Quantity)",
        "Observation.value.as(Quantity)",
        "Observation.value.ofType(Quantity)",
    ):
        assert values(expression, definitions, observation) == [("Quantity", quantity)]
    assert values("(Observation.value as string)", definitions, observation) == []
    assert values("(Observation.component.value as string)", definitions, observation) == [("string", "high")]
    assert values("Observation.value.value", definitions, observation) == [("decimal", Decimal("185.0"))]


def test_as_filters_several_items_unless_strict(definitions: Definitions, observation: Json) -> None:
    expression = "(Observation.component.value as string)"
    assert len(values(expression, definitions, observation)) == 1
    with pytest.raises(FhirPathError, match="single item"):
        compile_path(expression, definitions, "Observation", strict=True).values(observation)


def test_an_unqualified_system_type_means_the_fhir_primitive_unless_strict(definitions: Definitions) -> None:
    answer = {"resourceType": "Observation", "valueBoolean": True}
    assert compile_path("value is Boolean", definitions, "Observation").is_true(answer)
    assert not compile_path("value is Boolean", definitions, "Observation", strict=True).is_true(answer)


def test_where_resolve_is_goes_by_the_references_text(definitions: Definitions) -> None:
    path = compile_path("Observation.subject.where(resolve() is Patient)", definitions, "Observation")
    for reference, matches in (
        ({"reference": "Patient/1"}, True),
        ({"reference": "Patient/1/_history/2"}, True),
        ({"reference": "https://host/fhir/Patient/1"}, True),
        ({"reference": "Patient?identifier=x"}, True),
        ({"reference": "urn:uuid:c757873d-ec9a-4326-a141-556f43239520", "type": "Patient"}, True),
        ({"identifier": {"value": "x"}, "type": "Patient"}, True),
        ({"reference": "#p"}, True),
        ({"reference": "#g"}, False),
        ({"reference": "#missing"}, False),
        ({"reference": "Group/1"}, False),
        ({"reference": "urn:uuid:c757873d-ec9a-4326-a141-556f43239520"}, False),
        ({"display": "somebody"}, False),
    ):
        observation = {
            "resourceType": "Observation",
            "contained": [{"resourceType": "Patient", "id": "p"}, {"resourceType": "Group", "id": "g"}],
            "subject": reference,
        }
        assert path.values(observation) == ([("Reference", reference)] if matches else []), reference


def test_a_resolver_tells_the_type_where_the_text_does_not(definitions: Definitions) -> None:
    path = compile_path("Observation.subject.where(resolve() is Patient)", definitions, "Observation")
    observation = {"resourceType": "Observation", "subject": {"reference": "urn:oid:1.2.3"}}
    environment = Environment(resolve=lambda reference: {"resourceType": "Patient", "id": reference})
    assert path.values(observation) == []
    assert len(path.values(observation, None, environment)) == 1


def test_elements_with_extensions_only_have_no_value_but_exist(definitions: Definitions) -> None:
    patient = {"resourceType": "Patient", "_birthDate": {"extension": [{"url": "urn:x", "valueCode": "unknown"}]}}
    assert values("Patient.birthDate", definitions, patient) == []
    assert compile_path("birthDate.exists()", definitions, "Patient").is_true(patient)
    assert compile_path("birthDate.hasValue().not()", definitions, "Patient").is_true(patient)
    assert values("Patient.birthDate.extension('urn:x').value", definitions, patient) == [("code", "unknown")]


def test_null_entries_of_primitive_arrays_count_as_elements(definitions: Definitions, patient: Json) -> None:
    path = compile_path("name.given.all($this.matches('[A-Z]'))", definitions, "Patient")
    assert not path.is_true(patient)  # the one without value is not known to match
    assert values("name.given.count()", definitions, patient) == [("integer", 4)]


def test_a_union_yields_each_value_once(definitions: Definitions, patient: Json) -> None:
    assert [v for _, v in values("Patient.name.given | Patient.name.given", definitions, patient)] == [
        "Peter",
        "James",
        "Jim",
    ]


def test_the_choice_of_several_elements_keeps_equal_values(definitions: Definitions) -> None:
    component = {"code": {"text": "a"}, "valueString": "x"}
    observation = {"resourceType": "Observation", "component": [component, component]}
    assert len(values("Observation.component.value", definitions, observation)) == 2


def test_a_path_without_context_type_goes_by_the_resource(definitions: Definitions, patient: Json) -> None:
    path = compile_path("name.family", definitions)
    assert path.values(patient) == [("string", "Chalmers")]
    assert path.values({"resourceType": "Organization", "name": "x"}) == []
    assert compile_path("Patient.id | Observation.id", definitions).values(patient) == [("id", "1")]
    with pytest.raises(FhirPathError, match="no resource"):
        path.values({"family": "x"})


def test_json_of_a_wrong_shape_is_an_error_that_says_where(definitions: Definitions) -> None:
    path = compile_path("Patient.name.given", definitions, "Patient")
    for name in ({"family": "x"}, ["x"], 1):
        with pytest.raises(FhirPathError, match=r"Patient\.name should be an array of HumanName"):
            path.values({"resourceType": "Patient", "name": name})


def test_unknown_context_types_are_refused(definitions: Definitions) -> None:
    with pytest.raises(FhirPathError, match="no type of R4"):
        compile_path("a", definitions, "Nothing")


def test_paths_are_kept(definitions: Definitions) -> None:
    path = compile_path("Patient.name", definitions, "Patient")
    assert compile_path("Patient.name", definitions, "Patient") is path
    assert compile_path("Patient.name", definitions, "Patient", strict=True) is not path


@pytest.mark.parametrize(
    ("expression", "found"),
    [
        ("-2147483648", [-(2**31)]),
        ("-2147483647 - 1", [-(2**31)]),
        ("-2147483648 - 1", []),
        ("(-2147483648).abs()", []),
        ("2147483647 + 1", []),
        ("'-2147483648'.toInteger() + 1", [1 - 2**31]),
    ],
)
def test_an_integer_has_32_bits(definitions: Definitions, patient: Json, expression: str, found: list[int]) -> None:
    assert [value for _, value in values(expression, definitions, patient)] == found


@pytest.mark.parametrize("expression", ["2147483648", "1 - 2147483648", "-2147483649"])
def test_a_number_that_is_no_integer_is_said_to_be_none(
    definitions: Definitions, patient: Json, expression: str
) -> None:
    with pytest.raises(FhirPathError, match="too large for an Integer"):
        values(expression, definitions, patient)
