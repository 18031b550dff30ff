"""Every official example goes into the store and comes back as it was."""

import decimal
import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Fhir
from tests.official_examples import official_examples

pytestmark = pytest.mark.anyio

SET_BY_SERVER = ("versionId", "lastUpdated")


def content(body: bytes) -> Any:
    """What was sent, without what the server sets; decimals with their digits."""
    resource = json.loads(body, parse_float=decimal.Decimal)
    meta = {name: value for name, value in resource.pop("meta", {}).items() if name not in SET_BY_SERVER}
    resource.pop("id", None)
    return {**resource, "meta": meta}


def digits(value: Any) -> Any:
    """The same with each decimal as the text of its digits, so that 1.0 and 1.00 differ."""
    if isinstance(value, dict):
        return {name: digits(child) for name, child in value.items()}
    if isinstance(value, list):
        return [digits(child) for child in value]
    return str(value) if isinstance(value, decimal.Decimal) else value


async def test_every_example_survives_the_store(fhir: Fhir) -> None:
    reasons = json.loads((Path(__file__).parents[1] / "data/validation/refused_examples.json").read_text("utf-8"))
    names_refused = {name for reason in reasons for name in reason["examples"]}
    changed, wrongly_refused, wrongly_accepted = [], [], []
    for name, body in official_examples():
        type = json.loads(body)["resourceType"]
        answer = await fhir("POST", type, body)
        if name in names_refused:
            if answer.status_code == 201:
                wrongly_accepted.append(name)
        elif answer.status_code != 201:
            wrongly_refused.append((name, answer.status_code, answer.text[:200]))
        else:
            stored = await fhir.get(f"{type}/{answer.json()['id']}", accept="application/fhir+json")
            if digits(content(stored.content)) != digits(content(body)):
                changed.append(name)
    assert (changed, wrongly_refused, wrongly_accepted) == ([], [], [])
    assert await fhir.server.check() == []
