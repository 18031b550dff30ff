"""Extensions: their definitions, where they may stand, and modifiers."""

import pytest

from fhir_server.definitions import load
from profiles.validator import Validator

from .conftest import Known, as_parsed, profile

CORE = "http://hl7.org/fhir/StructureDefinition/"


def issues(resource, *known):
    found = Validator(load(), sources=[Known(*known)]).validate(as_parsed(resource))
    return [(i.expression, i.rule) for i in found if i.severity in ("error", "warning")]


def patient(**elements):
    return {"resourceType": "Patient", "active": True, **elements}


def extension(name, **value):
    return {"url": CORE + name, **value}


def level(*contexts, modifier=False, **more):
    """An extension of integers that may stand in these contexts (type, expression)."""
    made = profile("Extension", ("Extension", {"isModifier": modifier}),
                   ("Extension.value[x]", {"min": 1, "type": [{"code": "integer"}]}), name="level")  # fmt: skip
    return {**made, "context": [{"type": kind, "expression": expression} for kind, expression in contexts], **more}


LEVEL = {"url": "http://example.org/level", "valueInteger": 1}


@pytest.mark.parametrize(
    "resource",
    [
        patient(extension=[extension("patient-birthPlace", valueAddress={"city": "x"})]),
        patient(_birthDate={"extension": [extension("patient-birthTime", valueDateTime="2020-01-01T10:00:00Z")]}),
        patient(name=[{"_family": {"extension": [extension("humanname-own-name", valueString="x")]}}]),
        patient(address=[{"extension": [extension("geolocation", extension=[
            {"url": "latitude", "valueDecimal": 1.5}, {"url": "longitude", "valueDecimal": 2.5}])]}]),
        patient(extension=[{"url": "http://example.org/unknown", "valueString": "x"}]),
    ],
)  # fmt: skip
def test_accepts(resource):
    assert issues(resource) == []


@pytest.mark.parametrize(
    ("resource", "path", "rule"),
    [
        (patient(extension=[extension("patient-birthPlace", valueString="x")]),
         "Patient.extension[0].value", "type-not-allowed"),
        (patient(extension=[extension("patient-birthTime", valueDateTime="2020-01-01T10:00:00Z")]),
         "Patient.extension[0]", "extension-context"),
        (patient(name=[{"extension": [extension("geolocation", extension=[
            {"url": "latitude", "valueDecimal": 1.5}, {"url": "longitude", "valueDecimal": 2.5}])]}]),
         "Patient.name[0].extension[0]", "extension-context"),
        (patient(address=[{"extension": [extension("geolocation", extension=[
            {"url": "latitude", "valueDecimal": 1.5}])]}]),
         "Patient.address[0].extension[0].extension", "slice-min"),
        (patient(address=[{"extension": [extension("geolocation", extension=[
            {"url": "latitude", "valueDecimal": 1.5}, {"url": "longitude", "valueString": "2"}])]}]),
         "Patient.address[0].extension[0].extension[1].value", "type-not-allowed"),
        (patient(address=[{"extension": [extension("geolocation", extension=[
            {"url": "latitude", "valueDecimal": 1.5}, {"url": "longitude", "valueDecimal": 2.5},
            {"url": "height", "valueDecimal": 3}])]}]),
         "Patient.address[0].extension[0].extension[2].url", "extension-part"),
        (patient(extension=[{"url": "level", "valueInteger": 1}]), "Patient.extension[0].url", "extension-url"),
        (patient(extension=[extension("patient-birthPlaces", valueString="x")]),
         "Patient.extension[0]", "extension-unknown"),
        (patient(modifierExtension=[{"url": "http://example.org/m", "valueBoolean": True}]),
         "Patient.modifierExtension[0]", "modifier-unknown"),
    ],
)  # fmt: skip
def test_tells_what_is_wrong(resource, path, rule):
    assert issues(resource) == [(path, rule)]


@pytest.mark.parametrize(
    ("context", "resource", "fits"),
    [
        (("element", "Patient"), patient(extension=[LEVEL]), True),
        (("element", "Resource"), patient(extension=[LEVEL]), True),
        (("element", "Element"), patient(name=[{"extension": [LEVEL]}]), True),
        (("element", "HumanName"), patient(name=[{"extension": [LEVEL]}]), True),
        (("element", "Patient.name"), patient(name=[{"extension": [LEVEL]}]), True),
        (("element", "Patient.contact"), patient(contact=[{"name": {"text": "x"}, "extension": [LEVEL]}]), True),
        (("element", "Patient.contact.name"), patient(contact=[{"name": {"text": "x", "extension": [LEVEL]}}]), True),
        (("element", "Patient.deceased[x]"), patient(_deceasedBoolean={"extension": [LEVEL]}), True),
        (("element", "Observation"), patient(extension=[LEVEL]), False),
        (("element", "Patient"), patient(name=[{"extension": [LEVEL]}]), False),
        (("extension", "http://example.org/outer"),
         patient(extension=[{"url": "http://example.org/outer", "extension": [LEVEL]}]), True),
        (("extension", "http://example.org/outer"),
         patient(extension=[{"url": "http://example.org/outer", "_valueCode": {"extension": [LEVEL]}}]), True),
        (("extension", "http://example.org/outer"),
         patient(extension=[{"url": "http://example.org/other", "_valueCode": {"extension": [LEVEL]}}]), False),
        (("extension", "http://example.org/outer"), patient(extension=[LEVEL]), False),
        (("fhirpath", "Patient.where(active)"), patient(extension=[LEVEL]), True),
        (("fhirpath", "Observation"), patient(extension=[LEVEL]), False),
    ],
)  # fmt: skip
def test_contexts(context, resource, fits):
    found = issues(resource, level(context))
    assert [rule for _, rule in found] == ([] if fits else ["extension-context"])


def test_a_context_of_later_releases_means_resources_with_a_canonical_url():
    definition = level(("element", "CanonicalResource"))
    code_system = {"resourceType": "CodeSystem", "status": "draft", "content": "not-present", "extension": [LEVEL]}
    assert issues(code_system, definition) == []
    assert [rule for _, rule in issues(patient(extension=[LEVEL]), definition)] == ["extension-context"]


def test_an_invariant_of_the_context():
    definition = level(("element", "Patient"), contextInvariant=["active"])
    assert issues(patient(extension=[LEVEL]), definition) == []
    assert issues({**patient(extension=[LEVEL]), "active": False}, definition) == [
        ("Patient.extension[0]", "extension-context")
    ]


@pytest.mark.parametrize(("maximum", "wrong"), [("1", ["Patient.extension[1]"]), ("2", []), ("*", [])])
def test_an_extension_is_on_an_element_as_often_as_its_definition_says(maximum, wrong):
    definition = level(("element", "Element"), ("element", "Patient"))
    definition["differential"]["element"][0]["max"] = maximum
    assert issues(patient(extension=[LEVEL, LEVEL]), definition) == [(path, "extension-max") for path in wrong]
    assert issues(patient(extension=[LEVEL], name=[{"extension": [LEVEL]}, {"extension": [LEVEL]}]), definition) == []


def test_the_parts_of_an_extension_are_counted():
    text = {"url": "text", "valueString": "x"}
    part = {
        "url": "http://hl7.org/fhir/StructureDefinition/patient-nationality",
        "extension": [
            {"url": "code", "valueCodeableConcept": {"text": "x"}},
            {"url": "code", "valueCodeableConcept": {"text": "y"}},
        ],
    }
    assert issues(patient(extension=[part])) == [("Patient.extension[0].extension[1]", "slice-max")]
    part["extension"] = [text]
    assert issues(patient(extension=[part])) == [("Patient.extension[0].extension[0].url", "extension-part")]


def test_an_extension_has_the_parts_of_the_one_that_it_is_derived_from():
    nationality = CORE + "patient-nationality"
    own = profile("Extension", ("Extension.extension", {"sliceName": "code", "min": 1}), name="own", base=nationality)
    code = {"url": "code", "valueCodeableConcept": {"text": "x"}}
    part = {"url": own["url"], "extension": [code]}
    assert "extension-part" not in [rule for _, rule in issues(patient(extension=[part]), own)]
    part["extension"] = [code, {"url": "kode", "valueString": "x"}]
    assert ("Patient.extension[0].extension[1].url", "extension-part") in issues(patient(extension=[part]), own)


def test_a_modifier_belongs_into_modifierExtension():
    assert issues(patient(extension=[LEVEL]), level(modifier=True)) == [("Patient.extension[0]", "extension-modifier")]
    assert issues(patient(modifierExtension=[LEVEL]), level(modifier=True)) == []
    assert issues(patient(modifierExtension=[LEVEL]), level()) == [
        ("Patient.modifierExtension[0]", "extension-modifier")
    ]
