"""$subsumes, $find-matches, $translate, $closure and TerminologyCapabilities."""

import pytest

from fhir_server.core.errors import FhirError
from terminology import terminology_capabilities
from tests.unit.terminology.conftest import ANIMALS, animal_system, answer

PLANTS = "http://example.org/plants"


@pytest.mark.parametrize(
    ("a", "b", "outcome"),
    [
        ("mammal", "poodle", "subsumes"), ("poodle", "mammal", "subsumed-by"), ("dog", "dog", "equivalent"),
        ("dog", "cat", "not-subsumed"), ("animal", "platypus", "subsumes"), ("mammal", "platypus", "subsumes"),
    ],
)  # fmt: skip
def test_one_code_subsumes_another_or_not(call, a, b, outcome):
    assert answer(call("CodeSystem/subsumes", system=ANIMALS, codeA=a, codeB=b)) == {"outcome": outcome}
    codings = {"codingA": {"system": ANIMALS, "code": a}, "codingB": {"system": ANIMALS, "code": b}}
    assert answer(call("CodeSystem/subsumes", **codings)) == {"outcome": outcome}
    assert answer(call("CodeSystem/subsumes", animal_system(), codeA=a, codeB=b)) == {"outcome": outcome}


def test_a_version_of_a_code_system_is_asked_of_itself(animals, call):
    older, newer = animal_system(), animal_system(version="2.0")
    newer["concept"].append({"code": "fungus", "display": "Fungus"})
    animals.put(newer)
    assert answer(call("CodeSystem/subsumes", newer, codeA="dog", codeB="fungus")) == {"outcome": "not-subsumed"}
    with pytest.raises(FhirError, match="'fungus' is not in"):
        call("CodeSystem/subsumes", older, codeA="dog", codeB="fungus")
    asked = {"exact": True, "property": [prop("display", "fungus")]}
    assert matches(call("CodeSystem/find-matches", newer, **asked)) == [("fungus", None)]
    assert matches(call("CodeSystem/find-matches", older, **asked)) == []


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"system": ANIMALS, "codeA": "dog"}, "Give codeB"),
        ({"system": ANIMALS, "codeA": "dog", "codeB": "unicorn"}, "'unicorn' is not in"),
        ({"system": "http://nowhere", "codeA": "a", "codeB": "b"}, "not known"),
        (
            {"codingA": {"system": ANIMALS, "code": "dog"}, "codingB": {"system": PLANTS, "code": "oak"}},
            "one code system",
        ),
    ],
)
def test_subsumption_that_cannot_be_told_is_an_error(call, given, message):
    with pytest.raises(FhirError, match=message):
        call("CodeSystem/subsumes", **given)


def test_a_hierarchy_in_a_circle_is_refused(service):
    circle = [
        {"code": "a", "property": [{"code": "parent", "valueCode": "b"}]},
        {"code": "b", "property": [{"code": "parent", "valueCode": "a"}]},
    ]
    with pytest.raises(FhirError, match="circle through the concept"):
        service.put(animal_system(concept=circle))
    assert service.catalog.system(ANIMALS) is None


def test_a_code_that_comes_twice_is_refused(service):
    with pytest.raises(FhirError, match="the code 'a' twice"):
        service.put(animal_system(concept=[{"code": "a"}, {"code": "a"}]))


def matches(found):
    return [(m["code"]["code"], m.get("unmatched")) for m in answer(found).get("match", ())]


def prop(code, value):
    return (("code", code), ("value", value))


def test_codes_are_found_by_their_properties(call):
    found = call(
        "CodeSystem/find-matches", system=ANIMALS, exact=True, property=[prop("legs", 2), prop("status", "retired")]
    )
    assert matches(found) == [("dodo", None)]
    assert matches(call("CodeSystem/find-matches", system=ANIMALS, exact=True, property=[prop("display", "poo")])) == [
        ("poodle", None)
    ]


def test_people_are_told_what_nearly_matches(call):
    asked = {"system": ANIMALS, "property": [prop("legs", 0), prop("display", "duck")]}
    found = dict(matches(call("CodeSystem/find-matches", exact=False, **asked)))
    assert found["duck"] == [{"code": "legs", "value": "0"}]
    assert found["whale"] == [{"code": "display", "value": "duck"}]
    assert matches(call("CodeSystem/find-matches", exact=True, **asked)) == []


CONCEPT_MAP = {
    "resourceType": "ConceptMap", "url": "http://example.org/ConceptMap/pets", "version": "1", "status": "active",
    "sourceUri": "http://example.org/ValueSet/all-animals", "targetUri": "http://example.org/ValueSet/plants",
    "group": [{
        "source": ANIMALS, "target": PLANTS,
        "element": [
            {"code": "dog", "display": "Dog", "target": [{"code": "oak", "equivalence": "wider", "comment": "Loyal."}]},
            {"code": "cat", "target": [
                {"code": "fern", "equivalence": "equal", "dependsOn": [{"property": "http://size", "value": "small"}]},
                {"code": "palm", "equivalence": "inexact", "product": [{"property": "http://pot", "value": "clay"}]}]},
            {"code": "duck", "target": [{"equivalence": "unmatched"}]},
        ],
        "unmapped": {"mode": "fixed", "code": "moss", "display": "Moss"},
    }],
}  # fmt: skip


@pytest.fixture
def translate(animals, call):
    animals.put(CONCEPT_MAP)
    return lambda **given: answer(call("ConceptMap/translate", **given))


def targets(found):
    return [(m["equivalence"], m.get("concept", {}).get("code")) for m in found.get("match", ())]


@pytest.mark.parametrize(
    "named",
    [
        {"url": CONCEPT_MAP["url"]}, {"url": CONCEPT_MAP["url"], "conceptMapVersion": "1"}, {"conceptMap": CONCEPT_MAP},
        {"source": CONCEPT_MAP["sourceUri"]}, {"target": CONCEPT_MAP["targetUri"]}, {"targetsystem": PLANTS}, {},
    ],
)  # fmt: skip
def test_a_code_is_translated_by_the_maps_that_fit(translate, named):
    found = translate(system=ANIMALS, code="dog", **named)
    assert (found["result"], targets(found)) == (True, [("wider", "oak")])
    assert found["match"][0]["source"] == "http://example.org/ConceptMap/pets|1"


def test_reverse_finds_what_is_translated_to_a_code(translate):
    found = translate(system=PLANTS, code="oak", url=CONCEPT_MAP["url"], reverse=True)
    assert targets(found) == [("narrower", "dog")]
    assert found["match"][0]["concept"] == {"system": ANIMALS, "code": "dog", "display": "Dog"}


def test_what_a_mapping_depends_on_must_be_given(translate):
    assert targets(translate(system=ANIMALS, code="cat", url=CONCEPT_MAP["url"])) == [("inexact", "palm")]
    small = (("element", "http://size"), ("concept", {"coding": [{"code": "small"}]}))
    found = translate(system=ANIMALS, code="cat", url=CONCEPT_MAP["url"], dependency=small)
    assert targets(found) == [("equal", "fern"), ("inexact", "palm")]
    of_two_systems = (("element", "http://size"), ("concept", {"coding": [{"code": "S"}, {"code": "small"}]}))
    assert translate(system=ANIMALS, code="cat", url=CONCEPT_MAP["url"], dependency=of_two_systems) == found
    assert found["match"][1]["product"] == [{"element": "http://pot", "concept": {"code": "clay"}}]


def test_unmatched_is_no_translation_and_the_unmapped_have_one(translate):
    found = translate(system=ANIMALS, code="duck", url=CONCEPT_MAP["url"])
    assert (found["result"], targets(found)) == (False, [("unmatched", None)])
    assert targets(translate(system=ANIMALS, code="whale", url=CONCEPT_MAP["url"])) == [("inexact", "moss")]


def test_maps_that_refer_to_one_another_in_a_circle_are_refused(animals, call):
    for one, other in (("a", "b"), ("b", "a")):
        group = {"source": ANIMALS, "target": PLANTS, "unmapped": {"mode": "other-map", "url": f"http://m/{other}"}}
        animals.put({"resourceType": "ConceptMap", "url": f"http://m/{one}", "group": [group]})
    with pytest.raises(FhirError, match="in a circle"):
        call("ConceptMap/translate", url="http://m/a", system=ANIMALS, code="dog")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"code": "dog"}, "Give url"),
        ({"url": "http://nowhere", "code": "dog"}, "not known"),
        ({"system": ANIMALS}, "Give the code"),
    ],
)
def test_a_translation_that_names_no_map_or_code_is_an_error(translate, given, message):
    with pytest.raises(FhirError, match=message):
        translate(**given)


def test_shipped_maps_translate(call):
    given = {"system": "http://hl7.org/fhir/administrative-gender", "code": "male"}
    found = answer(
        call("ConceptMap/translate", target="http://terminology.hl7.org/ValueSet/v3-AdministrativeGender", **given)
    )
    assert targets(found) == [("equal", "M")]


def pairs(found):
    return [
        (element["code"], target["code"])
        for group in found.get("group", ())
        for element in group["element"]
        for target in element["target"]
    ]


def codings(*codes):
    return [{"system": ANIMALS, "code": code} for code in codes]


def test_a_closure_table_grows_and_can_be_told_again(call):
    assert pairs(call("ConceptMap/closure", name="mine")) == []
    first = call("ConceptMap/closure", name="mine", concept=codings("dog", "animal"))
    assert (first["version"], pairs(first)) == ("1", [("dog", "animal")])
    second = call("ConceptMap/closure", name="mine", concept=codings("mammal", "dog"))
    assert (second["version"], pairs(second)) == ("2", [("dog", "mammal"), ("mammal", "animal")])
    assert len(pairs(call("ConceptMap/closure", name="mine", version="0"))) == 3
    assert pairs(call("ConceptMap/closure", name="mine", version="1")) == pairs(second)
    assert call("ConceptMap/closure", name="mine")["version"] == "0"
    assert pairs(call("ConceptMap/closure", name="mine", version="0")) == []


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"name": "other", "version": "0"}, "no closure table 'other'"),
        ({}, "Give the name"),
        ({"name": "mine", "concept": {"system": ANIMALS, "code": "unicorn"}}, "'unicorn' is not in"),
        ({"name": "mine", "concept": {"system": "http://nowhere", "code": "a"}}, "not known"),
        ({"name": "mine", "version": "x"}, "version"),
    ],
)
def test_a_closure_that_cannot_be_is_an_error_and_changes_nothing(call, given, message):
    call("ConceptMap/closure", name="mine")
    with pytest.raises(FhirError, match=message):
        call("ConceptMap/closure", **given)
    assert call("ConceptMap/closure", name="mine", version="0")["version"] == "0"


def test_the_capabilities_list_all_code_systems_with_their_versions(animals):
    animals.put(animal_system(version="2.0"))
    found = terminology_capabilities(animals, "http://fhir.test/fhir")
    systems = {system["uri"]: system for system in found["codeSystem"]}
    assert systems[ANIMALS]["version"] == [{"code": "1.0", "isDefault": False}, {"code": "2.0", "isDefault": True}]
    assert {"http://unitsofmeasure.org", "urn:ietf:bcp:47", "http://hl7.org/fhir/sid/cvx"} <= set(systems)
    assert {"name": "filter"} in found["expansion"]["parameter"]
