"""CodeSystem/$lookup."""

import pytest

from fhir_server.core.errors import FhirError
from tests.unit.terminology.conftest import ANIMALS, animal_system, answer, value_set


def properties(found):
    return {(p["code"], str(p["value"])) for p in found["property"]}


def test_all_that_is_known_of_a_code_is_told(call):
    found = answer(call("CodeSystem/lookup", system=ANIMALS, code="dog"))
    assert (found["name"], found["version"], found["display"]) == ("Animals", "1.0", "Dog")
    assert {d["value"] for d in found["designation"]} == {"Hund", "chien"}
    assert properties(found) >= {
        ("legs", "4"), ("parent", "mammal"), ("child", "poodle"), ("inactive", "False"),
        ("definition", "Canis familiaris."),
    }  # fmt: skip


def test_only_the_properties_that_are_asked_for_are_told(call):
    found = answer(call("CodeSystem/lookup", system=ANIMALS, code="dog", property=["legs", "lang.de"]))
    assert properties(found) == {("legs", "4")}
    assert [d["value"] for d in found["designation"]] == ["Hund"]


@pytest.mark.parametrize(
    ("language", "display"),
    [("de", "Hund"), ("fr-CH", "chien"), ("it, fr;q=0.5, de;q=0.1", "chien"), ("en", "Dog"), ("it", "Dog")],
)
def test_the_display_is_in_the_language_asked_for(call, language, display):
    assert answer(call("CodeSystem/lookup", system=ANIMALS, code="dog", displayLanguage=language))["display"] == display


def test_a_coding_says_code_and_system(call):
    found = answer(call("CodeSystem/lookup", coding={"system": ANIMALS, "code": "dodo"}))
    assert ("inactive", "True") in properties(found)


def test_an_abstract_code_says_so(call):
    assert answer(call("CodeSystem/lookup", system=ANIMALS, code="animal"))["abstract"] is True


@pytest.mark.parametrize(
    ("given", "category", "message"),
    [
        ({"system": ANIMALS, "code": "unicorn"}, "not-found", "'unicorn' is not in http://example.org/animals"),
        ({"system": ANIMALS, "code": "Dog"}, "not-found", "'Dog' is not in"),
        ({"system": "http://nowhere", "code": "a"}, "not-found", "http://nowhere is not known"),
        ({"system": ANIMALS, "code": "dog", "version": "9"}, "not-found", "versions known: 1.0"),
        ({"system": ANIMALS}, "required", "code and system"),
        ({"code": "dog"}, "required", "give system"),
        ({"sytem": ANIMALS, "code": "dog"}, "unsupported-parameter", "Did you mean 'system'"),
        ({"system": ANIMALS, "code": ["dog", "cat"]}, "value", "may stand once"),
        ({"system": ANIMALS, "code": "dog", "date": "2020-01-01"}, "not-supported", "name a version"),
        ({"system": "http://unitsofmeasure.org", "code": "mgg"}, "not-found", "there is no unit 'mgg'"),
    ],
)
def test_what_cannot_be_looked_up_is_an_error_that_says_why(call, given, category, message):
    with pytest.raises(FhirError, match=message) as failure:
        call("CodeSystem/lookup", **given)
    assert failure.value.category == category


def test_systems_that_differ_by_case_only_in_their_codes_find_either(service):
    service.put(animal_system(caseSensitive=False))
    assert service.display(ANIMALS, "DOG") == "Dog"


def test_a_supplement_adds_designations_and_properties(call, animals):
    animals.put(
        {
            "resourceType": "CodeSystem", "url": "http://example.org/animals-it", "version": "1", "status": "active",
            "content": "supplement", "supplements": ANIMALS,
            "concept": [{"code": "cat", "designation": [{"language": "it", "value": "gatto"}],
                         "property": [{"code": "sound", "valueString": "miao"}]}],
        }
    )  # fmt: skip
    found = answer(call("CodeSystem/lookup", system=ANIMALS, code="cat", displayLanguage="it"))
    assert found["display"] == "gatto"
    call("CodeSystem/lookup", system=ANIMALS, code="cat", useSupplement="http://example.org/animals-it")
    with pytest.raises(FhirError, match="animals-fi is not known"):
        call("CodeSystem/lookup", system=ANIMALS, code="cat", useSupplement="http://example.org/animals-fi")
    assert ("sound", "miao") in properties(found)
    cats = value_set({"system": ANIMALS, "concept": [{"code": "cat"}]})
    (cat,) = call("ValueSet/expand", valueSet=cats, property=["sound"])["expansion"]["contains"]
    assert cat["extension"][0]["extension"][1] == {"url": "value", "valueString": "miao"}


def test_versions_live_side_by_side_and_the_newest_is_used(call, animals):
    newer = animal_system(version="1.10")
    newer["concept"][0]["display"] = "Animal!"
    animals.put(newer)
    assert answer(call("CodeSystem/lookup", system=ANIMALS, code="animal"))["version"] == "1.10"
    assert answer(call("CodeSystem/lookup", system=ANIMALS, code="animal", version="1.0"))["display"] == "Animal"
    named = {"system_version": f"{ANIMALS}|1.0"}
    assert answer(call("CodeSystem/lookup", system=ANIMALS, code="animal", **named))["version"] == "1.0"
    animals.store.prefer(ANIMALS, "1.0")
    assert answer(call("CodeSystem/lookup", system=ANIMALS, code="animal"))["version"] == "1.0"
