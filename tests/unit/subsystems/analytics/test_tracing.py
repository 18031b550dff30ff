"""From an indicator of a month back to what it is made of."""

from pathlib import Path

import pytest

from fhir_server.core.errors import FhirError
from fhir_server.core.settings import Settings
from fhir_server.subsystems.analytics.mounted import make
from fhir_server.subsystems.subsystem import catch_up
from fhir_server.subsystems.tracing import trace
from tests.conftest import Fhir

pytestmark = pytest.mark.anyio

STAY = {"resourceType": "Encounter", "id": "stay", "status": "finished", "class": {"code": "IMP"},
        "subject": {"reference": "Patient/anna"}, "period": {"start": "2026-03-05T10:00:00Z",
                                                             "end": "2026-03-08T10:00:00Z"}}  # fmt: skip
TOLD = {"resourceType": "Provenance", "target": [{"reference": "Encounter/stay"}], "recorded": "2026-03-05T10:00:00Z",
        "activity": {"text": "ADT^A01"}, "agent": [{"who": {"display": "ward"}}],
        "entity": [{"role": "source", "what": {"identifier": {"value": "MSG7"}}}]}  # fmt: skip


async def test_an_indicator_leads_to_its_rows_and_to_their_messages(fhir: Fhir, tmp_path: Path):
    await fhir.create({"resourceType": "Patient", "id": "anna"})
    await fhir.create(STAY)
    await fhir.create(TOLD)
    analytics = make(Settings(data=tmp_path))
    await catch_up(fhir.server, analytics)
    found = await trace(fhir.server, "indicator/length_of_stay/2026-03", analytics.links)
    assert [(step.depth, step.reference) for step in found.back] == [(1, "Encounter/stay"), (2, "message MSG7")]
    assert "3 days" in found.back[0].said
    forward = (await trace(fhir.server, "Encounter/stay", analytics.links)).forward
    counted = [step.reference for step in forward if step.reference.startswith("indicator/")]
    assert counted == ["indicator/admissions/2026-03", "indicator/bed_days/2026-03", "indicator/length_of_stay/2026-03",
                       "indicator/readmissions_30_days/2026-03"]  # fmt: skip
    of_message = await trace(fhir.server, "MSG7", analytics.links)
    assert "indicator/bed_days/2026-03" in {step.reference for step in of_message.forward}
    assert (await trace(fhir.server, "Patient/anna", analytics.links)).forward == []
    for wrong, said in (("indicator/lenght_of_stay/2026-03", "Did you mean length_of_stay"),
                        ("indicator/length_of_stay/2026-04", "has no rows in 2026-04"),
                        ("indicator/length_of_stay", "months are YYYY-MM")):  # fmt: skip
        with pytest.raises(FhirError, match=said):
            await trace(fhir.server, wrong, analytics.links)
