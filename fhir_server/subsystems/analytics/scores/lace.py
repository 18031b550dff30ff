"""LACE: the risk of death or readmission within 30 days of a discharge (van Walraven et al., CMAJ 2010; 182:551)."""

from __future__ import annotations

from typing import Any

from fhir_server.client import FhirClient
from fhir_server.core.errors import error
from fhir_server.search.dates import DAY, date_range
from fhir_server.subsystems.analytics.scores.assessment import Input, Score
from fhir_server.subsystems.analytics.scores.conditions import Disease, conditions, found, inputs

STAY = ((0, 0), (1, 1), (2, 2), (3, 3), (6, 4), (13, 5))  # days up to which there are so many points; 7 beyond
BEYOND = 7
INPATIENT, EMERGENCY = ("IMP", "ACUTE", "NONAC"), "EMER"
HALF_YEAR = 183
GONE = ("cancelled", "entered-in-error", "planned")


def _diabetes(complications: str) -> tuple[str, ...]:
    """Codes of diabetes with one of these fourth characters."""
    return tuple(f"E1{kind}{fourth}" for kind in "01234" for fourth in complications)


# the Charlson weights as LACE has them, with the codes of Quan et al. (Med Care 2005; 43:1130); four and more are 5
DISEASES = (
    Disease("previous myocardial infarction", 1, ("I21", "I22", "I252"), ("22298006", "399211009")),
    Disease("cerebrovascular disease", 1, ("G45", "G46", "I6"), ("230690007", "62914000")),
    Disease("peripheral vascular disease", 1, ("I70", "I71", "I731", "I738", "I739", "I771", "I79", "Z958", "Z959"),
            ("400047006",)),
    Disease("diabetes without complications", 1, _diabetes("01689"), ("44054006", "46635009")),
    Disease("congestive heart failure", 2, ("I099", "I110", "I130", "I132", "I255", "I42", "I43", "I50"),
            ("42343007", "88805009")),
    Disease("diabetes with end organ damage", 2, _diabetes("23457"), ("127013003", "422034002")),
    Disease("chronic pulmonary disease", 2, ("J4", "J60", "J61", "J62", "J63", "J64", "J65", "J66", "J67"),
            ("13645005", "195967001")),
    Disease("mild liver or renal disease", 2, ("B18", "K700", "K701", "K702", "K703", "K709", "K713", "K714",
            "K715", "K717", "K73", "K74", "K760", "N181", "N182", "N183", "N189", "N19"), ("431856006", "433144002")),
    Disease("any tumour", 2,
            ("C0", "C1", "C2", "C3", "C40", "C41", "C43", "C45", "C46", "C47", "C48", "C49", "C5", "C6", "C70", "C71",
             "C72", "C73", "C74", "C75", "C76", "C81", "C82", "C83", "C84", "C85", "C88", "C9"), ("363346000",)),
    Disease("dementia", 3, ("F00", "F01", "F02", "F03", "G30"), ("52448006", "26929004")),
    Disease("connective tissue disease", 3, ("M05", "M06", "M32", "M33", "M34"), ("69896004", "55464009")),
    Disease("AIDS", 4, ("B20", "B21", "B22", "B24"), ("62479008",)),
    Disease("moderate or severe liver or renal disease", 4,
            ("I850", "I859", "K704", "K711", "K721", "K729", "K765", "K766", "K767", "N184", "N185", "N186"),
            ("431857002", "433146000", "46177005")),
    Disease("metastatic solid tumour", 6, ("C77", "C78", "C79", "C80"), ("128462008",)),
)  # fmt: skip

Json = dict[str, Any]


async def lace(client: FhirClient, patient: str) -> Score:
    """The score of a patient (an id) for the newest stay that has ended; FhirError "not-found" where there is none."""
    stays = await found(client, "Encounter", [("patient", patient)])
    ended = [(span, each) for each in stays if each.get("class", {}).get("code") in INPATIENT and (span := _span(each))]
    if not ended:
        raise error(
            "not-found", f"LACE of Patient/{patient} needs an inpatient Encounter with the start and end of its period."
        )
    (start, end), stay = max(ended, key=lambda each: each[0][1])
    this = (f"Encounter/{stay['id']}",)
    days = (end - start) // DAY
    acute = _acute(stay)
    diseases = inputs(DISEASES, await conditions(client, patient))
    weight = sum(each.points for each in diseases)
    visits = [
        f"Encounter/{each['id']}"
        for each in stays
        if each.get("class", {}).get("code") == EMERGENCY and each is not stay and each.get("status") not in GONE
        and (begun := date_range(each.get("period", {}).get("start", "")))
        and start - HALF_YEAR * DAY <= begun[0] < start
    ]  # fmt: skip
    those = [each.name for each in diseases if each.points]
    listed = [
        Input("length of stay", next((p for most, p in STAY if days <= most), BEYOND), f"{days} days", this),
        Input("acute admission", 3 if acute else 0, "yes" if acute else "no", this),
        Input("comorbidity", 5 if weight >= 4 else weight, ", ".join(those) or "none",
              tuple(reference for each in diseases if each.points for reference in each.references)),
        Input("emergency visits in 6 months", min(len(visits), 4), str(len(visits)), tuple(visits)),
    ]  # fmt: skip
    points = sum(each.points for each in listed)
    risk = "high" if points >= 10 else "moderate" if points >= 5 else "low"
    return Score(
        "LACE", "LACE (van Walraven et al., 2010)", "Death or readmission within 30 days", risk, listed, this[0]
    )


def _span(encounter: Json) -> tuple[int, int] | None:
    period = encounter.get("period", {})
    start, end = date_range(period.get("start", "")), date_range(period.get("end", ""))
    return (start[0], end[0]) if start and end and encounter.get("status") not in GONE else None


def _acute(encounter: Json) -> bool:
    """Whether the admission was an emergency: by its priority, its class or where the patient came from."""
    said = [encounter.get("priority", {}), encounter.get("hospitalization", {}).get("admitSource", {})]
    codes = {coding.get("code") for concept in said for coding in concept.get("coding", ())}
    return not codes.isdisjoint({"EM", "E", "emd", "UR"}) or encounter.get("class", {}).get("code") == "ACUTE"
