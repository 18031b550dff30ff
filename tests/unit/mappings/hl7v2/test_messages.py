"""Messages that others wrote become resources that R4 allows."""

import asyncio
from pathlib import Path

import pytest

from fhir_server.codec import json
from fhir_server.definitions import load
from interfaces.hl7v2.er7 import parse
from mappings.hl7v2.translating import translate
from profiles.validator import Validator

MESSAGES = sorted((Path(__file__).parents[3] / "data" / "hl7v2" / "messages").glob("*.hl7"))
VALIDATOR = Validator(load())


def errors(bundle):
    """What is wrong with the resources of a transaction, as the strictest writes see it (validation = "declared").

    A message that says a heart rate in beats/min can't become a vital sign of R4, which $validate would want of it.
    """
    found = []
    for entry in json.parse(json.serialize(bundle))["entry"]:
        resource = entry["resource"]
        for issue in (*VALIDATOR.check(resource), *VALIDATOR.conformance(resource)):
            if issue.severity in ("error", "fatal"):
                found.append((resource["resourceType"], issue.expression, issue.diagnostics))
    return found


@pytest.mark.parametrize("path", MESSAGES, ids=lambda path: path.stem)
def test_messages_of_others_become_valid_resources(path):
    made = asyncio.run(translate(parse(path.read_bytes()), trace=True))
    assert made.errors == []
    assert errors(made.bundle) == []
    assert made.traced
    assert {entry["resource"]["resourceType"] for entry in made.bundle["entry"]} >= {"Patient", "Provenance"}


def test_a_message_makes_the_same_transaction_each_time():
    import datetime

    raw = MESSAGES[0].read_bytes()
    now = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    first, second = (asyncio.run(translate(parse(raw), now=now)) for _ in range(2))
    assert json.serialize(first.bundle) == json.serialize(second.bundle)


def test_an_extension_that_may_be_there_once_is_told_where_the_message_has_more():
    raw = b"MSH|^~\\&|A|B|||2024||ADT^A04|1|P|2.5\rPID|1||1||Doe^Jane|Smith~Brown\rPV1|1|O\r"
    made = asyncio.run(translate(parse(raw)))
    patient = next(e["resource"] for e in made.bundle["entry"] if e["resource"]["resourceType"] == "Patient")
    assert [each["valueString"] for each in patient["extension"]] == ["Smith"]
    assert errors(made.bundle) == []
    assert any("patient-mothersMaidenName may be there once" in each for each in made.issues)
