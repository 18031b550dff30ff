"""Generated code and the engine agree on expressions that nobody would write, made at random from a fixed seed."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from fhir_server.definitions import Definitions
from fhir_server.fhirpath import FhirPathError, compile_path

PATHS = [
    "name",
    "name.given",
    "name.family",
    "name.use",
    "telecom",
    "telecom.value",
    "birthDate",
    "active",
    "deceased",
    "contact.name.family",
    "contained",
    "contained.id",
    "generalPractitioner",
    "generalPractitioner.reference",
    "managingOrganization",
    "identifier.period.start",
    "id",
    "gender",
    "extension",
    "photo.title",
    "Patient",
    "Patient.name",
    "%resource.name.given",
    "birthDate.extension.value",
]
MEMBERS = [
    "use",
    "given",
    "family",
    "value",
    "system",
    "reference",
    "id",
    "$this",
    "exists()",
    "hasValue()",
    "extension",
]
LITERALS = ["'official'", "'Peter'", "true", "false", "1", "0", "1.5", "@1974-12-25", "{}", "'x'", "1 'm'"]
TYPES = ["string", "HumanName", "dateTime", "boolean", "Patient", "Organization", "code", "Reference", "Element"]
TAILS = [
    "count()",
    "exists()",
    "empty()",
    "isDistinct()",
    "not()",
    "hasValue()",
    "length()",
    "toString()",
    "first()",
    "tail()",
    "distinct()",
    "[1]",
    "startsWith('P')",
    "matches('^P')",
    "children()",
]


class Expressions:
    """Random expressions of limited depth."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def collection(self, depth: int) -> str:
        choose = self.random.choice
        if depth <= 0 or self.random.random() < 0.3:
            return choose(PATHS)
        source = self.collection(depth - 1)
        return choose(
            (
                lambda: f"{source}.where({self.condition(depth - 1)})",
                lambda: f"{source}.select({choose(MEMBERS)})",
                lambda: f"({source} | {self.collection(depth - 1)})",
                lambda: f"{source}.ofType({choose(TYPES)})",
                lambda: f"({source} as {choose(TYPES)})",
                lambda: f"{source}{'' if (tail := choose(TAILS))[0] == '[' else '.'}{tail}",
                lambda: f"{source}.{choose(MEMBERS[:7])}",
                lambda: choose(LITERALS),
            )
        )()

    def condition(self, depth: int) -> str:
        choose = self.random.choice
        operand = choose((choose(MEMBERS), choose(LITERALS), self.collection(depth - 1)))
        if depth <= 0 or self.random.random() < 0.3:
            return f"{operand} {choose(('=', '!=', '~', '<', '>='))} {choose(LITERALS)}"
        return choose(
            (
                lambda: (
                    f"({self.condition(depth - 1)} {choose(('and', 'or', 'xor', 'implies'))} "
                    f"{self.condition(depth - 1)})"
                ),
                lambda: f"{self.collection(depth - 1)}.all({self.condition(depth - 1)})",
                lambda: f"{self.collection(depth - 1)}.exists({self.condition(depth - 1)})",
                lambda: f"{operand} in ({choose(LITERALS)} | {choose(LITERALS)})",
                lambda: f"{operand} is {choose(TYPES)}",
                lambda: f"{self.collection(depth - 1)}.count() > {self.random.randrange(3)}",
                lambda: f"{operand}.not()",
            )
        )()


def outcome(evaluate: Any, patient: dict[str, Any]) -> Any:
    try:
        found = evaluate(patient)
    except FhirPathError as failure:
        return failure
    return sorted(json.dumps(f, default=str, sort_keys=True) for f in found) if isinstance(found, list) else found


@pytest.mark.parametrize("seed", range(8))
def test_generated_code_agrees_with_the_engine(seed: int, definitions: Definitions, patient: dict[str, Any]) -> None:
    patient["_gender"] = {"extension": [{"url": "u", "valueInteger": 3}]}
    patient["extension"] = [{"url": "a", "valueString": "x"}, {"url": "d", "valueDate": "2020-01"}]
    expressions = Expressions(seed)
    for number in range(400):
        text = expressions.collection(3) if number % 2 else expressions.condition(3)
        try:
            path = compile_path(text, definitions, "Patient", strict=number % 3 == 0)
        except FhirPathError:
            continue
        for generated, engine in (
            (path.values, path._engine_values),
            (path.is_true, path._engine_is_true),
            (path.is_violated, path._engine_is_violated),
        ):
            expected = outcome(engine, patient)
            if not isinstance(expected, FhirPathError):  # generated code may stop before it comes to what is wrong
                assert outcome(generated, patient) == expected, text
