from __future__ import annotations

from typing import Any

from fhir_server.definitions import Definitions
from fhir_server.fhirpath import Environment, compile_path


def violated(key: str, definitions: Definitions, context: str, item: Any, root: Any = None, **options: Any) -> bool:
    definition = definitions.types[context]
    (invariant,) = {i for i in definition.invariants if i.key == key}
    return compile_path(invariant.expression, definitions, context).is_violated(item, root, Environment(**options))


def test_a_contact_needs_something_to_reach_it_by(definitions: Definitions) -> None:
    assert not violated("pat-1", definitions, "Patient.contact", {"name": {"family": "x"}})
    assert violated("pat-1", definitions, "Patient.contact", {"gender": "male"})


def test_an_element_has_a_value_or_children(definitions: Definitions) -> None:
    assert not violated("ele-1", definitions, "HumanName", {"family": "x"})
    assert violated("ele-1", definitions, "HumanName", {"id": "x"})
    assert not violated("ele-1", definitions, "HumanName", {"_family": {"extension": []}})
    assert not violated("ele-1", definitions, "string", "x")


def test_an_extension_has_a_value_or_extensions(definitions: Definitions) -> None:
    assert not violated("ext-1", definitions, "Extension", {"url": "u", "valueBoolean": False})
    assert not violated("ext-1", definitions, "Extension", {"url": "u", "extension": [{"url": "v", "valueCode": "c"}]})
    assert violated("ext-1", definitions, "Extension", {"url": "u"})


def test_a_period_ends_after_it_starts_where_that_is_known(definitions: Definitions) -> None:
    assert not violated("per-1", definitions, "Period", {"start": "2020-01-01", "end": "2020-01-02"})
    assert violated("per-1", definitions, "Period", {"start": "2020-01-03", "end": "2020-01-02"})
    assert not violated("per-1", definitions, "Period", {"start": "2020", "end": "2020-01-02"})
    assert violated("per-1", definitions, "Period", {"start": "2021", "end": "2020-01-02"})
    assert not violated(
        "per-1", definitions, "Period", {"start": "2020-01-01T01:00:00+02:00", "end": "2019-12-31T23:30:00Z"}
    )


def test_a_range_goes_from_low_to_high_in_any_unit(definitions: Definitions) -> None:
    def quantity(value: int, code: str) -> dict[str, Any]:
        return {"value": value, "code": code, "system": "http://unitsofmeasure.org"}

    assert not violated("rng-2", definitions, "Range", {"low": quantity(1, "g"), "high": quantity(2000, "mg")})
    assert violated("rng-2", definitions, "Range", {"low": quantity(3, "g"), "high": quantity(2000, "mg")})


def test_a_local_reference_names_a_contained_resource(definitions: Definitions) -> None:
    container = {"resourceType": "Patient", "contained": [{"resourceType": "Organization", "id": "o"}]}
    assert not violated("ref-1", definitions, "Reference", {"reference": "#o"}, container)
    assert violated("ref-1", definitions, "Reference", {"reference": "#p"}, container)
    assert not violated("ref-1", definitions, "Reference", {"display": "no reference at all"}, container)
    inner = container["contained"][0]
    assert not violated("ref-1", definitions, "Reference", {"reference": "#o"}, inner, container=container)


def test_contained_resources_are_referred_to(definitions: Definitions) -> None:
    patient: dict[str, Any] = {"resourceType": "Patient", "contained": [{"resourceType": "Organization", "id": "o"}]}
    assert violated("dom-3", definitions, "Patient", patient)
    patient["managingOrganization"] = {"reference": "#o"}
    assert not violated("dom-3", definitions, "Patient", patient)


def test_components_do_not_repeat_the_code(definitions: Definitions, observation: dict[str, Any]) -> None:
    assert not violated("obs-7", definitions, "Observation", observation)
    observation["component"][0]["code"] = observation["code"]
    assert violated("obs-7", definitions, "Observation", observation)


def test_what_is_not_known_violates_nothing_and_is_not_true(definitions: Definitions) -> None:
    path = compile_path("fullUrl.contains('/_history/').not()", definitions, "Bundle.entry")
    assert not path.is_violated({})
    assert not path.is_true({})
    assert path.is_true({"fullUrl": "urn:x"})
    assert path.is_violated({"fullUrl": "a/_history/1"})


def test_elements_that_r4_does_not_have_are_empty_with_a_warning(definitions: Definitions) -> None:
    path = compile_path("name.matches('[A-Z]')", definitions, "ChargeItemDefinition")
    assert "no element `name`" in path.warnings[0]
    assert not path.is_violated({"resourceType": "ChargeItemDefinition"})
