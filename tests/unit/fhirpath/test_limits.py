"""Expressions that never end, blow up or are no expressions: a clear error each, soon."""

from __future__ import annotations

import contextlib
import time
from decimal import Decimal
from typing import Any

import pytest

from fhir_server.definitions import Definitions
from fhir_server.fhirpath import Environment, FhirPathError, compile_path

LITTLE = Environment(max_steps=20_000, max_seconds=0.5)


def run(expression: str, definitions: Definitions, patient: dict[str, Any]) -> None:
    path = compile_path(expression, definitions, "Patient")
    path.evaluate(patient, None, LITTLE)
    path.values(patient, None, LITTLE)
    path.is_true(patient, None, LITTLE)


@pytest.mark.parametrize(
    "expression",
    [
        "1.repeatAll($this)",
        "1.repeat($this + 1)",
        "name.repeatAll('test')",
        "'a'.repeat($this & 'a')",
        "(1 | 2 | 3)" + ".select($this.combine($this))" * 60,
        "'a'" + ".replace('a', 'aaaaaaaaaa')" * 20,
        "descendants().where(%resource.descendants().where(%resource.descendants().exists()).exists())",
        "%resource.name.where(" * 12 + "family = 'x'" + ")" * 12,
        "'" + "a" * 60 + "!'.matches('(a|aa)+$')",
        "'x'.matches('(?R)')",
        f"'x'.matches('{'a' * 5000}')",
        "(" * 5_000 + "1" + ")" * 5_000,
        "-" * 5_000 + "1",
        "1" + "+1" * 5_000,
        "a" + ".a" * 5_000,
        "a." * 30_000 + "a",
    ],
)
def test_too_much_work_is_refused(expression: str, definitions: Definitions, patient: dict[str, Any]) -> None:
    patient["name"] = patient["name"] * 10
    with pytest.raises(FhirPathError) as failure:
        run(expression, definitions, patient)
    assert failure.value.kind == "limit"
    assert failure.value.status == 403
    assert failure.value.expression == expression


def test_what_an_evaluation_waits_for_is_not_its_work(definitions: Definitions, patient: dict[str, Any]) -> None:
    waits = Environment(max_seconds=0.05, trace=lambda name, items: time.sleep(0.1))
    path = compile_path("name.family.trace('').matches('a')", definitions, "Patient")
    assert [result.value for result in path.evaluate({**patient, "name": [{"family": "Chalmers"}]}, None, waits)] == [
        True
    ]


@pytest.mark.parametrize(
    "expression",
    [
        "(" * 20 + "true" + " = true)" * 20,
        "true" + " xor name.given.empty()" * 100,
        "true" + " and (name.exists() or active)" * 100,
        "name.select(" * 50 + "$this" + ")" * 50,
        "name.where(" * 40 + "true" + ")" * 40,
    ],
)
def test_deep_but_small_expressions_are_evaluated(
    expression: str, definitions: Definitions, patient: dict[str, Any]
) -> None:
    run(expression, definitions, patient)


def test_generated_code_shares_one_budget_among_the_parts_that_the_engine_runs(definitions: Definitions) -> None:
    bundle = {
        "resourceType": "Bundle",
        "entry": [{"resource": {"resourceType": "Basic", "id": str(n)}} for n in range(500)],
    }
    path = compile_path("entry.all(%resource.descendants().count() > 1)", definitions, "Bundle")
    with pytest.raises(FhirPathError, match="steps"):
        path.is_true(bundle, None, Environment(max_steps=50_000, max_seconds=5))


def test_numbers_of_absurd_size_are_empty_or_errors(definitions: Definitions) -> None:
    observation = {
        "resourceType": "Observation",
        "valueQuantity": {"value": Decimal("1E+999999"), "code": "g", "system": "http://unitsofmeasure.org"},
    }
    for expression in (
        "value.value.truncate()",
        "value.value * 2",
        "value * 2",
        "value > 1 'mg'",
        "value.value.toString().length() > 100",
        "value.value.lowBoundary()",
        "value.value.round(2)",
        "value.value.power(3)",
    ):
        compile_path(expression, definitions, "Observation").evaluate(observation)


def test_errors_say_where(definitions: Definitions) -> None:
    with pytest.raises(FhirPathError, match=r"There is no function frist\(\); did you mean first\(\)\?.*character 6"):
        compile_path("name.frist()", definitions, "Patient")
    with pytest.raises(FhirPathError, match="no element `famly`; did you mean `family`"):
        compile_path("name.famly", definitions, "Patient", strict=True)
    with pytest.raises(FhirPathError, match=r"Write value.ofType\(Quantity\) for `valueQuantity`"):
        compile_path("Observation.valueQuantity", definitions, "Observation", strict=True)
    with pytest.raises(FhirPathError, match=r"takes 1 to 2 arguments, not 0"):
        compile_path("'a'.substring()", definitions, "Patient")


def test_resources_of_any_shape_are_results_or_clear_errors(definitions: Definitions, patient: dict[str, Any]) -> None:
    paths = [
        compile_path(invariant.expression, definitions, "Patient").is_violated
        for name in definitions.ancestors("Patient")
        for invariant in definitions.types[name].invariants
    ]
    paths += [
        compile_path(branch, definitions, "Patient").values
        for parameter in definitions.search_parameters("Patient").values()
        for branches in parameter.branches.values()
        for branch in branches
        if branch.startswith(("Patient", "Resource", "DomainResource"))
    ]
    paths.append(compile_path("descendants().where($this is Reference).resolve()", definitions, "Patient").evaluate)
    for name in patient:
        for junk in (None, [], {}, "x", 1, True, [None], [[]], ["x"], [{}], [{"given": 1, "reference": 1, "id": []}]):
            for path in paths:
                with contextlib.suppress(FhirPathError):
                    path({**patient, name: junk})
