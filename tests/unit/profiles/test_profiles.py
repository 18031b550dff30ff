"""What a profile can say of a resource, one rule a test."""

import pytest

from terminology import Terminology

from .conftest import Codes, issues_by, profile

PATIENT = {"resourceType": "Patient", "active": True}
OBSERVATION = {"resourceType": "Observation", "status": "final", "code": {"text": "x"}}


def test_cardinality_of_the_profile():
    strict = profile("Patient", ("Patient.birthDate", {"min": 1}), ("Patient.name", {"min": 2, "max": "3"}),
                     ("Patient.photo", {"max": "0"}))  # fmt: skip
    names = [{"family": "a"}] * 4
    assert issues_by(PATIENT, strict) == [("Patient.name", "cardinality-min"), ("Patient.birthDate", "cardinality-min")]
    wrong = {**PATIENT, "birthDate": "2020", "name": names, "photo": [{"title": "x"}]}
    assert issues_by(wrong, strict) == [("Patient.name[3]", "cardinality-max"), ("Patient.photo", "cardinality-max")]
    assert issues_by({**PATIENT, "birthDate": "2020", "name": names[:2]}, strict) == []
    twin = {"extension": [{"url": "http://example.org/why", "valueCode": "unknown"}]}
    assert issues_by({**PATIENT, "_birthDate": twin, "name": names[:2]}, strict) == []


def test_cardinality_inside_of_a_data_type_counts_where_that_is_there():
    strict = profile("Patient", ("Patient.name.family", {"min": 1}), ("Patient.contact.name", {"min": 1}))
    assert issues_by(PATIENT, strict) == []
    wrong = {
        **PATIENT,
        "name": [{"family": "a"}, {"text": "b"}],
        "contact": [{"telecom": [{"system": "phone", "value": "1"}]}],
    }
    assert issues_by(wrong, strict) == [
        ("Patient.name[1].family", "cardinality-min"), ("Patient.contact[0].name", "cardinality-min"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("key", "expected", "value", "right"),
    [
        ("fixedCodeableConcept", {"text": "x"}, {"text": "x"}, True),
        ("fixedCodeableConcept", {"text": "x"}, {"text": "x", "id": "a"}, False),
        ("patternCodeableConcept", {"text": "x"}, {"text": "x", "id": "a"}, True),
        (
            "patternCodeableConcept",
            {"coding": [{"code": "a"}]},
            {"coding": [{"code": "b"}, {"system": "urn:s", "code": "a"}]},
            True,
        ),
        (
            "patternCodeableConcept",
            {"coding": [{"system": "urn:s", "code": "a"}]},
            {"coding": [{"system": "urn:t", "code": "a"}]},
            False,
        ),
    ],
)
def test_fixed_values_and_patterns(key, expected, value, right):
    strict = profile("Observation", ("Observation.code", {key: expected}))
    rule = "fixed" if key.startswith("fixed") else "pattern"
    found = issues_by({**OBSERVATION, "code": value}, strict)
    assert found == ([] if right else [("Observation.code", rule)])


def test_a_fixed_primitive():
    strict = profile(
        "Patient", ("Patient.active", {"fixedBoolean": True}), ("Patient.gender", {"patternCode": "female"})
    )
    assert issues_by({**PATIENT, "active": False, "gender": "male"}, strict) == [
        ("Patient.active", "fixed"), ("Patient.gender", "pattern"),
    ]  # fmt: skip


def test_lengths_and_bounds():
    strict = profile(
        "Observation",
        ("Observation.valueString", {"maxLength": 3}),
        ("Observation.valueInteger", {"minValueInteger": 1, "maxValueInteger": 5}),
        ("Observation.effectiveDateTime", {"minValueDateTime": "2020-01-01"}),
        ("Observation.valueQuantity.value", {"maxValueDecimal": 9.5}),
    )
    for value, rule in (("abc", None), ("abcd", "max-length")):
        found = issues_by({**OBSERVATION, "valueString": value}, strict)
        assert found == ([("Observation.value", rule)] if rule else [])
    for value, rule in ((0, "min-value"), (1, None), (5, None), (6, "max-value")):
        found = issues_by({**OBSERVATION, "valueInteger": value}, strict)
        assert found == ([("Observation.value", rule)] if rule else [])
    for value, wrong in (("2019-12-31", True), ("2020-01-01", False), ("2020-05-01T10:00:00Z", False), ("2019", True)):
        found = issues_by({**OBSERVATION, "effectiveDateTime": value}, strict)
        assert found == ([("Observation.effective", "min-value")] if wrong else [])
    assert issues_by({**OBSERVATION, "valueQuantity": {"value": 9.51}}, strict) == [
        ("Observation.value.value", "max-value")
    ]


@pytest.mark.parametrize(
    ("extension", "value", "rule"),
    [
        ({"url": "minLength", "valueInteger": 3}, {"valueString": "abc"}, None),
        ({"url": "minLength", "valueInteger": 3}, {"valueString": "ab"}, "min-length"),
        ({"url": "regex", "valueString": "[0-9]{3}"}, {"valueString": "123"}, None),
        ({"url": "regex", "valueString": "[0-9]{3}"}, {"valueString": "1234"}, "regex"),
        ({"url": "maxDecimalPlaces", "valueInteger": 1}, {"valueQuantity": {"value": 1.5}}, None),
        ({"url": "maxDecimalPlaces", "valueInteger": 1}, {"valueQuantity": {"value": 1.25}}, "max-decimal-places"),
    ],
)
def test_what_extensions_of_an_element_definition_say(extension, value, rule):
    said = {"extension": [{**extension, "url": "http://hl7.org/fhir/StructureDefinition/" + extension["url"]}]}
    path = "Observation.valueString" if "valueString" in value else "Observation.valueQuantity.value"
    found = issues_by({**OBSERVATION, **value}, profile("Observation", (path, said)))
    assert [each for _, each in found] == ([rule] if rule else [])


def test_types_of_a_choice():
    strict = profile("Observation", ("Observation.value[x]", {"type": [{"code": "Quantity"}, {"code": "string"}]}))
    assert issues_by({**OBSERVATION, "valueString": "x"}, strict) == []
    assert issues_by({**OBSERVATION, "valueInteger": 1}, strict) == [("Observation.value", "type-not-allowed")]


def test_constraints_of_a_profile_with_their_severity():
    rule = {"key": "adult-1", "severity": "warning", "human": "Adults only", "expression": "birthDate < @2005-01-01"}
    nested = {
        "key": "name-1",
        "severity": "error",
        "human": "Text or family",
        "expression": "text.exists() or family.exists()",
    }
    strict = profile("Patient", ("Patient", {"constraint": [rule]}), ("Patient.name", {"constraint": [nested]}))
    wrong = {**PATIENT, "birthDate": "2020-01-01", "name": [{"text": "a"}, {"given": ["b"]}]}
    assert issues_by(wrong, strict) == [("Patient.name[1]", "name-1")]
    assert issues_by({**PATIENT, "birthDate": "2020-01-01"}, strict) == [("Patient", "adult-1")]


def test_an_element_with_an_error_inside_is_not_judged_as_a_whole_by_a_profile():
    digits = {"key": "n", "severity": "error", "human": "Ten digits", "expression": "value.matches('^[0-9]{10}$')"}
    strict = profile("Patient", ("Patient.identifier", {"constraint": [digits]}),
                     ("Patient.identifier.value", {"min": 1}))  # fmt: skip
    missing = {**PATIENT, "identifier": [{"system": "http://e.org"}]}
    assert issues_by(missing, strict) == [("Patient.identifier[0].value", "cardinality-min")]
    assert issues_by({**PATIENT, "identifier": [{"value": "1"}]}, strict) == [("Patient.identifier[0]", "n")]


# --- bindings


def bound(strength, **more):
    return profile(
        "Observation",
        ("Observation.code", {"binding": {"strength": strength, "valueSet": "http://example.org/colours", **more}}),
    )


COLOURS = Codes(colours={("http://c", "red"), ("http://c", "blue")}, max={("http://c", "red"), ("http://c", "green")})


@pytest.mark.parametrize(
    ("strength", "code", "rules"),
    [
        ("required", {"coding": [{"system": "http://c", "code": "red"}]}, []),
        ("required", {"coding": [{"system": "http://x", "code": "y"}, {"system": "http://c", "code": "red"}]}, []),
        ("required", {"coding": [{"system": "http://c", "code": "green"}]}, ["binding-required"]),
        ("required", {"coding": [{"code": "red"}]}, ["binding-required"]),
        ("required", {"text": "red"}, ["binding-required"]),
        ("extensible", {"coding": [{"system": "http://c", "code": "green"}]}, ["binding-extensible"]),
        ("extensible", {"text": "red"}, []),
        ("preferred", {"coding": [{"system": "http://c", "code": "green"}]}, ["binding-preferred"]),
        ("example", {"coding": [{"system": "http://c", "code": "green"}]}, []),
    ],
)
def test_bindings_by_strength(strength, code, rules):
    found = issues_by({**OBSERVATION, "code": code}, bound(strength), terminology=COLOURS)
    assert found == [("Observation.code", rule) for rule in rules]


def test_bounds_of_a_quantity_hold_in_other_units_too():
    kilos = {"system": "http://unitsofmeasure.org", "code": "kg"}
    low, high = {"value": 1, **kilos}, {"value": 10, **kilos}
    strict = profile("Observation", ("Observation.valueQuantity", {"minValueQuantity": low, "maxValueQuantity": high}))
    for value, code, rule in ((999, "g", "min-value"), (1000, "g", None), (11000, "g", "max-value"), (5, "cm", None)):
        quantity = {"value": value, "system": "http://unitsofmeasure.org", "code": code}
        found = issues_by({**OBSERVATION, "valueQuantity": quantity}, strict)
        assert found == ([("Observation.value", rule)] if rule else [])


def test_a_maximum_binding_bounds_an_extensible_one():
    url = "http://hl7.org/fhir/StructureDefinition/elementdefinition-maxValueSet"
    maximum = {"extension": [{"url": url, "valueCanonical": "http://example.org/max"}]}
    both = {"coding": [{"system": "http://c", "code": "yellow"}]}
    found = issues_by({**OBSERVATION, "code": both}, bound("extensible", **maximum), terminology=COLOURS)
    assert found == [("Observation.code", "binding-max")]  # one mistake makes one issue


@pytest.mark.parametrize(
    ("url", "part", "rules"),
    [
        ("tools/StructureDefinition/additional-binding", [], ["binding-required"]),
        ("5.0/StructureDefinition/extension-ElementDefinition.binding.additional", [], ["binding-required"]),
        ("tools/StructureDefinition/additional-binding", [{"url": "any", "valueBoolean": True}], []),
    ],
)
def test_an_additional_binding_is_checked_that_speaks_of_every_value(url, part, rules):
    parts = [
        {"url": "purpose", "valueCode": "required"},
        {"url": "valueSet", "valueCanonical": "http://example.org/max"},
    ]
    more = {"extension": [{"url": f"http://hl7.org/fhir/{url}", "extension": parts + part}]}
    code = {"coding": [{"system": "http://c", "code": "blue"}]}
    found = issues_by({**OBSERVATION, "code": code}, bound("required", **more), terminology=COLOURS)
    assert found == [("Observation.code", rule) for rule in rules]


def test_a_binding_to_a_value_set_that_the_profile_contains_holds_in_derived_profiles_too():
    colours = {"resourceType": "ValueSet", "id": "colours", "status": "active",
               "compose": {"include": [{"system": "http://c", "concept": [{"code": "red"}]}]}}  # fmt: skip
    binding = {"binding": {"strength": "required", "valueSet": "#colours"}}
    base = {**profile("Observation", ("Observation.code", binding), name="base"), "contained": [colours]}
    derived = profile("Observation", ("Observation.code", {"short": "a colour"}), base=base["url"])
    for code, rules in (("red", []), ("blue", ["binding-required"])):
        observed = {**OBSERVATION, "code": {"coding": [{"system": "http://c", "code": code}]}}
        for profiles in ([base], [derived, base]):
            found = issues_by(observed, *profiles, terminology=Terminology())
            assert found == [("Observation.code", rule) for rule in rules]


def test_an_unknown_value_set_is_a_warning_never_an_error():
    code = {"coding": [{"system": "http://c", "code": "red"}]}
    found = issues_by({**OBSERVATION, "code": code}, bound("required"), terminology=Codes())
    assert found == [("Observation.code", "binding-unknown")]


# --- references and type profiles


def test_targets_of_references_by_type():
    strict = profile("Observation", ("Observation.subject", {"type": [
        {"code": "Reference", "targetProfile": ["http://hl7.org/fhir/StructureDefinition/Patient"]}]}))  # fmt: skip
    assert issues_by({**OBSERVATION, "subject": {"reference": "Patient/1"}}, strict) == []
    wrong = {**OBSERVATION, "subject": {"reference": "Group/1"}}
    assert issues_by(wrong, strict) == [("Observation.subject.reference", "reference-target")]


NAMED = profile("Patient", ("Patient.name", {"min": 1}), name="named")
ABOUT_NAMED = profile("Observation", ("Observation.subject", {"type": [
    {"code": "Reference", "targetProfile": ["http://example.org/named"]}]}))  # fmt: skip


@pytest.mark.parametrize(("patient", "right"), [({"name": [{"text": "x"}]}, True), ({"active": True}, False)])
def test_a_target_that_is_at_hand_must_conform(patient, right):
    contained = {
        **OBSERVATION,
        "contained": [{"resourceType": "Patient", "id": "p", **patient}],
        "subject": {"reference": "#p"},
    }
    found = issues_by(contained, ABOUT_NAMED, NAMED)
    assert found == ([] if right else [("Observation.subject.reference", "reference-profile")])


def test_what_a_profile_of_a_bundle_wants_of_a_resource_finds_its_targets_by_the_full_urls():
    wanted = {"type": [{"code": "Observation", "profile": [ABOUT_NAMED["url"]]}]}
    strict = profile(
        "Bundle",
        ("Bundle.entry", {"slicing": {"discriminator": [{"type": "profile", "path": "resource"}], "rules": "open"}}),
        ("Bundle.entry", {"sliceName": "about", "min": 1}),
        ("Bundle.entry.resource", {"min": 1, **wanted}),
        name="b",
    )
    entries = [{"fullUrl": f"http://e.org/fhir/{r['resourceType']}/1", "resource": {**r, "id": "1"}}
               for r in ({**OBSERVATION, "subject": {"reference": "Patient/1"}}, PATIENT)]  # fmt: skip
    found = issues_by({"resourceType": "Bundle", "type": "collection", "entry": entries}, strict, ABOUT_NAMED, NAMED)
    assert found == [("Bundle.entry[0].resource.subject.reference", "reference-profile")]


def test_a_target_that_is_elsewhere_is_taken_at_its_type():
    assert issues_by({**OBSERVATION, "subject": {"reference": "Patient/1"}}, ABOUT_NAMED, NAMED) == []


INSIDE = {"contained": [{"resourceType": "Patient", "id": "p", "active": True}], "subject": {"reference": "#p"}}


@pytest.mark.parametrize(
    ("modes", "subject", "alone", "in_bundle"),
    [
        (["contained"], INSIDE, True, True),
        (["contained"], {"subject": {"reference": "Patient/1"}}, False, False),
        (["referenced"], INSIDE, False, False),
        (["referenced"], {"subject": {"reference": "Patient/1"}}, True, True),
        (["bundled"], {"subject": {"reference": "Patient/1"}}, True, True),
        (["bundled"], {"subject": {"reference": "Patient/2"}}, True, False),
        (["bundled", "contained"], INSIDE, True, True),
        (["bundled", "referenced"], {"subject": {"reference": "Patient/2"}}, True, True),
        (["contained"], {"subject": {"identifier": {"value": "1"}}}, True, True),
    ],
)
def test_where_the_target_of_a_reference_may_stand(modes, subject, alone, in_bundle):
    strict = profile("Observation", ("Observation.subject", {"type": [{"code": "Reference", "aggregation": modes}]}))
    wrong = ("subject.reference", "reference-aggregation")
    resource = {**OBSERVATION, "id": "1", "meta": {"profile": [strict["url"]]}, **subject}
    found = issues_by(resource, strict)
    assert found == ([] if alone else [(f"Observation.{wrong[0]}", wrong[1])])
    entries = [{"fullUrl": f"http://e.org/fhir/{r['resourceType']}/1", "resource": {**r, "id": "1"}}
               for r in (resource, PATIENT)]  # fmt: skip
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": entries}
    found = issues_by(bundle, profile("Bundle", name="b"), strict)
    assert found == ([] if in_bundle else [(f"Bundle.entry[0].resource.{wrong[0]}", wrong[1])])


def test_resources_that_refer_to_one_another_by_profile_come_to_an_end():
    seen = {"code": "Reference", "targetProfile": ["http://example.org/p"]}
    strict = profile("Observation", ("Observation.hasMember", {"type": [seen]}))
    members = [{"fullUrl": f"http://e.org/fhir/Observation/{n}", "resource": {
        **OBSERVATION, "id": str(n), "meta": {"profile": ["http://example.org/p"]},
        "hasMember": [{"reference": f"Observation/{1 - n}"}]}} for n in (0, 1)]  # fmt: skip
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": members}
    assert issues_by(bundle, profile("Bundle", name="b"), strict) == []


def test_profiles_on_types():
    quantity = profile("Quantity", ("Quantity.code", {"min": 1}), ("Quantity.system", {"min": 1}), name="coded")
    strict = profile("Observation", ("Observation.value[x]", {"type": [
        {"code": "Quantity", "profile": ["http://example.org/coded"]}, {"code": "string"}]}))  # fmt: skip
    assert issues_by({**OBSERVATION, "valueString": "x"}, strict, quantity) == []
    coded = {"value": 1, "code": "kg", "system": "http://unitsofmeasure.org"}
    assert issues_by({**OBSERVATION, "valueQuantity": coded}, strict, quantity) == []
    found = issues_by({**OBSERVATION, "valueQuantity": {"value": 1}}, strict, quantity)
    assert sorted(found) == [
        ("Observation.value.code", "cardinality-min"),
        ("Observation.value.system", "cardinality-min"),
    ]


def test_a_profile_on_a_type_that_is_not_known_is_a_warning():
    strict = profile("Observation", ("Observation.value[x]", {"type": [
        {"code": "Quantity", "profile": ["http://example.org/none"]}]}))  # fmt: skip
    assert issues_by({**OBSERVATION, "valueQuantity": {"value": 1}}, strict) == [
        ("Observation.value", "profile-unknown")
    ]


def test_what_a_content_reference_leads_to_is_checked_at_every_depth():
    strict = profile("Questionnaire", ("Questionnaire.item.text", {"min": 1}))
    items = [{"linkId": "1", "text": "a", "type": "group", "item": [
        {"linkId": "2", "text": "b", "type": "group", "item": [{"linkId": "3", "type": "string"}]}]}]  # fmt: skip
    found = issues_by({"resourceType": "Questionnaire", "status": "draft", "item": items}, strict)
    assert found == [("Questionnaire.item[0].item[0].item[0].text", "cardinality-min")]
