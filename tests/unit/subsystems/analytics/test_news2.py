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


async def test_measurements_of_another_day_are_not_mixed(fhir: Fhir):
    await fhir.create({"resourceType": "Patient", "id": "p"})
    await measure(fhir, {**WELL, "3151-8": 4})
    await pressure(fhir, 120)
    assert (await news2(fhir.server, "p")).score == 2
    await measure(fhir, {"9279-1": 26}, "2026-01-03")
    with pytest.raises(FhirError, match=r"pulse of the same day \(Observation/o8867-4-2026-01-01"):
        await news2(fhir.server, "p")
    later = {code: value for code, value in WELL.items() if code != "9279-1"}
    await measure(fhir, {**later, "8480-6": 120}, "2026-01-03")
    found = await news2(fhir.server, "p")
    assert (found.score, found.inputs[5].found) == (3, "air, assumed: no observation")


async def test_an_alertness_that_was_not_found_out_leaves_it_to_the_coma_scale(fhir: Fhir):
    await fhir.create({"resourceType": "Patient", "id": "p"})
    await measure(fhir, WELL)
    await pressure(fhir, 120)
    unknown = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/data-absent-reason", "code": "unknown"}]}
    await fhir.create({"resourceType": "Observation", "id": "acvpu", "status": "final", "dataAbsentReason": unknown,
                       "subject": {"reference": "Patient/p"}, "effectiveDateTime": "2026-01-01T08:00:00Z",
                       "code": {"coding": [{"system": LOINC, "code": "80288-4"}]}})  # fmt: skip
    assert (await news2(fhir.server, "p")).score == 0
