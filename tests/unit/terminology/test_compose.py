"""What a value set is composed of: includes, excludes, filters, other value sets."""

import asyncio

import pytest

from fhir_server.core.errors import FhirError
from tests.unit.terminology.conftest import ANIMALS, codes_of, value_set


def filtered(property, op, value):
    return {"system": ANIMALS, "filter": [{"property": property, "op": op, "value": value}]}


FILTERS = [
    ("concept", "is-a", "dog", "dog poodle"),
    ("concept", "descendent-of", "mammal", "dog poodle cat whale platypus"),
    ("concept", "is-not-a", "animal", ""),
    ("concept", "is-not-a", "mammal", "animal bird duck dodo"),
    ("concept", "generalizes", "poodle", "animal mammal dog poodle"),
    ("concept", "generalizes", "platypus", "animal mammal platypus"),
    ("concept", "in", "dog, cat,unicorn", "dog cat"),
    ("concept", "not-in", "dog,cat,mammal,animal,bird", "poodle whale duck dodo platypus"),
    ("concept", "=", "duck", "duck"),
    ("concept", "is-a", "unicorn", ""),
    ("code", "regex", "d.*", "dog duck dodo"),
    ("display", "regex", "D(og|uck)", "dog duck"),
    ("display", "=", "Dog", "dog"),
    ("legs", "=", "2", "duck dodo"),
    ("legs", "in", "0,2", "whale duck dodo"),
    ("legs", "not-in", "4", "animal mammal whale bird duck dodo"),
    ("legs", "exists", "true", "dog poodle cat whale duck dodo platypus"),
    ("legs", "exists", "false", "animal mammal bird"),
    ("legs", "regex", "[02]", "whale duck dodo"),
    ("parent", "=", "mammal", "dog cat whale platypus"),
    ("child", "=", "platypus", "animal mammal"),
    ("child", "exists", "false", "poodle cat whale duck dodo platypus"),
    ("ancestor", "=", "bird", "duck"),
    ("inactive", "=", "true", "dodo"),
    ("notSelectable", "=", "false", "mammal dog poodle cat whale bird duck dodo platypus"),
    ("status", "=", "retired", "dodo"),
    ("diet", "exists", "true", "dog"),
]


@pytest.mark.parametrize(("property", "op", "value", "codes"), FILTERS)
def test_filters_choose_codes_and_membership_agrees(call, animals, property, op, value, codes):
    asked = value_set(filtered(property, op, value))
    assert set(codes_of(call("ValueSet/expand", valueSet=asked))) == set(codes.split())
    animals.put(asked)
    every = codes_of(call("ValueSet/expand", valueSet=value_set({"system": ANIMALS})))
    assert {code for code in every if animals.member_of(asked["url"], ANIMALS, code)} == set(codes.split())


def test_all_filters_of_an_include_must_hold(call):
    both = filtered("concept", "is-a", "mammal")
    both["filter"].append({"property": "legs", "op": "=", "value": "4"})
    assert codes_of(call("ValueSet/expand", valueSet=value_set(both))) == ["dog", "poodle", "cat", "platypus"]


@pytest.mark.parametrize(
    ("include", "message"),
    [
        (filtered("colour", "=", "red"), "no property 'colour' .* it has: .*legs"),
        (filtered("concept", "like", "x"), "operator 'like' is not one of"),
        (filtered("code", "regex", "(a+"), "without its '\\)'"),
        (filtered("legs", "exists", "maybe"), "true or false"),
        ({"filter": [{"property": "a", "op": "=", "value": "b"}]}, "no system"),
        ({}, "neither system nor valueSet"),
        ({**filtered("legs", "=", "2"), "concept": [{"code": "dog"}]}, "both concept and filter"),
        ({"valueSet": ["#gone"]}, "not contained"),
    ],
)
def test_a_compose_that_makes_no_sense_is_an_error_that_says_why(call, include, message):
    with pytest.raises(FhirError, match=message):
        call("ValueSet/expand", valueSet=value_set(include))


def test_a_pattern_that_would_explode_does_not(call):
    assert codes_of(call("ValueSet/expand", valueSet=value_set(filtered("code", "regex", "((a+)+)+b")))) == []


def test_excluded_codes_are_not_in(call, animals):
    without = value_set(
        filtered("concept", "is-a", "mammal"),
        exclude=[filtered("concept", "is-a", "dog"), {"system": ANIMALS, "concept": [{"code": "whale"}]}],
    )
    assert codes_of(call("ValueSet/expand", valueSet=without)) == ["mammal", "cat", "platypus"]
    animals.put(without)
    assert not animals.member_of(without["url"], ANIMALS, "poodle")
    assert animals.member_of(without["url"], ANIMALS, "cat")


def test_value_sets_of_value_sets(call, animals):
    mammals = value_set(filtered("concept", "is-a", "mammal"), url="http://example.org/ValueSet/mammals")
    four_legs = value_set(filtered("legs", "=", "4"), url="http://example.org/ValueSet/four-legs")
    animals.put(mammals)
    animals.put(four_legs)
    both = value_set({"valueSet": [mammals["url"], four_legs["url"]]})
    assert codes_of(call("ValueSet/expand", valueSet=both)) == ["dog", "poodle", "cat", "platypus"]
    either = value_set({"valueSet": [four_legs["url"]]}, {"valueSet": [mammals["url"]]})
    assert codes_of(call("ValueSet/expand", valueSet=either)) == ["dog", "poodle", "cat", "platypus", "mammal", "whale"]
    narrowed = value_set(
        {"system": ANIMALS, "concept": [{"code": "cat"}, {"code": "duck"}], "valueSet": [mammals["url"]]}
    )
    assert codes_of(call("ValueSet/expand", valueSet=narrowed)) == ["cat"]
    outside = value_set({"system": ANIMALS}, exclude=[{"valueSet": [mammals["url"]]}])
    assert codes_of(call("ValueSet/expand", valueSet=outside)) == ["animal", "bird", "duck", "dodo"]


def test_a_contained_value_set_may_be_named(call):
    inner = {**value_set({"system": ANIMALS, "concept": [{"code": "dog"}]}), "id": "inner"}
    asked = {**value_set({"valueSet": ["#inner"]}), "contained": [inner]}
    asked["contained"][0].pop("url")
    assert codes_of(call("ValueSet/expand", valueSet=asked)) == ["dog"]


def test_value_sets_in_a_circle_are_refused_with_the_circle(call, animals):
    first, second = "http://example.org/ValueSet/first", "http://example.org/ValueSet/second"
    animals.put(value_set({"valueSet": [second]}, url=first))
    animals.put(value_set({"valueSet": [first]}, url=second))
    with pytest.raises(FhirError, match=f"builds on itself: {first} -> {second} -> {first}"):
        call("ValueSet/expand", url=first)


def test_an_unknown_value_set_in_it_is_named(call, animals):
    asked = value_set({"valueSet": ["http://nowhere/ValueSet"]})
    with pytest.raises(FhirError, match="http://nowhere/ValueSet is not known"):
        call("ValueSet/expand", valueSet=asked)
    animals.put(asked)
    assert animals.member_of(asked["url"], ANIMALS, "dog") is None


def test_a_code_that_is_listed_but_not_in_its_system_is_in_no_expansion(call):
    asked = value_set({"system": ANIMALS, "concept": [{"code": "unicorn"}, {"code": "dog", "display": "Doggy"}]})
    found = call("ValueSet/expand", valueSet=asked)["expansion"]["contains"]
    assert [(entry["code"], entry["display"]) for entry in found] == [("dog", "Doggy")]


def test_a_value_set_without_compose_is_its_expansion(animals):
    entries = [{"system": ANIMALS, "code": "dog", "contains": [{"system": ANIMALS, "code": "poodle"}]}]
    animals.put(
        {"resourceType": "ValueSet", "url": "http://e", "expansion": {"timestamp": "2026", "contains": entries}}
    )
    assert animals.codes("http://e") == [(ANIMALS, "dog"), (ANIMALS, "poodle")]


async def _port(service, method, *arguments):
    return await getattr(service, method)(*arguments)


@pytest.mark.parametrize(
    ("method", "arguments", "expected"),
    [
        ("below", (ANIMALS, "dog"), ("dog", "poodle")),
        ("above", (ANIMALS, "dog"), ("animal", "mammal", "dog")),
        ("below", (ANIMALS, "unicorn"), None),
        ("expand", ("http://nowhere",), None),
        ("validate_code", ("http://nowhere", ANIMALS, "dog"), None),
        ("validate_code", ("http://example.org/ValueSet/all-animals", ANIMALS, "dog"), True),
        ("validate_code", ("http://example.org/ValueSet/all-animals", ANIMALS, "unicorn"), False),
        ("validate_code", ("http://example.org/ValueSet/all-animals", "", "dog"), True),
    ],
)
def test_search_and_validation_ask_through_the_port(animals, method, arguments, expected):
    assert asyncio.run(_port(animals, method, *arguments)) == expected
