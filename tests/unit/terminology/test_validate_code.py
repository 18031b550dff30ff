"""$validate-code of CodeSystem and ValueSet, and batches of it."""

import re

import pytest

from fhir_server.core.errors import FhirError
from tests.unit.terminology.conftest import ANIMALS, animal_system, answer, parameter, value_set

MAMMALS = value_set(
    {"system": ANIMALS, "filter": [{"property": "concept", "op": "is-a", "value": "mammal"}]},
    url="http://example.org/ValueSet/mammals",
)


@pytest.fixture
def mammals(animals, call):
    animals.put(MAMMALS)
    return lambda **given: answer(call("ValueSet/validate-code", url=MAMMALS["url"], **given))


def test_a_code_of_a_code_system_is_valid(call):
    found = answer(call("CodeSystem/validate-code", url=ANIMALS, code="dog", display="dog"))
    assert (found["result"], found["display"], found["version"]) == (True, "Dog", "1.0")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"code": "unicorn"}, "'unicorn' is not in the code system"),
        ({"code": "dog", "display": "Cat"}, "The display 'Cat' is wrong .* it is 'Dog'"),
        ({"code": "animal", "abstract": False}, "abstract"),
        ({"coding": {"system": ANIMALS}}, "no code"),
    ],
)
def test_a_wrong_code_is_not_and_the_message_says_why(call, given, message):
    found = answer(call("CodeSystem/validate-code", url=ANIMALS, **given))
    assert found["result"] is False
    assert re.search(message, found["message"])
    assert any(issue["severity"] == "error" for issue in found["issues"]["issue"])


def test_a_designation_is_a_right_display_too(call):
    assert answer(call("CodeSystem/validate-code", url=ANIMALS, code="dog", display="hund"))["result"]


def test_the_official_name_of_a_country_is_no_wrong_display(call):
    given = {"url": "urn:iso:std:iso:3166", "code": "US", "display": "United States of America"}
    found = answer(call("CodeSystem/validate-code", **given))
    assert (found["result"], found["issues"]["issue"][0]["severity"]) == (True, "warning")


def test_a_wrong_display_may_be_a_warning_only(call):
    given = {"url": ANIMALS, "code": "dog", "display": "Cat", "lenient_display_validation": True}
    found = answer(call("CodeSystem/validate-code", **given))
    assert found["result"] and "wrong" in found["message"]


def test_an_inactive_code_is_valid_with_a_warning(call):
    found = answer(call("CodeSystem/validate-code", url=ANIMALS, code="dodo"))
    assert (found["result"], found["inactive"]) == (True, True)
    assert "no longer active" in found["message"]


def test_an_unknown_code_system_is_a_warning_that_says_so(call):
    found = answer(call("CodeSystem/validate-code", url="http://nowhere", code="a"))
    assert (found["result"], found["x-caused-by-unknown-system"]) == (False, "http://nowhere")
    assert [issue["severity"] for issue in found["issues"]["issue"]] == ["warning"]


def test_a_code_that_a_fragment_does_not_have_may_be_valid(service, call):
    service.put(animal_system(url="http://example.org/part", content="fragment"))
    found = answer(call("CodeSystem/validate-code", url="http://example.org/part", code="unicorn"))
    assert found["result"] and "only a part" in found["message"]


def test_a_code_system_may_come_along(call):
    given = {**animal_system(url="http://example.org/other")}
    assert answer(call("CodeSystem/validate-code", codeSystem=given, code="dog"))["result"]
    assert answer(call("CodeSystem/validate-code", given, coding={"code": "dog", "system": given["url"]}))["result"]


def test_a_version_of_a_code_system_says_what_is_in_it(animals, call):
    newer = animal_system(version="2.0")
    newer["concept"].append({"code": "fungus"})
    animals.put(newer)
    coding = {"system": ANIMALS, "code": "fungus"}
    for given in ({"code": "fungus"}, {"coding": coding}, {"codeableConcept": {"coding": [coding]}}):
        assert answer(call("CodeSystem/validate-code", newer, **given))["result"]
        assert not answer(call("CodeSystem/validate-code", animal_system(), **given))["result"]
    changed = animal_system()
    changed["concept"].append({"code": "fungus"})
    assert answer(call("CodeSystem/validate-code", codeSystem=changed, code="fungus"))["result"]


def test_a_coding_of_another_code_system_is_none_of_the_one_that_is_asked_about(service, animals, call):
    service.put(animal_system(url="http://example.org/other"))
    dog = {"system": "http://example.org/other", "code": "dog"}
    found = answer(call("CodeSystem/validate-code", url=ANIMALS, codeableConcept={"coding": [dog]}))
    assert (found["result"], "not of the code system" in found["message"]) == (False, True)
    both = {"coding": [dog, {"code": "cat"}]}
    found = answer(call("CodeSystem/validate-code", url=ANIMALS, codeableConcept=both))
    assert (found["result"], found["code"], found["system"]) == (True, "cat", ANIMALS)


def test_a_code_is_in_a_value_set_or_not(mammals):
    assert mammals(system=ANIMALS, code="dog")["result"]
    assert mammals(code="platypus")["system"] == ANIMALS
    found = mammals(system=ANIMALS, code="duck")
    assert (found["result"], found["display"]) == (False, "Duck")
    assert "not in the value set http://example.org/ValueSet/mammals|1" in found["message"]


def test_a_concept_is_valid_when_one_of_its_codings_is(mammals):
    codings = [{"system": ANIMALS, "code": "duck"}, {"system": ANIMALS, "code": "cat"}]
    found = mammals(codeableConcept={"coding": codings})
    assert (found["result"], found["code"]) == (True, "cat")
    assert found["issues"]["issue"][0]["expression"] == ["CodeableConcept.coding[0].code"]
    assert mammals(codeableConcept={"coding": codings[:1]})["result"] is False
    codings[1]["display"] = "Dog"
    found = mammals(codeableConcept={"coding": codings})
    assert (found["result"], found["code"], found["display"]) == (False, "cat", "Cat")


def test_a_code_without_case_is_listed_in_any_spelling(service, call):
    service.put(animal_system(url="http://example.org/caseless", caseSensitive=False))
    listed = value_set({"system": "http://example.org/caseless", "concept": [{"code": "DOG", "display": "Rex"}]})
    for code in ("dog", "DOG", "Dog"):
        found = answer(call("ValueSet/validate-code", valueSet=listed, system="http://example.org/caseless", code=code))
        assert (found["result"], found["code"], found["display"]) == (True, "dog", "Rex")
    tags = value_set({"system": "urn:ietf:bcp:47", "concept": [{"code": "de-CH"}]})
    assert answer(call("ValueSet/validate-code", valueSet=tags, system="urn:ietf:bcp:47", code="de-ch"))["result"]


def test_a_coding_without_system_has_no_meaning(mammals):
    assert "no system" in mammals(coding={"code": "dog"})["message"]


def test_a_value_set_over_an_unknown_system_cannot_say_no(service, call):
    unknown = value_set({"system": "http://nowhere"}, {"system": ANIMALS})
    found = answer(call("ValueSet/validate-code", valueSet=unknown, coding={"system": "http://nowhere", "code": "a"}))
    assert (found["result"], found["x-caused-by-unknown-system"]) == (False, "http://nowhere")
    found = answer(call("ValueSet/validate-code", valueSet=unknown, code="a"))
    assert [issue["severity"] for issue in found["issues"]["issue"]] == ["warning"]


def test_a_listed_code_of_an_unknown_system_is_valid(call):
    listed = value_set({"system": "http://nowhere", "concept": [{"code": "a", "display": "A"}]})
    found = answer(call("ValueSet/validate-code", valueSet=listed, system="http://nowhere", code="a"))
    assert (found["result"], found["display"]) == (True, "A")


def test_the_value_set_may_be_that_of_an_element(call):
    assert answer(call("ValueSet/validate-code", context="Patient.gender", code="female"))["result"]
    context = "http://hl7.org/fhir/StructureDefinition/Patient#Patient.contact.gender"
    assert answer(call("ValueSet/validate-code", context=context, code="f"))["result"] is False


@pytest.mark.parametrize("context", ["Patient.nothing", "Nothing.gender", "Patient.active", "Patient"])
def test_an_element_without_value_set_is_refused(call, context):
    with pytest.raises(FhirError, match="element"):
        call("ValueSet/validate-code", context=context, code="a")


def test_batches_answer_each_in_order(animals, call):
    animals.put(MAMMALS)
    asked = [
        {"resourceType": "Parameters", "parameter": [parameter("system", ANIMALS), parameter("code", code)]}
        for code in ("dog", "duck")
    ]
    asked.append({"resourceType": "Parameters", "parameter": [parameter("url", "http://nowhere")]})
    found = call("ValueSet/batch-validate-code", url=MAMMALS["url"], validation=asked)
    resources = [each["resource"] for each in found["parameter"]]
    assert [answer(r)["result"] for r in resources[:2]] == [True, False]
    assert resources[2]["resourceType"] == "OperationOutcome"


def test_a_code_only_in_an_older_shipped_version_is_found_there(service):
    assert service.display("http://terminology.hl7.org/CodeSystem/ex-revenue-center", "0370") == "Anaesthesia"


@pytest.mark.parametrize(
    ("given", "result"),
    [
        ({"code": "dog"}, True),
        ({"code": "dog", "inferSystem": False}, False),
        ({"coding": {"code": "dog"}}, False),
        ({"coding": {"code": "dog"}, "inferSystem": True}, True),
        ({"codeableConcept": {"coding": [{"code": "dog"}]}, "inferSystem": True}, True),
        ({"coding": {"code": "duck"}, "inferSystem": True}, False),
    ],
)
def test_the_system_is_found_by_the_value_set_where_asked(mammals, given, result):
    assert mammals(**given)["result"] is result
