"""NEWS2 by the chart of the Royal College of Physicians."""

from decimal import Decimal

import pytest

from fhir_server.core.errors import FhirError
from fhir_server.subsystems.analytics.scores.news2 import (
    PULSE,
    RESPIRATION,
    SATURATION,
    SATURATION_2_OXYGEN,
    SYSTOLIC,
    TEMPERATURE,
    news2,
    points,
    risk_assessment,
)
from tests.conftest import Fhir

pytestmark = pytest.mark.anyio

LOINC = "http://loinc.org"
WELL = {"9279-1": 16, "59408-5": 97, "8867-4": 70, "8310-5": 37, "9269-2": 15}


@pytest.mark.parametrize(
    ("bands", "edges"),
    [
        (RESPIRATION.bands, {"8": 3, "9": 1, "11": 1, "12": 0, "20": 0, "21": 2, "24": 2, "25": 3}),
        (SATURATION.bands, {"91": 3, "92": 2, "93": 2, "94": 1, "95": 1, "96": 0}),
        (SATURATION_2_OXYGEN, {"83": 3, "84": 2, "86": 1, "88": 0, "92": 0, "93": 1, "95": 2, "97": 3}),
        (SYSTOLIC.bands, {"90": 3, "91": 2, "100": 2, "101": 1, "110": 1, "111": 0, "219": 0, "220": 3}),
        (PULSE.bands, {"40": 3, "41": 1, "50": 1, "51": 0, "90": 0, "91": 1, "110": 1, "111": 2, "130": 2, "131": 3}),
        (TEMPERATURE.bands, {"35.0": 3, "35.1": 1, "36.0": 1, "36.1": 0, "38.0": 0, "38.1": 1, "39.0": 1, "39.1": 2}),
    ],
)
def test_the_edges_of_every_band(bands, edges):
    assert {value: points(bands, Decimal(value)) for value in edges} == edges


async def measure(fhir: Fhir, values: dict[str, float], date: str = "2026-01-01") -> None:
    common = {"status": "final", "subject": {"reference": "Patient/p"}, "effectiveDateTime": f"{date}T08:00:00Z"}
    for code, value in values.items():
        body = {
            "resourceType": "Observation",
            "id": f"o{code}-{date}",
            "code": {"coding": [{"system": LOINC, "code": code}]},
        }
        await fhir.create({**body, **common, "valueQuantity": {"value": value}})


async def pressure(fhir: Fhir, systolic: int) -> None:
    part = {"code": {"coding": [{"system": LOINC, "code": "8480-6"}]}, "valueQuantity": {"value": systolic}}
    await fhir.create(
        {"resourceType": "Observation", "id": "bp", "status": "final", "subject": {"reference": "Patient/p"},
         "code": {"coding": [{"system": LOINC, "code": "85354-9"}]}, "effectiveDateTime": "2026-01-01T08:00:00Z",
         "component": [part]}
    )  # fmt: skip


async def test_the_newest_measurements_count_and_are_named(fhir: Fhir):
    await fhir.create({"resourceType": "Patient", "id": "p"})
    await measure(fhir, WELL)
    await pressure(fhir, 120)
    found = await news2(fhir.server, "p")
    assert (found.score, found.risk) == (0, "low")
    await measure(fhir, {"9279-1": 26, "3151-8": 2}, "2026-01-02")
    found = await news2(fhir.server, "p")
    assert (found.score, found.risk) == (5, "medium")
    resource = risk_assessment("p", found, "2026-01-02T09:00:00Z")
    assert {"reference": "Observation/o9279-1-2026-01-02"} in resource["basis"]
    assert "respiration rate 26: 3" in resource["note"][0]["text"]
    assert (await fhir.post("RiskAssessment", resource)).status_code == 201


async def test_what_is_missing_is_named(fhir: Fhir):
    await fhir.create({"resourceType": "Patient", "id": "p"})
    await measure(fhir, WELL)
    with pytest.raises(FhirError, match="needs systolic blood pressure"):
        await news2(fhir.server, "p")
