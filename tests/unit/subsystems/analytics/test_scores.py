"""LACE and CHA2DS2-VASc, with their inputs named."""

import datetime
from typing import Any

import pytest

from fhir_server.core.errors import FhirError
from fhir_server.subsystems.analytics.scores.assessment import risk_assessment
from fhir_server.subsystems.analytics.scores.cha2ds2_vasc import cha2ds2_vasc
from fhir_server.subsystems.analytics.scores.lace import lace
from tests.conftest import Fhir

pytestmark = pytest.mark.anyio

TODAY = datetime.date(2026, 10, 1)
ICD = "http://hl7.org/fhir/sid/icd-10-cm"


async def ill(fhir: Fhir, id: str, code: str, system: str = ICD, **others: Any) -> None:
    await fhir.create({"resourceType": "Condition", "id": id, "subject": {"reference": "Patient/p"},
                       "code": {"coding": [{"system": system, "code": code}]}, **others})  # fmt: skip


async def stayed(fhir: Fhir, id: str, kind: str, start: str, end: str, **others: Any) -> None:
    await fhir.create({"resourceType": "Encounter", "id": id, "status": "finished", "class": {"code": kind},
                       "subject": {"reference": "Patient/p"}, "period": {"start": start, "end": end},
                       **others})  # fmt: skip


@pytest.mark.parametrize(
    ("born", "gender", "codes", "score", "risk"),
    [
        ("1990-01-01", "male", [], 0, "low"),
        ("1990-01-01", "female", [], 1, "low"),
        ("1961-10-02", "male", ["I10"], 1, "moderate"),  # 64: a day before the birthday
        ("1961-10-01", "male", ["I10"], 2, "high"),
        ("1951", "female", ["I50.9", "I10", "E11.9", "I63.9", "I70.0"], 8, "high"),  # 74 for certain
        ("1951-09", "female", ["I50.9", "I10", "E11.9", "I63.9", "I70.0"], 9, "high"),
    ],
)
async def test_cha2ds2_vasc(fhir: Fhir, born: str, gender: str, codes: list[str], score: int, risk: str):
    await fhir.create({"resourceType": "Patient", "id": "p", "birthDate": born, "gender": gender})
    for number, code in enumerate(codes):
        await ill(fhir, f"c{number}", code)
    found = await cha2ds2_vasc(fhir.server, "p", TODAY)
    assert (found.score, found.risk) == (score, risk)


async def test_cha2ds2_vasc_says_what_it_needs_and_takes_no_refuted_condition(fhir: Fhir):
    await fhir.create({"resourceType": "Patient", "id": "p"})
    with pytest.raises(FhirError, match="needs birthDate and gender"):
        await cha2ds2_vasc(fhir.server, "p", TODAY)
    await fhir.create({"resourceType": "Patient", "id": "p", "birthDate": "1990-01-01", "gender": "male"})
    await ill(fhir, "c", "I50", verificationStatus={"coding": [{
        "system": "http://terminology.hl7.org/CodeSystem/condition-ver-status", "code": "refuted"}]})  # fmt: skip
    await ill(fhir, "d", "38341003", "http://snomed.info/sct")
    found = await cha2ds2_vasc(fhir.server, "p", TODAY)
    assert [(each.name, each.references) for each in found.inputs if each.points] == [
        ("hypertension", ("Condition/d",))
    ]


async def test_lace_of_the_newest_stay_is_stored_with_its_basis(fhir: Fhir):
    await fhir.create({"resourceType": "Patient", "id": "p"})
    with pytest.raises(FhirError, match="needs an inpatient Encounter"):
        await lace(fhir.server, "p")
    await stayed(fhir, "old", "IMP", "2026-01-01", "2026-01-31")
    await stayed(fhir, "new", "IMP", "2026-08-01", "2026-08-06", priority={"coding": [{"code": "EM"}]})
    await stayed(fhir, "e1", "EMER", "2026-06-01", "2026-06-01")
    await stayed(fhir, "e2", "EMER", "2025-06-01", "2025-06-01")
    await ill(fhir, "copd", "J44.1")
    await ill(fhir, "heart", "I50.9")
    found = await lace(fhir.server, "p")
    assert [each.points for each in found.inputs] == [4, 3, 5, 1]
    assert (found.score, found.risk) == (13, "high")
    stored = risk_assessment("p", found, "2026-10-01T00:00:00Z")
    await fhir.create(stored)
    assert [each["reference"] for each in stored["basis"]] == [
        "Encounter/new", "Condition/heart", "Condition/copd", "Encounter/e1"
    ]  # fmt: skip


@pytest.mark.parametrize(("end", "points"), [("2026-08-01", 0), ("2026-08-02", 1), ("2026-08-04", 3), ("2026-08-05", 4),
                                             ("2026-08-08", 5), ("2026-08-14", 5), ("2026-08-15", 7)])  # fmt: skip
async def test_the_length_of_stay_has_the_points_of_its_band(fhir: Fhir, end: str, points: int):
    await fhir.create({"resourceType": "Patient", "id": "p"})
    await stayed(fhir, "e", "IMP", "2026-08-01", end)
    assert (await lace(fhir.server, "p")).inputs[0].points == points


@pytest.mark.parametrize(
    ("code", "points"),
    [("E11.65", 1), ("E11.9", 1), ("E11.51", 2), ("E10.22", 2), ("C44.0", 0), ("C50.9", 2), ("K74.6", 2), ("J46", 2),
     ("N18.9", 2), ("I25.5", 2), ("Z95.8", 1), ("B20", 5), ("C79.5", 5)],
)  # fmt: skip
async def test_comorbidity_of_lace_is_charlsons(fhir: Fhir, code: str, points: int):
    await fhir.create({"resourceType": "Patient", "id": "p"})
    await stayed(fhir, "s", "IMP", "2026-09-01", "2026-09-02")
    await stayed(fhir, "no-show", "EMER", "2026-08-01", "2026-08-01", status="cancelled")
    await ill(fhir, "c", code)
    found = await lace(fhir.server, "p")
    assert {each.name: each.points for each in found.inputs if each.points} == (
        {"length of stay": 1, "comorbidity": points} if points else {"length of stay": 1}
    )
