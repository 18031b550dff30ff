"""Every official example is accepted, or stands in refused_examples.json with a reason."""

import json
from pathlib import Path

from tests.official_examples import official_examples

from .conftest import decode

REFUSED = json.loads((Path(__file__).parents[2] / "data/validation/refused_examples.json").read_text("utf-8"))


def test_official_examples_are_accepted_but_for_those_that_are_wrong(validator):
    expected = {name: set(group["rules"]) for group in REFUSED for name in group["examples"]}
    found = {}
    for name, data in official_examples():
        resource = decode(data)
        if name == "package/package.json":
            continue
        rules = {issue.rule for issue in validator.check(resource) if issue.severity == "error"}
        if rules:
            found[name] = rules
    assert found.keys() == expected.keys()
    assert all(rules <= expected[name] for name, rules in found.items())
