"""A terminology service in memory with what ships, and a short way to call its operations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from terminology import Terminology, operations
from terminology.catalog import Shipped

Json = dict[str, Any]
MOMENT = 1_790_000_000_000_000  # microseconds since 1970

ANIMALS = "http://example.org/animals"


@pytest.fixture(scope="session")
def shipped() -> Shipped:
    return Shipped()


@pytest.fixture
def service(shipped):
    service = Terminology(shipped=shipped, clock=lambda: MOMENT)
    yield service
    service.close()


@pytest.fixture
def animals(service) -> Terminology:
    """A service that knows a small code system with all there can be."""
    service.put(animal_system())
    return service


def animal_system(**changes: Any) -> Json:
    """Animals by kind: a tree, in which the platypus has two parents."""

    def concept(code: str, *below: Json, **more: Any) -> Json:
        found = {"code": code, "display": code.capitalize(), **more}
        return {**found, "concept": list(below)} if below else found

    legs = lambda number: [{"code": "legs", "valueInteger": number}]  # noqa: E731
    return {
        "resourceType": "CodeSystem",
        "url": ANIMALS,
        "version": "1.0",
        "name": "Animals",
        "status": "active",
        "content": "complete",
        "language": "en",
        "caseSensitive": True,
        "valueSet": "http://example.org/ValueSet/all-animals",
        "property": [
            {"code": "legs", "type": "integer"},
            {"code": "status", "uri": "http://hl7.org/fhir/concept-properties#status", "type": "code"},
            {"code": "group", "uri": "http://hl7.org/fhir/concept-properties#notSelectable", "type": "boolean"},
            {"code": "diet", "type": "Coding"},
        ],
        "concept": [
            concept(
                "animal",
                concept(
                    "mammal",
                    concept(
                        "dog",
                        concept("poodle", property=legs(4)),
                        property=[*legs(4), {"code": "diet", "valueCoding": {"system": "http://d", "code": "meat"}}],
                        designation=[
                            {"language": "de", "value": "Hund"},
                            {"language": "fr", "value": "chien", "use": {"system": "http://use", "code": "common"}},
                        ],
                        definition="Canis familiaris.",
                    ),
                    concept("cat", property=legs(4), designation=[{"language": "de-CH", "value": "Büsi"}]),
                    concept("whale", property=legs(0)),
                ),
                concept("bird", concept("duck", property=legs(2)), property=[]),
                concept("dodo", property=[{"code": "status", "valueCode": "retired"}, *legs(2)]),
                concept("platypus", property=[{"code": "parent", "valueCode": "mammal"}, *legs(4)]),
                property=[{"code": "group", "valueBoolean": True}],
            )
        ],
        **changes,
    }


def value_set(*includes: Json, url: str = "http://example.org/ValueSet/some", **compose: Any) -> Json:
    """A ValueSet of these includes."""
    return {
        "resourceType": "ValueSet",
        "url": url,
        "version": "1",
        "status": "active",
        "compose": {"include": list(includes), **compose},
    }


def codes_of(expanded: Json) -> list[str]:
    """The codes of an expansion, flat."""
    return [entry["code"] for entry in expanded["expansion"].get("contains", ())]


Call = Callable[..., Json]


def caller(service: Terminology) -> Call:
    """call("ValueSet/expand", url=…, count=…) with Python values for the parameters."""
    known = operations(service)

    def call(name: str, instance: Json | None = None, /, **named: Any) -> Json:
        type, _, code = name.partition("/")
        given = [(key.replace("_", "-"), value) for key, values in named.items() for value in _many(values)]
        return known[type, code]({"parameter": [parameter(*each) for each in given]}, instance)

    return call


def _many(values: Any) -> list[Any]:
    return values if isinstance(values, list) else [values]


def parameter(name: str, value: Any) -> Json:
    """A parameter of a Parameters resource, its type guessed from the Python value."""
    if isinstance(value, dict) and "resourceType" in value:
        return {"name": name, "resource": value}
    if isinstance(value, dict):
        return {"name": name, "valueCodeableConcept" if "coding" in value else "valueCoding": value}
    if isinstance(value, tuple):
        return {"name": name, "part": [parameter(*each) for each in value]}
    kind = "Boolean" if isinstance(value, bool) else "Integer" if isinstance(value, int) else "String"
    return {"name": name, f"value{kind}": value}


def answer(parameters: Json) -> Json:
    """The out-parameters of an answer by name; those that repeat or have parts are lists."""
    found: Json = {}
    for each in parameters["parameter"]:
        if "part" in each:
            found.setdefault(each["name"], []).append(answer({"parameter": each["part"]}))
        else:
            found[each["name"]] = next(value for key, value in each.items() if key != "name")
    return found


@pytest.fixture
def call(animals) -> Call:
    return caller(animals)
