"""Resources that are each wrong in one way are refused with exactly that: one issue, its path and its rule."""

import pytest

from .conftest import json_lines

CASES = [*json_lines("structure.jsonl"), *json_lines("invariants.jsonl")]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_refuses_exactly_the_mistake(validator, case):
    issues = validator.check(case["resource"])
    assert [(i.expression, i.rule) for i in issues] == [(case["path"], case["rule"])]
    assert issues[0].diagnostics and issues[0].severity == "error"


@pytest.mark.parametrize("resource", json_lines("bases.jsonl"), ids=lambda resource: resource["resourceType"])
def test_accepts_what_the_collection_is_made_from(validator, resource):
    assert validator.check(resource) == []
