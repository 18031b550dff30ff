"""CHA2DS2-VASc: the risk of stroke in atrial fibrillation (Lip and others, Chest 2010; 137:263)."""

from __future__ import annotations

import datetime

from fhir_server.client import FhirClient
from fhir_server.core.errors import error
from fhir_server.subsystems.analytics.scores.assessment import Input, Score
from fhir_server.subsystems.analytics.scores.conditions import Disease, conditions, inputs, patient_of

DISEASES = (
    Disease("congestive heart failure", 1, ("I110", "I130", "I132", "I255", "I42", "I43", "I50"),
            ("42343007", "84114007", "88805009", "85232009")),
    Disease("hypertension", 1, ("I10", "I11", "I12", "I13", "I15"), ("38341003", "59621000")),
    Disease("diabetes", 1, ("E10", "E11", "E12", "E13", "E14"), ("73211009", "44054006", "46635009")),
    Disease("stroke, TIA or thromboembolism", 2, ("G45", "I63", "I64", "I693", "I74", "Z8673"),
            ("230690007", "266257000", "422504002")),
    Disease("vascular disease", 1, ("I21", "I22", "I252", "I70", "I71", "I739"),
            ("22298006", "399211009", "400047006", "399957001")),
)  # fmt: skip


async def cha2ds2_vasc(client: FhirClient, patient: str, today: datetime.date) -> Score:
    """The score of a patient (an id); FhirError "not-found" names what is missing."""
    resource = await patient_of(client, patient)
    born, gender = str(resource.get("birthDate", "")), resource.get("gender")
    missing = [what for what, there in (("birthDate", born), ("gender", gender in ("female", "male"))) if not there]
    if missing:
        raise error("not-found", f"CHA2DS2-VASc of Patient/{patient} needs {' and '.join(missing)} (female or male).")
    age = _age(born, today)
    this = (f"Patient/{patient}",)
    found = [
        *inputs(DISEASES, await conditions(client, patient)),
        Input("age", 2 if age >= 75 else 1 if age >= 65 else 0, f"{age}", this),
        Input("sex", 1 if gender == "female" else 0, str(gender), this),
    ]
    points = sum(each.points for each in found) - (gender == "female")
    risk = "low" if points <= 0 else "moderate" if points == 1 else "high"
    return Score("CHA2DS2-VASc", "CHA2DS2-VASc (Lip et al., 2010)", "Stroke in atrial fibrillation", risk, found)


def _age(born: str, today: datetime.date) -> int:
    """Whole years; of a birth date without a day or month, those that are certain."""
    year, month, day = [int(part) for part in (born.split("-") + ["12", "31"][len(born.split("-")) - 1 :])[:3]]
    return today.year - year - ((today.month, today.day) < (month, day))
