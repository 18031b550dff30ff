"""From a result back to what made it, and forward from a message."""

from pathlib import Path

import pytest

from fhir_server.core.errors import FhirError
from fhir_server.subsystems.tracing import trace
from tests.conftest import Fhir
from tests.unit.subsystems.workforce.ward import Ward, practitioner

pytestmark = pytest.mark.anyio


async def test_from_a_shift_that_is_worked_back_to_the_message_that_brought_the_person(fhir: Fhir, tmp_path: Path):
    ward = await Ward(fhir, tmp_path).open("anna")
    await fhir.create(practitioner("anna", ends="2026-10-31"))
    await fhir.create({
        "resourceType": "Provenance", "id": "v2-1", "target": [{"reference": "Practitioner/anna"}],
        "recorded": "2026-09-01T00:00:00Z", "agent": [{"who": {"display": "HR|HOSPITAL"}}],
        "entity": [{"role": "source", "what": {"identifier": {"system": "urn:messages", "value": "MSG7"}}}],
    })  # fmt: skip
    await ward.settle()
    [task] = await ward.found("Task")
    found = await trace(fhir.server, f"Task/{task['id']}")
    assert [(step.depth, step.reference, step.how) for step in found.back] == [
        (1, "Practitioner/anna", "qualification ends"), (2, "message MSG7", "made")
    ]  # fmt: skip
    assert found.back[1].said == "HR|HOSPITAL"
    forward = await trace(fhir.server, "MSG7")
    assert [(step.depth, step.reference) for step in forward.forward] == [
        (1, "Practitioner/anna"), (2, f"Task/{task['id']}")
    ]  # fmt: skip


async def test_what_nothing_tells_of_has_no_steps_and_what_is_not_there_is_said(fhir: Fhir):
    await fhir.create({"resourceType": "Patient", "id": "p"})
    found = await trace(fhir.server, "Patient/p")
    assert (found.back, found.forward) == ([], [])
    for unknown in ("Patient/none", "no-message", "", "Patient/", "a/b/c", "journal/7"):
        with pytest.raises(FhirError, match="There is no"):
            await trace(fhir.server, unknown)


async def test_a_circle_ends(fhir: Fhir):
    for one, other in (("a", "b"), ("b", "a")):
        await fhir.create({"resourceType": "Patient", "id": one})
        await fhir.create({
            "resourceType": "Provenance", "target": [{"reference": f"Patient/{one}"}],
            "recorded": "2026-09-01T00:00:00Z",
            "agent": [{"who": {"display": "x"}}],
            "entity": [{"role": "source", "what": {"reference": f"Patient/{other}"}}],
        })  # fmt: skip
    found = await trace(fhir.server, "Patient/a")
    assert [step.reference for step in found.back] == ["Patient/b"]
