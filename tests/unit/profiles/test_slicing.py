"""Slicing by every discriminator of R4, its rules, and slices of slices."""

import pytest

from .conftest import Codes, issues_by, profile

OBSERVATION = {"resourceType": "Observation", "status": "final", "code": {"text": "x"}}


def by(kind, path, **more):
    return {"slicing": {"discriminator": [{"type": kind, "path": path}], "rules": "open", **more}}


def identifiers(*slices, **slicing):
    """A Patient profile of identifiers sliced by system; slices (name, system, constraints)."""
    elements = [("Patient.identifier", by("value", "system", **slicing))]
    for name, system, constraints in slices:
        elements.append(("Patient.identifier", {"sliceName": name, **constraints}))
        elements.append(("Patient.identifier.system", {"min": 1, "fixedUri": system}))
    return profile("Patient", *elements)


def patient(*systems):
    return {
        "resourceType": "Patient",
        "active": True,
        "identifier": [{"system": s, "value": str(n)} for n, s in enumerate(systems)],
    }


MRN, SSN, OTHER = "http://e.org/mrn", "http://e.org/ssn", "http://e.org/other"


@pytest.mark.parametrize(
    ("systems", "expected"),
    [
        ([MRN], []),
        ([MRN, OTHER, OTHER], []),
        ([MRN, SSN, SSN], []),
        ([], [("Patient", "")]),
        ([OTHER], [("Patient.identifier", "slice-min")]),
        ([MRN, MRN], [("Patient.identifier[1]", "slice-max")]),
    ],
)
def test_how_many_of_a_slice(systems, expected):
    strict = identifiers(("mrn", MRN, {"min": 1, "max": "1"}), ("ssn", SSN, {}))
    resource = patient(*systems) if systems else {"resourceType": "Patient", "active": True}
    expected = [("Patient.identifier", "slice-min")] if not systems else expected
    assert issues_by(resource, strict) == expected


def test_what_is_said_of_a_slice_holds_for_its_items_only():
    strict = identifiers(("mrn", MRN, {}), ("ssn", SSN, {}))
    strict["differential"]["element"].insert(3, {"path": "Patient.identifier.period", "min": 1})
    assert issues_by(patient(SSN, MRN, OTHER), strict) == [("Patient.identifier[1].period", "cardinality-min")]


def test_a_closed_slicing_takes_nothing_else():
    strict = identifiers(("mrn", MRN, {}), rules="closed")
    assert issues_by(patient(MRN, OTHER), strict) == [("Patient.identifier[1]", "slice-closed")]


def test_open_at_end_wants_what_is_in_no_slice_last():
    strict = identifiers(("mrn", MRN, {}), ("ssn", SSN, {}), rules="openAtEnd")
    assert issues_by(patient(SSN, MRN, OTHER), strict) == []
    assert issues_by(patient(OTHER, MRN), strict) == [("Patient.identifier[1]", "slice-order")]


def test_an_ordered_slicing_wants_the_order_of_the_slices():
    strict = identifiers(("mrn", MRN, {}), ("ssn", SSN, {}), ordered=True)
    assert issues_by(patient(MRN, OTHER, SSN), strict) == []
    assert issues_by(patient(SSN, MRN), strict) == [("Patient.identifier[1]", "slice-order")]


def test_slices_of_slices():
    strict = profile(
        "Patient",
        ("Patient.identifier", by("value", "system")),
        ("Patient.identifier", {"sliceName": "mrn"}),
        ("Patient.identifier.system", {"min": 1, "fixedUri": MRN}),
        ("Patient.identifier", {"sliceName": "mrn", **by("value", "use")}),
        ("Patient.identifier", {"sliceName": "mrn/old", "max": "1"}),
        ("Patient.identifier.use", {"min": 1, "fixedCode": "old"}),
        ("Patient.identifier.period", {"min": 1}),
    )
    old, new = {"system": MRN, "use": "old"}, {"system": MRN, "use": "usual"}
    resource = {"resourceType": "Patient", "active": True, "identifier": [new, {"system": SSN, "use": "old"}, old]}
    assert issues_by(resource, strict) == [("Patient.identifier[2].period", "cardinality-min")]
    dated = {**old, "period": {"start": "2020"}}
    assert issues_by({**resource, "identifier": [dated, dated]}, strict) == [("Patient.identifier[1]", "slice-max")]


def test_by_a_pattern():
    strict = profile(
        "Observation",
        ("Observation.category", by("pattern", "$this")),
        (
            "Observation.category",
            {"sliceName": "vs", "min": 1, "patternCodeableConcept": {"coding": [{"system": "urn:s", "code": "v"}]}},
        ),
    )
    category = {"coding": [{"system": "urn:s", "code": "v", "display": "x"}], "text": "y"}
    assert issues_by({**OBSERVATION, "category": [{"text": "a"}, category]}, strict) == []
    assert issues_by({**OBSERVATION, "category": [{"text": "a"}]}, strict) == [("Observation.category", "slice-min")]


def test_by_a_value_deep_inside():
    strict = profile(
        "Observation",
        ("Observation.component", by("value", "code.coding.code")),
        ("Observation.component", {"sliceName": "sys", "min": 1}),
        ("Observation.component.code.coding.code", {"min": 1, "fixedCode": "8480-6"}),
        ("Observation.component.valueQuantity", {"min": 1}),
    )
    component = {"code": {"coding": [{"code": "8480-6"}]}, "valueString": "high"}
    found = issues_by({**OBSERVATION, "component": [component]}, strict)
    assert found == [("Observation.component[0].value", "type-not-allowed")]
    assert issues_by({**OBSERVATION, "component": [{"code": {"text": "x"}}]}, strict) == [
        ("Observation.component", "slice-min")
    ]


def test_by_a_required_binding():
    strict = profile(
        "Observation",
        ("Observation.category", by("value", "$this")),
        (
            "Observation.category",
            {"sliceName": "c", "min": 1, "binding": {"strength": "required", "valueSet": "http://example.org/c"}},
        ),
    )
    codes = Codes(c={("urn:s", "a")})
    for code, found in (("a", []), ("b", [("Observation.category", "slice-min")])):
        resource = {**OBSERVATION, "category": [{"coding": [{"system": "urn:s", "code": code}]}]}
        assert issues_by(resource, strict, terminology=codes) == found


def test_by_type():
    strict = profile(
        "Observation",
        ("Observation.value[x]", by("type", "$this")),
        ("Observation.value[x]", {"sliceName": "valueQuantity", "type": [{"code": "Quantity"}]}),
        ("Observation.value[x].unit", {"min": 1}),
    )
    assert issues_by({**OBSERVATION, "valueString": "x"}, strict) == []
    assert issues_by({**OBSERVATION, "valueQuantity": {"value": 1}}, strict) == [
        ("Observation.value.unit", "cardinality-min")
    ]


def test_a_closed_slicing_by_type_takes_no_other_type():
    strict = profile(
        "Observation",
        (
            "Observation.value[x]",
            {"slicing": {"discriminator": [{"type": "type", "path": "$this"}], "rules": "closed"}},
        ),
        ("Observation.value[x]", {"sliceName": "valueQuantity", "type": [{"code": "Quantity"}]}),
    )
    assert issues_by({**OBSERVATION, "valueQuantity": {"value": 1}}, strict) == []
    assert issues_by({**OBSERVATION, "valueString": "x"}, strict) == [("Observation.value", "slice-closed")]


def test_closed_entries_of_a_bundle_by_the_type_of_their_resource():
    strict = profile(
        "Bundle",
        ("Bundle.entry", {"slicing": {"discriminator": [{"type": "type", "path": "resource"}], "rules": "closed"}}),
        ("Bundle.entry", {"sliceName": "patient"}),
        ("Bundle.entry.resource", {"min": 1, "type": [{"code": "Patient"}]}),
    )
    entries = [
        {"fullUrl": f"urn:uuid:00000000-0000-4000-8000-00000000000{number}", "resource": resource}
        for number, resource in enumerate((patient(MRN), OBSERVATION))
    ]
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": entries}
    assert issues_by(bundle, strict) == [("Bundle.entry[1]", "slice-closed")]


def test_by_existence():
    strict = profile(
        "Patient",
        ("Patient.name", by("exists", "period")),
        ("Patient.name", {"sliceName": "former", "max": "1"}),
        ("Patient.name.period", {"min": 1}),
        ("Patient.name", {"sliceName": "now"}),
        ("Patient.name.period", {"max": "0"}),
        ("Patient.name.family", {"min": 1}),
    )
    former = {"text": "a", "period": {"end": "2000"}}
    resource = {"resourceType": "Patient", "name": [former, {"text": "b"}]}
    assert issues_by(resource, strict) == [("Patient.name[1].family", "cardinality-min")]
    assert issues_by({**resource, "name": [former, former]}, strict) == [("Patient.name[1]", "slice-max")]


def reference(*targets):
    return {
        "type": [
            {"code": "Reference", "targetProfile": [f"http://hl7.org/fhir/StructureDefinition/{t}" for t in targets]}
        ]
    }


def test_by_the_type_that_a_reference_resolves_to():
    strict = profile(
        "Observation",
        ("Observation.performer", by("type", "resolve()")),
        ("Observation.performer", {"sliceName": "org", "max": "1", **reference("Organization")}),
    )
    organizations = [{"reference": "Organization/1"}, {"reference": "Organization/2"}]
    assert issues_by({**OBSERVATION, "performer": [{"reference": "Patient/1"}, organizations[0]]}, strict) == []
    found = issues_by({**OBSERVATION, "performer": organizations}, strict)
    assert found == [("Observation.performer[1]", "slice-max")]


def test_by_the_profile_of_what_a_reference_resolves_to():
    named = profile("Patient", ("Patient.name", {"min": 1}), name="named")
    target = {"type": [{"code": "Reference", "targetProfile": [named["url"]]}]}
    strict = profile(
        "Observation",
        ("Observation.performer", by("profile", "resolve()")),
        ("Observation.performer", {"sliceName": "named", "min": 1, **target}),
    )
    wrong = [("Observation.performer[0].reference", "reference-profile")]
    for content, found in (({"name": [{"text": "x"}]}, []), ({"active": True}, wrong)):
        contained = [{"resourceType": "Patient", "id": "p", **content}]
        resource = {**OBSERVATION, "contained": contained, "performer": [{"reference": "#p"}]}
        assert issues_by(resource, strict, named) == found


def test_entries_of_a_bundle_by_the_profile_of_their_resource():
    named = profile("Patient", ("Patient.name", {"min": 1}), name="named")
    strict = profile(
        "Bundle",
        ("Bundle.entry", by("profile", "resource")),
        ("Bundle.entry", {"sliceName": "named", "min": 1, "max": "1"}),
        ("Bundle.entry.resource", {"min": 1, "type": [{"code": "Patient", "profile": [named["url"]]}]}),
    )

    def bundle(*names):
        entries = [{"fullUrl": f"http://e.org/{n}", "resource": {"resourceType": "Patient", "active": True, **name}}
                   for n, name in enumerate(names)]  # fmt: skip
        return {"resourceType": "Bundle", "type": "collection", "entry": entries}

    name = {"name": [{"text": "x"}]}
    assert issues_by(bundle({}, name), strict, named) == []
    assert issues_by(bundle({}), strict, named) == [("Bundle.entry[0].resource.name", "cardinality-min")]
    assert issues_by({"resourceType": "Bundle", "type": "collection"}, strict, named) == [("Bundle.entry", "slice-min")]
    assert issues_by(bundle(name, name), strict, named) == [("Bundle.entry[1]", "slice-max")]


def test_a_discriminator_that_is_not_understood_makes_the_profile_unusable():
    strict = profile("Patient", ("Patient.name", by("value", "given[0]")), ("Patient.name", {"sliceName": "a"}))
    assert issues_by({"resourceType": "Patient", "active": True}, strict) == [("Patient", "profile-unusable")]


# --- extensions, which are sliced by url

LEVEL = profile("Extension", ("Extension.url", {"fixedUri": "http://example.org/level"}),
                ("Extension.value[x]", {"min": 1, "type": [{"code": "integer"}]}), name="level")  # fmt: skip
WRONG_TYPE = [("Patient.extension[0].value", "type-not-allowed")]
OF_LEVEL = [{"code": "Extension", "profile": [LEVEL["url"]]}]
WITH_LEVEL = profile("Patient", ("Patient.extension", {"sliceName": "level", "min": 1, "max": "1", "type": OF_LEVEL}))


@pytest.mark.parametrize(
    ("extensions", "expected"),
    [
        ([{"url": "http://example.org/level", "valueInteger": 1}, {"url": "http://e.org/x", "valueCode": "y"}], []),
        ([], [("Patient.extension", "slice-min")]),
        ([{"url": "http://e.org/x", "valueCode": "y"}], [("Patient.extension", "slice-min")]),
        (
            [{"url": "http://example.org/level", "valueString": "1"}],
            WRONG_TYPE,
        ),
        ([{"url": "http://example.org/level", "valueInteger": 1}] * 2, [("Patient.extension[1]", "slice-max")]),
    ],
)
def test_extensions_by_their_definition(extensions, expected):
    resource = {"resourceType": "Patient", "active": True, **({"extension": extensions} if extensions else {})}
    assert issues_by(resource, WITH_LEVEL, LEVEL) == expected


def telecom(*slices, rules="closed"):
    """A Patient profile of telecom sliced by system and use; slices (name, system, constraints on use or None)."""
    found = [{"type": "value", "path": "system"}, {"type": "value", "path": "use"}]
    elements = [("Patient.telecom", {"slicing": {"discriminator": found, "rules": rules}})]
    for name, system, use in slices:
        elements.append(("Patient.telecom", {"sliceName": name, "max": "1"}))
        elements.append(("Patient.telecom.system", {"min": 1, "fixedCode": system}))
        if use is not None:
            elements.append(("Patient.telecom.use", use))
    return profile("Patient", *elements)


def test_a_slice_may_be_told_by_what_it_lacks():
    strict = telecom(("home", "phone", {"min": 1, "fixedCode": "home"}), ("mail", "email", {"max": "0"}))
    mail = {"system": "email", "value": "a@b"}
    assert issues_by({"resourceType": "Patient", "telecom": [mail]}, strict) == []
    assert issues_by({"resourceType": "Patient", "telecom": [{**mail, "use": "work"}]}, strict) == [
        ("Patient.telecom[0]", "slice-closed")
    ]


def test_a_slice_may_say_nothing_of_one_of_the_discriminators():
    by_code = [{"type": "pattern", "path": "type"}, {"type": "pattern", "path": "appliesTo"}]
    strict = profile(
        "Observation",
        ("Observation.referenceRange", {"slicing": {"discriminator": by_code, "rules": "open"}}),
        ("Observation.referenceRange", {"sliceName": "a", "max": "1"}),
        ("Observation.referenceRange.type", {"min": 1, "patternCodeableConcept": {"text": "a"}}),
    )
    ranges = [{"type": {"text": "a"}, "text": "1"}, {"type": {"text": "b"}, "text": "2"}]
    assert issues_by({**OBSERVATION, "referenceRange": ranges}, strict) == []
    assert issues_by({**OBSERVATION, "referenceRange": [*ranges, ranges[0]]}, strict) == [
        ("Observation.referenceRange[2]", "slice-max")
    ]


def test_slices_of_an_element_that_is_as_another_one_stand_in_place_of_what_is_said_of_that():
    strict = profile(
        "Parameters",
        ("Parameters.parameter.name", {"patternString": "outer"}),
        ("Parameters.parameter.part", by("value", "name")),
        ("Parameters.parameter.part", {"sliceName": "one", "min": 1}),
        ("Parameters.parameter.part.name", {"min": 1, "fixedString": "one"}),
    )
    part = {"name": "one", "valueString": "x"}
    outer = {"name": "outer", "part": [part]}
    assert issues_by({"resourceType": "Parameters", "parameter": [outer]}, strict) == []
    wrong = {"resourceType": "Parameters", "parameter": [{**outer, "part": [{**part, "name": "two"}]}]}
    assert issues_by(wrong, strict) == [("Parameters.parameter[0].part", "slice-min")]


def test_the_default_slice_has_what_belongs_to_no_other():
    strict = profile(
        "Patient",
        ("Patient.name", by("value", "text", rules="closed")),
        ("Patient.name", {"sliceName": "@default", "max": "1"}),
        ("Patient.name.family", {"min": 1}),
        ("Patient.name", {"sliceName": "a", "max": "1"}),
        ("Patient.name.text", {"min": 1, "fixedString": "a"}),
    )
    names = [{"text": "a"}, {"family": "x"}]
    assert issues_by({"resourceType": "Patient", "name": names}, strict) == []
    broken = [("Patient.name[1].family", "cardinality-min")]
    assert issues_by({"resourceType": "Patient", "name": [names[0], {"text": "x"}]}, strict) == broken
    again = [("Patient.name[2]", "slice-max")]
    assert issues_by({"resourceType": "Patient", "name": [*names, {"family": "y"}]}, strict) == again


def test_extensions_of_no_other_slice_are_of_the_default_one():
    strict = profile(
        "Patient",
        ("Patient.extension", {"slicing": {"discriminator": [{"type": "value", "path": "url"}], "rules": "closed"}}),
        ("Patient.extension", {"sliceName": "a", "max": "1"}),
        ("Patient.extension.url", {"fixedUri": "http://e.org/a"}),
        ("Patient.extension", {"sliceName": "@default", "max": "1"}),
    )
    one, other, third = ({"url": f"http://e.org/{name}", "valueBoolean": True} for name in "abc")
    assert issues_by({"resourceType": "Patient", "extension": [one, other]}, strict) == []
    told = [("Patient.extension[2]", "slice-max")]
    assert issues_by({"resourceType": "Patient", "extension": [one, other, third]}, strict) == told
