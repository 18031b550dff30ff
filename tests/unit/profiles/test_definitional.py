"""Profiles, search parameters, code systems and value sets that can't mean what they say."""

from typing import Any

import pytest

from fhir_server.definitions import load
from profiles.validator import Validator
from terminology import Terminology

from .conftest import Known, as_parsed

VALIDATOR = Validator(load(), terminology=Terminology())
GENDER = "http://hl7.org/fhir/administrative-gender"


def issues(resource):
    found = VALIDATOR.validate(as_parsed(resource))
    return [(i.expression, i.rule, i.severity) for i in found]


def patient(*elements, base="http://hl7.org/fhir/StructureDefinition/Patient"):
    return {
        "resourceType": "StructureDefinition", "url": "http://example.org/p", "name": "P", "status": "draft",
        "kind": "resource", "abstract": False, "type": "Patient", "derivation": "constraint", "baseDefinition": base,
        "differential": {"element": [{"id": path, "path": path, **said} for path, said in elements]},
    }  # fmt: skip


def model(type, **more):
    return {
        "resourceType": "StructureDefinition", "url": "http://example.org/Model", "name": "Model", "status": "draft",
        "kind": "logical", "abstract": False, "type": type, "derivation": "specialization",
        "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Element",
        "differential": {"element": [{"id": "Model", "path": "Model", "definition": "A model"}]}, **more,
    }  # fmt: skip


def typed(code, profile):
    profile = "http://hl7.org/fhir/StructureDefinition/" + profile
    return patient(("Patient", {}), ("Patient.extension", {"type": [{"code": code, "profile": [profile]}]}))


def constrained(expression):
    return ("Patient", {"constraint": [{"key": "x-1", "severity": "error", "human": "x", "expression": expression}]})


def parameter(expression, **more):
    return {
        "resourceType": "SearchParameter", "url": "http://example.org/p", "name": "P", "status": "draft",
        "description": "x", "code": "p", "base": ["Patient"], "type": "string", "expression": expression, **more,
    }  # fmt: skip


def derived(origin="http://hl7.org/fhir/SearchParameter/individual-family", **more):
    return parameter("Patient.name.family", derivedFrom=origin, **more)


def capabilities(type, code, kind, definition):
    searched = {"name": code, "type": kind, "definition": f"http://hl7.org/fhir/SearchParameter/{definition}"}
    return {
        "resourceType": "CapabilityStatement", "status": "draft", "date": "2026-01-01", "kind": "requirements",
        "fhirVersion": "4.0.1", "format": ["json"], "description": "x",
        "rest": [{"mode": "server", "resource": [{"type": type, "searchParam": [searched]}]}],
    }  # fmt: skip


def composite(*expressions):
    parts = [{"definition": "http://example.org/part", "expression": each} for each in expressions]
    resource = {**parameter("Observation"), "base": ["Observation"], "type": "composite"}
    return {**resource, "component": parts} if parts else resource


def code_system(*concepts: dict[str, Any], **more):
    return {
        "resourceType": "CodeSystem", "url": "http://example.org/c", "name": "C", "status": "draft",
        "content": "complete", "property": [{"code": "weight", "type": "integer"}], **more,
        **({"concept": concepts} if concepts else {}),
    }  # fmt: skip


SUPPLEMENT = {"content": "supplement", "supplements": GENDER}


def value_set(**include):
    return {
        "resourceType": "ValueSet", "url": "http://example.org/v", "name": "V", "status": "draft",
        "compose": {"include": [include]},
    }  # fmt: skip


def filtered(property, operator, value):
    return value_set(system=GENDER, filter=[{"property": property, "op": operator, "value": value}])


def concept_map(source, target, system=GENDER):
    sets = {f"{side}Canonical": "http://hl7.org/fhir/ValueSet/administrative-gender" for side in ("source", "target")}
    element = {"code": source, "target": [{"code": target, "equivalence": "equal"}]}
    group = {"source": system, "target": system, "element": [element]}
    return {"resourceType": "ConceptMap", "url": "http://example.org/m", "status": "draft", "group": [group], **sets}


@pytest.mark.parametrize(
    "resource",
    [
        patient(("Patient", {}), ("Patient.name", {"min": 1}), ("Patient.gender", {"min": 1})),
        patient(constrained("name.exists() or active")),
        typed("Extension", "patient-birthPlace"),
        parameter("Patient.name.family | Patient.name.given"),
        parameter("name | address", base=["Patient", "Practitioner"]),
        parameter("(Patient.name | Practitioner.name).family", base=["Patient", "Practitioner"]),
        derived(),
        derived("http://example.org/unknown", type="token"),
        capabilities("Patient", "family", "string", "individual-family"),
        capabilities("Patient", "_id", "token", "Resource-id"),
        composite("code", "value"),
        code_system({"code": "male", "property": [{"code": "weight", "valueInteger": 5}]}, **SUPPLEMENT),
        code_system({"code": "a", "property": [{"code": "weight", "valueInteger": 5}]}, count=1),
        code_system({"code": "a", "concept": [{"code": "b"}]}, count=2),
        value_set(system=GENDER, concept=[{"code": "male", "display": "A man"}]),
        concept_map("male", "male"),
        concept_map("x", "x", "http://hospital.test/codes")
        | {"sourceCanonical": "http://example.org/unknown", "targetCanonical": "http://example.org/unknown"},
        filtered("concept", "is-a", "male"),
        filtered("notSelectable", "=", "false"),
        value_set(system="http://hospital.test/codes", concept=[{"code": "x"}]),
    ],
)
def test_right(resource):
    assert issues(resource) == []


@pytest.mark.parametrize(
    ("resource", "issue"),
    [
        (
            patient(constrained("name.exists(")),
            ("StructureDefinition.differential.element[0].constraint[0].expression", "fhirpath", "error"),
        ),
        (
            patient(constrained("name.exits()")),
            ("StructureDefinition.differential.element[0].constraint[0].expression", "fhirpath", "warning"),
        ),
        (
            patient(("Patient", {}), ("Patient.nickname", {"min": 1})),
            ("StructureDefinition.differential", "profile-differential", "error"),
        ),
        (
            patient(("Patient", {}), ("Patient.gender", {"max": "2"})),
            ("StructureDefinition.differential", "profile-differential", "error"),
        ),
        (
            patient(("Patient", {}), base="http://hl7.org/fhir/StructureDefinition/Device"),
            ("StructureDefinition.type", "structure-type", "error"),
        ),
        (
            typed("Extension", "SimpleQuantity"),
            ("StructureDefinition.differential.element[1].type[0].profile[0]", "type-profile", "error"),
        ),
        (
            patient(("Patient", {}), base="http://example.org/nowhere"),
            ("StructureDefinition.baseDefinition", "profile-base", "warning"),
        ),
        (
            patient(("Patient", {}), ("Patient.name", {"max": "x"})),
            ("StructureDefinition.differential.element[1].max", "eld-3", "error"),
        ),
        (code_system({"code": "a"}, content="not-present"), ("CodeSystem.content", "code-system-content", "error")),
        ({**value_set(system=GENDER), "url": "ValueSet/v"}, ("ValueSet.url", "canonical-url", "error")),
        (composite(), ("SearchParameter.component", "composite-components", "error")),
        (composite("code"), ("SearchParameter.component", "composite-components", "error")),
        (composite("code", "value("), ("SearchParameter.component[1].expression", "fhirpath", "error")),
        (code_system({"code": "man"}, **SUPPLEMENT), ("CodeSystem.concept[0].code", "supplement-code", "error")),
        (code_system(content="supplement"), ("CodeSystem.supplements", "supplement", "error")),
        (code_system(supplements=GENDER), ("CodeSystem.content", "supplement", "error")),
        (parameter("Patient.name.("), ("SearchParameter.expression", "fhirpath", "error")),
        (parameter("Patient.nickname"), ("SearchParameter.expression", "fhirpath", "warning")),
        (parameter("Patient.extension('x'"), ("SearchParameter.expression", "fhirpath", "error")),
        (parameter("Organization.name"), ("SearchParameter.base[0]", "search-parameter-base", "error")),
        (derived(type="token"), ("SearchParameter.type", "search-parameter-type", "error")),
        (
            parameter("Device.deviceName", base=["Device"], derivedFrom=derived()["derivedFrom"]),
            ("SearchParameter.base[0]", "search-parameter-base", "error"),
        ),
        (
            capabilities("Patient", "family", "token", "individual-family"),
            ("CapabilityStatement.rest[0].resource[0].searchParam[0].type", "search-parameter-type", "error"),
        ),
        (
            capabilities("Device", "family", "string", "individual-family"),
            ("CapabilityStatement.rest[0].resource[0].searchParam[0].definition", "search-parameter-base", "error"),
        ),
        (
            code_system({"code": "a", "concept": [{"code": "b", "property": [{"code": "size", "valueInteger": 5}]}]}),
            ("CodeSystem.concept[0].concept[0].property[0].code", "property-undeclared", "error"),
        ),
        (
            code_system({"code": "a", "property": [{"code": "weight", "valueString": "5"}]}),
            ("CodeSystem.concept[0].property[0].value", "property-type", "error"),
        ),
        (code_system({"code": "a"}, count=5), ("CodeSystem.count", "concept-count", "warning")),
        (
            value_set(system="http://hl7.org/fhir/ValueSet/administrative-gender"),
            ("ValueSet.compose.include[0].system", "system", "error"),
        ),
        (value_set(system="genders"), ("ValueSet.compose.include[0].system", "system", "error")),
        (value_set(system="#contained"), ("ValueSet.compose.include[0].system", "system", "warning")),
        (concept_map("man", "male"), ("ConceptMap.group[0].element[0].code", "concept-map-code", "error")),
        (concept_map("male", "man"), ("ConceptMap.group[0].element[0].target[0].code", "concept-map-code", "warning")),
        (filtered("colour", "=", "red"), ("ValueSet.compose.include[0].filter[0]", "filter", "error")),
        (filtered("notSelectable", "=", "1"), ("ValueSet.compose.include[0].filter[0]", "filter", "error")),
        (filtered("display", "exists", "yes"), ("ValueSet.compose.include[0].filter[0]", "filter", "error")),
        (
            filtered("concept", "is-a", "man"),
            ("ValueSet.compose.include[0].filter[0].value", "code-unknown", "warning"),
        ),
        (
            value_set(system=GENDER, concept=[{"code": "male"}, {"code": "man"}]),
            ("ValueSet.compose.include[0].concept[1].code", "code-unknown", "warning"),
        ),
    ],
)
def test_wrong(resource, issue):
    assert issues(resource) == [issue]


def test_a_supplement_uses_the_properties_of_its_code_system():
    base = {**code_system({"code": "a"}), "url": "http://example.org/base"}
    resource = code_system({"code": "a", "property": [{"code": "weight", "valueInteger": 5}]}, content="supplement")
    resource = {**resource, "supplements": base["url"], "property": [{"code": "size", "type": "integer"}]}
    validator = Validator(load(), sources=[Known(base)])
    assert validator.validate(as_parsed(resource)) == []
    assert [each.rule for each in VALIDATOR.validate(as_parsed(resource))] == ["property-undeclared"]


@pytest.mark.parametrize(
    ("resource", "right"),
    [
        (model("http://example.org/Model"), True),
        (model("Model"), False),
        (model("http://example.org/Model", baseDefinition="http://example.org/Model"), False),
        (model("http://example.org/Model", baseDefinition="http://example.org/Model", derivation="constraint"), True),
    ],
)
def test_a_logical_model_is_a_type_of_its_own(resource, right):
    validator = Validator(load(), sources=[Known(model("http://example.org/Model"))])
    assert ("structure-type" in [each.rule for each in validator.validate(as_parsed(resource))]) is not right


def test_a_filter_of_a_code_system_is_used_with_its_operators():
    system = code_system({"code": "a"}, filter=[{"code": "f", "operator": ["in"], "value": "x"}])
    terminology = Terminology()
    terminology.put(as_parsed(system))
    validator = Validator(load(), terminology=terminology)
    for operator, rules in (("in", []), ("=", ["filter"])):
        include = {"system": system["url"], "filter": [{"property": "f", "op": operator, "value": "a"}]}
        assert [each.rule for each in validator.validate(as_parsed(value_set(**include)))] == rules
