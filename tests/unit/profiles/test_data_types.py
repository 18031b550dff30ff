"""What is said in words of identifiers, codes, attachments and URIs, and of vital signs by their codes."""

from typing import Any

import pytest

from fhir_server.definitions import load
from profiles.packages import PackageStore
from profiles.sources import StoredProfiles
from profiles.validator import Validator
from terminology import Terminology

from .conftest import Known, as_parsed, package, profile

VALIDATOR = Validator(load(), terminology=Terminology())
GENDER = "http://terminology.hl7.org/CodeSystem/v3-MaritalStatus"
CATEGORY = {"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "vital-signs"}
LOINC = "http://loinc.org"
NAMES = "http://hl7.org/fhir/StructureDefinition/"
VALUE_SETS = "http://hl7.org/fhir/ValueSet/"


def patient(**elements):
    return {"resourceType": "Patient", **elements}


def married(**coding):
    return patient(maritalStatus={"coding": [{"system": GENDER, "code": "M", **coding}]})


def named(questionnaire, *contained):
    response = {"resourceType": "QuestionnaireResponse", "status": "in-progress", "questionnaire": questionnaire}
    return {**response, "contained": list(contained)} if contained else response


def collected(value_set):
    compose = {"include": [{"valueSet": [value_set]}]}
    return {"resourceType": "ValueSet", "status": "draft", "compose": compose}


def identified(**identifier):
    return patient(identifier=[identifier])


def pictured(**photo):
    return patient(photo=[{"contentType": "image/png", "data": "aGk=", **photo}])


def sampled(**values):
    origin = {"origin": {"value": 0}, "period": 10, "dimensions": 2, **values}
    return {"resourceType": "Observation", "status": "final", "code": {"text": "x"}, "valueSampledData": origin}


def tagged(system):
    return patient(meta={"tag": [{"system": system, "code": "M"}]})


TAGGED = ("Patient.meta.tag[0].system", "system", "error")


def begun(age):
    status = {"system": "http://terminology.hl7.org/CodeSystem/condition-clinical", "code": "active"}
    return {
        "resourceType": "Condition",
        "clinicalStatus": {"coding": [status]},
        "subject": {"reference": "Patient/1"},
        "onsetAge": age,
    }


def issues(resource, validator=VALIDATOR):
    found = [(i.expression, i.rule, i.severity) for i in validator.validate(as_parsed(resource))]
    return [issue for issue in found if issue[1] not in ("profile-unknown", "questionnaire-unknown")]


@pytest.mark.parametrize(
    "resource",
    [
        married(display="Married"),
        married(display="married "),
        married(),
        patient(meta={"tag": [{"system": "http://hospital.test/codes", "code": "M", "display": "Wed"}]}),
        patient(address=[{"country": "US"}]),
        identified(system="urn:oid:2.16.840.1.113883.4.1", value="1"),
        identified(system="urn:uuid:C757873D-EC9A-4326-A141-556F43239520", value="1"),
        identified(system="urn:ietf:rfc:3986", value="urn:oid:1.2.3"),
        identified(value="1"),
        begun({"value": 3, "system": "http://unitsofmeasure.org", "code": "wk"}),
        pictured(size=2),
        sampled(data="1 -2.5 E U 1e3 L"),
        sampled(),
        patient(link=[{"other": {"reference": "urn:uuid:c757873d-ec9a-4326-a141-556f43239520"}, "type": "seealso"}]),
        {
            "resourceType": "CarePlan",
            "status": "draft",
            "intent": "plan",
            "subject": {"reference": "Patient/1"},
            "instantiatesCanonical": ["urn:oid:1.2.3|2.0"],
        },
        pictured(),
        named("http://hospital.test/Questionnaire/unknown"),
        patient(meta={"profile": [NAMES + "Patient|4.0.1"]}),
        collected(VALUE_SETS + "marital-status|4.0.1"),
    ],
)
def test_right(resource):
    assert issues(resource) == []


def test_a_canonical_to_what_is_stored_or_in_a_package_is_of_its_type():
    stored, packages = StoredProfiles(), PackageStore()
    stored.put("Measure", "m", b'{"resourceType": "Measure", "url": "http://hospital.test/m", "status": "active"}')
    packages.install(package("hl7.fhir.us.core-6.1.0"))
    knowing = Validator(load(), sources=[packages, stored])
    for url in ("http://hospital.test/m", "http://hl7.org/fhir/us/core/CapabilityStatement/us-core-server|6.1.0"):
        told = ("QuestionnaireResponse.questionnaire", "canonical-target", "error")
        assert told in issues(named(url), knowing) and told not in issues(named(url))


@pytest.mark.parametrize(
    ("resource", "issue"),
    [
        (married(display="Divorced"), ("Patient.maritalStatus.coding[0].display", "display", "warning")),
        (
            patient(meta={"tag": [{"system": "tags", "code": "x"}]}),
            ("Patient.meta.tag[0].system", "system", "error"),
        ),
        (identified(system="MRN", value="1"), ("Patient.identifier[0].system", "system", "error")),
        (identified(system="urn:oid:1.2.03", value="1"), ("Patient.identifier[0].system", "uri", "error")),
        (identified(system="urn:uuid:123", value="1"), ("Patient.identifier[0].system", "uri", "error")),
        (
            identified(system="urn:ietf:rfc:3986", value="1.2.3"),
            ("Patient.identifier[0].value", "identifier-uri", "warning"),
        ),
        (
            begun({"value": 3, "system": "http://unitsofmeasure.org", "code": "cm"}),
            ("Condition.onset.code", "age-1", "error"),
        ),
        (sampled(data="1 2 3"), ("Observation.value.data", "sampled-data", "error")),
        (sampled(data="1  2"), ("Observation.value.data", "sampled-data", "error")),
        (sampled(data="1 X"), ("Observation.value.data", "sampled-data", "error")),
        (
            patient(generalPractitioner=[{"reference": "urn:uuid:xyz"}]),
            ("Patient.generalPractitioner[0].reference", "uri", "error"),
        ),
        (pictured(size=5), ("Patient.photo[0].size", "attachment-size", "error")),
        (tagged(VALUE_SETS + "marital-status"), TAGGED),
        (named(VALUE_SETS + "marital-status"), ("QuestionnaireResponse.questionnaire", "canonical-target", "error")),
        (named("#p", patient(id="p")), ("QuestionnaireResponse.questionnaire", "canonical-target", "error")),
        (named("Library/l"), ("QuestionnaireResponse.questionnaire", "canonical-target", "error")),
        (named("Questionnaire/q"), ("QuestionnaireResponse.questionnaire", "canonical", "warning")),
        (
            patient(meta={"profile": ["http://hl7.org/fhir/SearchParameter/clinical-code"]}),
            ("Patient.meta.profile[0]", "canonical-target", "error"),
        ),
        (collected(NAMES + "Patient"), ("ValueSet.compose.include[0].valueSet[0]", "canonical-target", "error")),
        (collected(GENDER), ("ValueSet.compose.include[0].valueSet[0]", "canonical-target", "error")),
        (
            {"resourceType": "Parameters", "parameter": [{"name": "x", "resource": identified(system="MRN")}]},
            ("Parameters.parameter[0].resource.identifier[0].system", "system", "error"),
        ),
    ],
)
def test_wrong(resource, issue):
    assert issues(resource) == [issue]


def test_a_supplement_is_no_system_of_a_code():
    terminology = Terminology()
    terminology.put(as_parsed({
        "resourceType": "CodeSystem", "url": "http://hospital.test/more", "status": "active", "content": "supplement",
        "supplements": GENDER, "concept": [{"code": "M"}],
    }))  # fmt: skip
    found = issues(tagged("http://hospital.test/more"), Validator(load(), terminology=terminology))
    assert found == [TAGGED]


def heart_rate(code="8867-4", **elements):
    return {
        "resourceType": "Observation",
        "status": "final",
        "category": [{"coding": [CATEGORY]}],
        "code": {"coding": [{"system": "http://hospital.test/codes", "code": "hr"}, {"system": LOINC, "code": code}]},
        "subject": {"reference": "Patient/1"},
        "effectiveDateTime": "2024-01-01",
        "valueQuantity": {"value": 60, "unit": "beats", "system": "http://unitsofmeasure.org", "code": "/min"},
        **elements,
    }


def broken(resource, *sources):
    found = Validator(load(), sources=sources).validate(as_parsed(resource))
    return [(i.expression, i.profile.removeprefix(NAMES)) for i in found if i.severity == "error"]


def test_vital_signs_are_judged_by_their_profile_whether_they_name_it_or_not():
    nowhere: dict[str, Any] = {"category": [{"text": "vital"}]}
    assert broken(heart_rate()) == []
    assert broken(heart_rate(**nowhere)) == [("Observation.category", "heartrate")]
    assert broken(heart_rate(code="39156-5")) == [("Observation.value.code", "bmi")]
    assert broken(heart_rate(code="718-7", **nowhere)) == []
    assert broken(heart_rate(meta={"profile": [NAMES + "vitalsigns"]}, **nowhere)) == [
        ("Observation.category", "vitalsigns")
    ]
    entry = {"fullUrl": "http://hospital.test/1", "resource": heart_rate(**nowhere)}
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [entry]}
    assert broken(bundle) == [("Bundle.entry[0].resource.category", "heartrate")]


@pytest.mark.parametrize(
    ("effective", "wrong"),
    [
        ({"effectivePeriod": {"start": "2024-01"}}, []),
        ({"effectiveDateTime": "2024-01-01T10:00:00Z"}, []),
        ({"effectiveDateTime": "2024-01"}, [("Observation.effective", "heartrate")]),
    ],
)
def test_a_vital_sign_is_of_a_day_or_of_a_period(effective, wrong):
    resource = {name: value for name, value in heart_rate().items() if name != "effectiveDateTime"}
    assert broken({**resource, **effective}) == wrong


def test_a_component_of_a_vital_sign_may_have_a_unit_that_r4_does_not_list():
    unit = {"value": 6, "unit": "L/min", "system": "http://unitsofmeasure.org", "code": "L/min"}
    component = {"code": {"coding": [{"system": LOINC, "code": "3151-8"}]}, "valueQuantity": unit}
    resource = heart_rate(meta={"profile": [NAMES + "vitalsigns"]}, component=[component])
    found = Validator(load(), terminology=Terminology()).validate(as_parsed(resource))
    assert ("Observation.component[0].value", "warning") in [(i.expression, i.severity) for i in found]
    assert [i.diagnostics for i in found if i.severity == "error"] == []


def test_a_profile_of_vital_signs_judges_in_place_of_r4s():
    own = profile("Observation", ("Observation.note", {"min": 1}), base=NAMES + "vitalsigns")
    resource = heart_rate(category=[{"text": "vital"}], meta={"profile": [own["url"]]})
    assert broken(resource, Known(own)) == [
        ("Observation.category", own["url"]),
        ("Observation.note", own["url"]),
    ]


def test_what_a_code_is_called_is_asked_anew_when_the_code_system_changes():
    terminology = Terminology()
    validator = Validator(load(), terminology=terminology, generation=terminology.store.generation)
    tagged = patient(meta={"tag": [{"system": "http://hospital.test/tags", "code": "x", "display": "Old"}]})
    for display, rules in (("Old", []), ("New", ["display"])):
        terminology.put(as_parsed({
            "resourceType": "CodeSystem", "url": "http://hospital.test/tags", "status": "active",
            "content": "complete", "concept": [{"code": "x", "display": display}],
        }))  # fmt: skip
        assert [each.rule for each in validator.validate(as_parsed(tagged))] == rules


def test_what_a_binding_says_of_a_concept_hides_nothing_in_it():
    resource = patient(maritalStatus={"coding": [{"system": "codes", "code": "M"}]})
    assert issues(resource) == [
        ("Patient.maritalStatus", "binding-extensible", "warning"),
        ("Patient.maritalStatus.coding[0].system", "system", "error"),
    ]
