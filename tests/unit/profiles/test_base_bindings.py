"""What R4 binds its own elements to, where only a terminology knows the codes."""

import pytest

from fhir_server.definitions import load
from profiles.validator import Validator
from terminology import Terminology

from .conftest import Codes, Known, as_parsed, profile

TERMINOLOGY = Terminology()


def issues(resource, terminology: Terminology | None = TERMINOLOGY):
    found = Validator(load(), terminology=terminology).validate(as_parsed(resource))
    return [(i.expression, i.rule, i.severity) for i in found]


def claim(currency):
    money = {"value": 5, "currency": currency}
    return {"resourceType": "Invoice", "status": "draft", "totalNet": money}


def married(code):
    coding = {"system": "http://terminology.hl7.org/CodeSystem/v3-MaritalStatus", "code": code}
    return {"resourceType": "Patient", "maritalStatus": {"coding": [coding]}}


SPOKEN = "Patient.communication[0].language"


def spoken(coding):
    return {"resourceType": "Patient", "communication": [{"language": {"coding": [coding]}}]}


@pytest.mark.parametrize(
    ("resource", "expected"),
    [
        (claim("EUR"), []),
        (claim("XYZ"), [("Invoice.totalNet.currency", "binding-required", "error")]),
        (married("M"), []),
        (married("X"), [("Patient.maritalStatus", "binding-extensible", "warning")]),
        ({"resourceType": "Patient", "maritalStatus": {"text": "complicated"}}, []),
        ({"resourceType": "Patient", "language": "gsw-CH"}, []),
        ({"resourceType": "Patient", "language": "english speaking"}, [("Patient.language", "binding-max", "error")]),
        (spoken({"system": "urn:ietf:bcp:47", "code": "gsw"}), []),
        (spoken({"system": "urn:ietf:bcp:47", "code": "qqqqqqqqqq"}), [(SPOKEN, "binding-max", "error")]),
        (spoken({"system": "http://example.org/own", "code": "gsw"}), [(SPOKEN, "binding-max", "error")]),
    ],
)
def test_bindings_of_r4(resource, expected):
    assert issues(resource) == expected


ABSENT = {"extension": [{"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "unknown"}]}


@pytest.mark.parametrize(
    ("resource", "paths"),
    [
        ({"resourceType": "Patient", "_gender": ABSENT}, ["Patient.gender"]),
        ({"resourceType": "Patient", "name": [{"_use": ABSENT, "text": "x"}]}, ["Patient.name[0].use"]),
        ({"resourceType": "Patient", "gender": "unknown", "_gender": ABSENT}, []),
        ({"resourceType": "Patient", "_birthDate": ABSENT}, []),
        ({"resourceType": "Patient", "_language": ABSENT}, []),
        (
            {
                "resourceType": "AllergyIntolerance",
                "patient": {"reference": "Patient/1"},
                "clinicalStatus": {
                    "coding": [
                        {
                            "system": "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical",
                            "code": "active",
                        }
                    ]
                },
                "category": ["food", None],
                "_category": [ABSENT, ABSENT],
            },
            ["AllergyIntolerance.category[1]"],
        ),
    ],
)
def test_extensions_do_not_stand_in_for_a_required_code(resource, paths):
    found = [each for each in issues(resource) if each[2] == "error"]
    assert found == [(path, "binding-required", "error") for path in paths]


def test_a_code_of_another_release_stands_beside_one_that_r4_lacks():
    url = "http://hl7.org/fhir/5.0/StructureDefinition/extension-ValueSet.compose.include.filter.op"
    twin = {"extension": [{"url": url, "valueCode": "child-of"}]}
    filtered = [{"property": "concept", "_op": twin, "value": "x"}]
    include = {"system": "http://hospital.test/codes", "filter": filtered}
    resource = {"resourceType": "ValueSet", "status": "draft", "compose": {"include": [include]}}
    assert ("ValueSet.compose.include[0].filter[0].op", "binding-required", "warning") in issues(resource)


def test_in_an_entry_of_a_bundle():
    entry = {"fullUrl": "http://example.org/1", "resource": claim("XYZ")}
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [entry]}
    assert issues(bundle) == [("Bundle.entry[0].resource.totalNet.currency", "binding-required", "error")]


@pytest.mark.parametrize(
    ("code", "expected"), [("alone", []), ("M", ["binding-required"]), ("X", ["binding-required"])]
)
def test_a_profiles_binding_stands_in_place_of_the_extensible_one(code, expected):
    binding = {"binding": {"strength": "required", "valueSet": "http://example.org/states"}}
    states = profile("Patient", ("Patient.maritalStatus", binding))
    codes = Codes(states={("http://terminology.hl7.org/CodeSystem/v3-MaritalStatus", "alone")})
    codes.value_sets["http://hl7.org/fhir/ValueSet/marital-status"] = set()
    found = Validator(load(), sources=[Known(states)], terminology=codes).validate(
        as_parsed(married(code)), [states["url"]]
    )
    assert [i.rule for i in found] == expected


def test_nothing_is_said_without_a_terminology():
    assert issues(claim("XYZ"), terminology=None) == []


ACTIVE = "http://terminology.hl7.org/CodeSystem/condition-clinical"


@pytest.mark.parametrize(
    ("system", "code", "expected"),
    [
        (ACTIVE, "active", []),
        (ACTIVE, "activ", [("Basic.code.coding[0]", "code-unknown", "warning")]),
        ("http://hospital.test/codes", "activ", []),
        ("http://snomed.info/sct", "1", []),
    ],
)
def test_a_code_that_its_code_system_does_not_have_is_told(system, code, expected):
    assert issues({"resourceType": "Basic", "code": {"coding": [{"system": system, "code": code}]}}) == expected


def test_a_unit_that_is_none_is_told_with_the_nearest():
    quantity = {"value": 1, "system": "http://unitsofmeasure.org", "code": "mmHg"}
    observation = {"resourceType": "Observation", "status": "final", "code": {"text": "x"}, "valueQuantity": quantity}
    found = Validator(load(), terminology=TERMINOLOGY).validate(as_parsed(observation))
    assert [(i.expression, i.rule, i.severity) for i in found] == [("Observation.value", "code-unknown", "warning")]
    assert "mm[Hg]" in found[0].diagnostics
