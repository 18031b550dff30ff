"""ValueSet/$expand."""

import pytest

from fhir_server.core.errors import FhirError
from terminology import Terminology
from tests.unit.terminology.conftest import ANIMALS, animal_system, caller, codes_of, value_set

ALL = value_set({"system": ANIMALS})
MAMMALS = value_set({"system": ANIMALS, "filter": [{"property": "concept", "op": "is-a", "value": "mammal"}]})


def test_codes_come_in_the_order_of_the_code_system(call):
    found = call("ValueSet/expand", valueSet=ALL)
    expected = ["animal", "mammal", "dog", "poodle", "cat", "whale", "bird", "duck", "dodo", "platypus"]
    assert codes_of(found) == expected
    assert found["expansion"]["total"] == 10
    assert found["expansion"]["contains"][0] == {
        "system": ANIMALS, "version": "1.0", "abstract": True, "code": "animal", "display": "Animal",
    }  # fmt: skip


def test_pages_follow_one_another(call):
    pages = [call("ValueSet/expand", valueSet=ALL, count=4, offset=offset) for offset in (0, 4, 8, 12)]
    assert [len(codes_of(page)) for page in pages] == [4, 4, 2, 0]
    assert all(page["expansion"]["total"] == 10 for page in pages)
    assert [c for page in pages for c in codes_of(page)] == codes_of(call("ValueSet/expand", valueSet=ALL))


def test_a_count_of_zero_gives_the_total_alone(call):
    found = call("ValueSet/expand", valueSet=ALL, count=0)["expansion"]
    assert (found["total"], "contains" in found) == (10, False)


@pytest.mark.parametrize(
    ("text", "codes"),
    [("po", ["poodle"]), ("DO", ["dog", "dodo"]), ("hund", ["dog"]), ("busi", ["cat"]), ("oodle", []), ("-", [])],
)
def test_a_filter_finds_the_beginnings_of_words(call, text, codes):
    assert codes_of(call("ValueSet/expand", valueSet=ALL, filter=text)) == codes
    both = value_set({"system": ANIMALS, "concept": [{"code": code} for code in ("dog", "poodle", "cat", "dodo")]})
    assert codes_of(call("ValueSet/expand", valueSet=both, filter=text)) == [c for c in codes if c != "animal"]


def test_inactive_codes_are_left_out_where_asked(call):
    assert "dodo" not in codes_of(call("ValueSet/expand", valueSet=ALL, activeOnly=True))
    assert "dodo" not in codes_of(call("ValueSet/expand", valueSet=value_set({"system": ANIMALS}, inactive=False)))


def test_abstract_codes_are_not_for_a_user_interface(call):
    assert "animal" not in codes_of(call("ValueSet/expand", valueSet=ALL, excludeNotForUI=True))


def test_the_hierarchy_is_shown_where_asked(call):
    (root,) = call("ValueSet/expand", valueSet=ALL, excludeNested=False)["expansion"]["contains"]
    assert [child["code"] for child in root["contains"]] == ["mammal", "bird", "dodo", "platypus"]
    assert root["contains"][0]["contains"][0]["contains"][0]["code"] == "poodle"


def test_designations_and_languages(call):
    given = {"valueSet": MAMMALS, "includeDesignations": True, "displayLanguage": "de"}
    dog = next(e for e in call("ValueSet/expand", **given)["expansion"]["contains"] if e["code"] == "dog")
    assert dog["display"] == "Hund"
    assert {d["value"] for d in dog["designation"]} == {"Hund", "chien"}
    chosen = call("ValueSet/expand", valueSet=MAMMALS, designation=["urn:ietf:bcp:47|fr"])["expansion"]["contains"]
    assert [d["value"] for entry in chosen for d in entry.get("designation", ())] == ["chien"]


def test_properties_are_told_where_asked(call):
    found = call("ValueSet/expand", valueSet=MAMMALS, property=["legs"])["expansion"]["contains"]
    values = {e["code"]: e["extension"][0]["extension"][1] for e in found if "extension" in e}
    assert values["whale"] == {"url": "value", "valueInteger": 0}


def test_what_shaped_the_expansion_is_told(call):
    found = call("ValueSet/expand", valueSet=ALL, filter="d", count=1)["expansion"]
    assert {"name": "filter", "valueString": "d"} in found["parameter"]
    assert {"name": "version", "valueUri": f"{ANIMALS}|1.0"} in found["parameter"]
    assert found["identifier"] == call("ValueSet/expand", valueSet=ALL, filter="d", count=1)["expansion"]["identifier"]


def test_the_definition_is_told_where_asked(call):
    assert "compose" not in call("ValueSet/expand", valueSet=ALL)
    assert call("ValueSet/expand", valueSet=ALL, includeDefinition=True)["compose"] == ALL["compose"]


def test_a_value_set_is_found_by_url_version_and_instance(animals, call):
    animals.put(ALL)
    url = ALL["url"]
    for given in ({"url": url}, {"url": f"{url}|1"}, {"url": url, "valueSetVersion": "1"}):
        assert len(codes_of(call("ValueSet/expand", **given))) == 10
    assert len(codes_of(call("ValueSet/expand", ALL))) == 10
    with pytest.raises(FhirError, match="not known"):
        call("ValueSet/expand", url=url, valueSetVersion="2")


def test_the_codes_of_a_system_are_a_value_set_by_the_url_that_it_names(call):
    assert len(codes_of(call("ValueSet/expand", url="http://example.org/ValueSet/all-animals"))) == 10


def test_too_many_codes_are_too_costly_but_pages_of_them_are_not(shipped):
    service = Terminology(shipped=shipped, limit=5)
    service.put(animal_system())
    call = caller(service)
    twice = value_set({"system": ANIMALS}, {"system": ANIMALS, "concept": [{"code": "dog"}]})
    for each in (ALL, twice):
        with pytest.raises(FhirError, match="more than 5 codes"):
            call("ValueSet/expand", valueSet=each)
        assert len(codes_of(call("ValueSet/expand", valueSet=each, count=3))) == 3


@pytest.mark.parametrize(
    ("given", "category", "message"),
    [
        ({"url": "http://nowhere/ValueSet"}, "not-found", "http://nowhere/ValueSet is not known"),
        ({}, "required", "give url"),
        ({"url": "http://hl7.org/fhir/ValueSet/ucum-units"}, "too-costly", "grammar"),
        ({"valueSet": value_set({"system": "http://nowhere"})}, "not-found", "http://nowhere is not known"),
        ({"valueSet": ALL, "count": "many"}, "value", "whole number"),
        ({"valueSet": ALL, "count": "-1"}, "value", "whole number"),
        ({"valueSet": ALL, "activeOnly": "perhaps"}, "value", "true or false"),
        ({"valueSet": {"resourceType": "Patient"}}, "value", "must have a ValueSet"),
        ({"valueSet": ALL, "filters": "x"}, "unsupported-parameter", "Did you mean 'filter'"),
    ],
)
def test_what_cannot_be_expanded_is_an_error_that_says_why(call, given, category, message):
    with pytest.raises(FhirError, match=message) as failure:
        call("ValueSet/expand", **given)
    assert failure.value.category == category


def test_resources_of_the_request_are_known_in_it_alone(service):
    call = caller(service)
    other = animal_system(url="http://example.org/guests")
    asked = value_set({"system": "http://example.org/guests"}, url="http://example.org/ValueSet/guests")
    assert len(codes_of(call("ValueSet/expand", url=asked["url"], tx_resource=[other, asked]))) == 10
    with pytest.raises(FhirError, match="not known"):
        call("ValueSet/expand", url=asked["url"])


def test_the_version_to_use_can_be_said_forced_and_checked(animals, call):
    newer = animal_system(version="2.0")
    newer["concept"].append({"code": "unicorn"})
    animals.put(newer)
    assert "unicorn" in codes_of(call("ValueSet/expand", valueSet=ALL))
    assert "unicorn" not in codes_of(call("ValueSet/expand", valueSet=ALL, system_version=f"{ANIMALS}|1.0"))
    pinned = value_set({"system": ANIMALS, "version": "1.0"})
    assert "unicorn" not in codes_of(call("ValueSet/expand", valueSet=pinned))
    assert "unicorn" in codes_of(call("ValueSet/expand", valueSet=pinned, force_system_version=f"{ANIMALS}|2.0"))
    with pytest.raises(FhirError, match=r"check-system-version wants version 2\.0"):
        call("ValueSet/expand", valueSet=pinned, check_system_version=f"{ANIMALS}|2.0")


def test_code_systems_can_be_left_out(call):
    both = value_set({"system": ANIMALS}, {"system": "http://nowhere", "concept": [{"code": "a"}]})
    assert codes_of(call("ValueSet/expand", valueSet=both, exclude_system=ANIMALS)) == ["a"]
    assert codes_of(call("ValueSet/expand", valueSet=both, exclude_system=f"{ANIMALS}|1.0")) == ["a"]
    assert len(codes_of(call("ValueSet/expand", valueSet=both, exclude_system=f"{ANIMALS}|0.9"))) > 1


def test_parameters_are_repeated_with_their_types_however_they_were_given(animals, call):
    animals.put(ALL)
    texts = {"count": "3", "activeOnly": "true", "displayLanguage": "de"}  # as a GET gives them
    found = call("ValueSet/expand", url=ALL["url"], **texts)["expansion"]["parameter"]
    assert {"name": "count", "valueInteger": 3} in found
    assert {"name": "activeOnly", "valueBoolean": True} in found
    assert {"name": "displayLanguage", "valueCode": "de"} in found


def test_the_value_set_that_a_code_system_names_is_of_the_version_in_use(animals, call):
    newer = animal_system(version="2.0")
    newer["concept"].append({"code": "fungus"})
    animals.put(newer)
    url = newer["valueSet"]
    assert "fungus" in codes_of(call("ValueSet/expand", url=url))
    assert "fungus" not in codes_of(call("ValueSet/expand", url=f"{url}|1.0"))
    assert "fungus" not in codes_of(call("ValueSet/expand", url=url, valueSetVersion="1.0"))
    with pytest.raises(FhirError, match=r"3\.0 is not known"):
        call("ValueSet/expand", url=f"{url}|3.0")
    animals.store.prefer(ANIMALS, "1.0")
    assert "fungus" not in codes_of(call("ValueSet/expand", url=url))
    assert "fungus" in codes_of(call("ValueSet/expand", url=f"{url}|2.0"))
