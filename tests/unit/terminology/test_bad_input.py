"""Whatever comes in, the answer is a resource or an error that says what is wrong."""

# ruff: noqa: E501 - rows of tables

import random
from typing import Any

import pytest

from fhir_server.core.errors import FhirError
from terminology import operations
from terminology.shape import require_shape
from tests.unit.terminology.conftest import ANIMALS, Json, animal_system, parameter, value_set
from tests.unit.terminology.test_operations import CONCEPT_MAP

VALUE_SET = value_set(
    {"system": ANIMALS, "filter": [{"property": "concept", "op": "is-a", "value": "mammal"}]},
    {"valueSet": ["http://hl7.org/fhir/ValueSet/administrative-gender"]},
    {"system": ANIMALS, "concept": [{"code": "dog", "designation": [{"language": "de", "value": "y"}]}]},
    exclude=[{"system": ANIMALS, "concept": [{"code": "cat"}]}],
)
GUEST = animal_system(url="http://example.org/guests")
DEPENDENCY = (("element", "http://size"), ("concept", {"coding": [{"code": "small"}]}))
CALLS: dict[tuple[str, str], list[tuple[str, Any]]] = {
    ("CodeSystem", "lookup"): [("system", ANIMALS), ("code", "dog"), ("property", "legs"), ("tx-resource", GUEST)],
    ("CodeSystem", "validate-code"): [("codeSystem", GUEST), ("coding", {"system": GUEST["url"], "code": "dog"})],
    ("CodeSystem", "subsumes"): [("system", ANIMALS), ("codeA", "dog"), ("codeB", "cat"), ("system-version", ANIMALS)],
    ("CodeSystem", "find-matches"): [("system", ANIMALS), ("exact", False), ("property", (("code", "legs"), ("value", 4)))],
    ("ValueSet", "expand"): [("valueSet", VALUE_SET), ("filter", "d"), ("count", 3), ("designation", "de")],
    ("ValueSet", "validate-code"): [
        ("valueSet", VALUE_SET), ("codeableConcept", {"coding": [{"system": ANIMALS, "code": "dog"}]}),
    ],
    ("ConceptMap", "translate"): [
        ("conceptMap", CONCEPT_MAP), ("coding", {"system": ANIMALS, "code": "cat"}), ("dependency", DEPENDENCY),
    ],
    ("ConceptMap", "closure"): [("name", "x"), ("concept", {"system": ANIMALS, "code": "dog"})],
    ("ValueSet", "batch-validate-code"): [
        ("valueSet", VALUE_SET), ("validation", {"resourceType": "Parameters", "parameter": [parameter("code", "dog")]}),
    ],
}  # fmt: skip
JUNK: list[Any] = [
    None,
    True,
    5,
    -1,
    "",
    " ",
    "x" * 300,
    [],
    {},
    [None],
    [{}],
    {"a": 1},
    "\0",
    "ü",
    "http://x|",
    "|",
    "#",
    "(((",
]


def broken(node: Any, chance: random.Random) -> Any:
    """The same with something in it replaced or taken away."""
    if isinstance(node, dict) and node and chance.random() < 0.85:
        key, luck = chance.choice(list(node)), chance.random()
        rest = {name: value for name, value in node.items() if name != key}
        if luck < 0.15:
            return rest
        return {**node, key: broken(node[key], chance) if luck < 0.75 else chance.choice(JUNK)}
    if isinstance(node, list) and node and chance.random() < 0.85:
        place = chance.randrange(len(node))
        return [broken(item, chance) if i == place else item for i, item in enumerate(node)]
    return chance.choice(JUNK)


@pytest.mark.parametrize("key", CALLS)
def test_broken_calls_are_answered_or_refused(animals, key):
    chance = random.Random(str(key))
    operation = operations(animals)[key]
    for _ in range(300):
        given: Json = {"resourceType": "Parameters", "parameter": [parameter(*each) for each in CALLS[key]]}
        given = broken(broken(given, chance), chance) if chance.random() < 0.3 else broken(given, chance)
        try:
            operation(given, None)
        except FhirError as failure:
            assert str(failure)


@pytest.mark.parametrize("resource", [animal_system(), VALUE_SET, CONCEPT_MAP], ids=lambda r: r["resourceType"])
def test_broken_resources_are_stored_or_refused(service, resource):
    chance = random.Random(resource["resourceType"])
    for _ in range(300):
        given = broken(resource, chance)
        try:
            service.put(given)
            service.value_set(given["url"])
        except FhirError as failure:
            assert str(failure)


@pytest.mark.parametrize(
    ("resource", "message"),
    [
        ({"resourceType": "CodeSystem", "url": 5}, "CodeSystem.url must be text, not '5'"),
        ({"resourceType": "CodeSystem", "url": "a", "concept": {}}, "concept must be a list, not an object"),
        ({"resourceType": "CodeSystem", "url": "a", "concept": [{}]}, "CodeSystem.concept.code is missing"),
        ({"resourceType": "CodeSystem", "url": "a", "caseSensitive": "yes"}, "must be true or false"),
        ({"resourceType": "Nothing"}, "resourceType of R4"),
        ([], "must be a"),
    ],
)
def test_a_wrong_shape_is_told_with_its_path(resource, message):
    with pytest.raises(FhirError, match=message):
        require_shape(resource, "Resource", "CodeSystem", optional=True)
