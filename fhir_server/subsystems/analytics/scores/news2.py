"""NEWS2, the National Early Warning Score (Royal College of Physicians, 2017), from the newest Observations.

The tables are those of the chart: an upper bound, and the points of values up to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, NamedTuple

from fhir_server.api import Request
from fhir_server.client import FhirClient
from fhir_server.codec.json import decode
from fhir_server.core.errors import error
from fhir_server.search.dates import DAY, date_range

LOINC = "http://loinc.org"

Json = dict[str, Any]
Bands = tuple[tuple[Decimal, int], ...]


def _bands(*pairs: tuple[str, int]) -> Bands:
    return tuple((Decimal(bound), points) for bound, points in pairs)


class Parameter(NamedTuple):
    """A measured parameter: its name, LOINC codes best first, digits it is rounded to, bands of values."""

    name: str
    codes: tuple[str, ...]
    step: str
    bands: Bands


RESPIRATION = Parameter(
    "respiration rate", ("9279-1",), "1", _bands(("8", 3), ("11", 1), ("20", 0), ("24", 2), ("Infinity", 3))
)
SATURATION = Parameter(
    "oxygen saturation", ("59408-5", "2708-6"), "1", _bands(("91", 3), ("93", 2), ("95", 1), ("Infinity", 0))
)
SYSTOLIC = Parameter(
    "systolic blood pressure", ("8480-6",), "1", _bands(("90", 3), ("100", 2), ("110", 1), ("219", 0), ("Infinity", 3))
)
PULSE = Parameter(
    "pulse", ("8867-4",), "1",
    _bands(("40", 3), ("50", 1), ("90", 0), ("110", 1), ("130", 2), ("Infinity", 3)),
)  # fmt: skip
TEMPERATURE = Parameter(
    "temperature", ("8310-5",), "0.1", _bands(("35.0", 3), ("36.0", 1), ("38.0", 0), ("39.0", 1), ("Infinity", 2))
)
MEASURED = (RESPIRATION, SATURATION, SYSTOLIC, PULSE, TEMPERATURE)
# scale 2, for patients with hypercapnic respiratory failure whose target is 88 to 92 %
SATURATION_2_AIR = _bands(("83", 3), ("85", 2), ("87", 1), ("Infinity", 0))
SATURATION_2_OXYGEN = _bands(("83", 3), ("85", 2), ("87", 1), ("92", 0), ("94", 1), ("96", 2), ("Infinity", 3))

FLOW, FRACTION = "3151-8", "3150-6"  # inhaled oxygen: flow rate, fraction in %
COMA_SCALE, ALERTNESS = "9269-2", "80288-4"  # Glasgow coma score total; level of consciousness, ACVPU
ALERT = frozenset({"LA9340-6", "248234008", "alert"})  # LOINC's answer, SNOMED CT, as text
SINGLE_RED = 3
TOGETHER = DAY  # microseconds within which the measurements of a score are made


class Input(NamedTuple):
    """One input: its name, points, what was found, the Observation that says it, "" where it is assumed, and when that
    was made, in microseconds, 0 where it does not say."""

    name: str
    points: int
    found: str
    reference: str
    made: int = 0


NO_OXYGEN = Input("supplemental oxygen", 0, "air, assumed: no observation", "")


class News2(NamedTuple):
    """The score and its inputs."""

    score: int
    inputs: Sequence[Input]

    @property
    def risk(self) -> str:
        """low, low-medium (a single parameter scores 3), medium or high."""
        if self.score >= 7:
            return "high"
        if self.score >= 5:
            return "medium"
        return "low-medium" if any(each.points == SINGLE_RED for each in self.inputs) else "low"


def points(bands: Bands, value: Decimal) -> int:
    """The points of a value."""
    return next(given for bound, given in bands if value <= bound)


async def news2(client: FhirClient, patient: str, *, scale: int = 1) -> News2:
    """The score of a patient (an id) from the newest measurements; FhirError "not-found" names what is missing, or is
    from more than a day before the newest of them.

    Without an observation of oxygen, the patient breathes air, and the input says so.
    """
    inputs: list[Input] = []
    missing: list[str] = []
    oxygen = await _oxygen(client, patient)
    for parameter in MEASURED:
        found = await _newest(client, patient, parameter.codes)
        if found is None:
            missing.append(f"{parameter.name} (LOINC {parameter.codes[0]})")
            continue
        value, unit, observation = found
        if parameter is TEMPERATURE and unit in ("[degF]", "degF", "F"):
            value = (value - 32) * 5 / 9
        value = value.quantize(Decimal(parameter.step), ROUND_HALF_UP)
        bands = parameter.bands
        if parameter is SATURATION and scale == 2:
            bands = SATURATION_2_OXYGEN if oxygen.points else SATURATION_2_AIR
        inputs.append(Input(parameter.name, points(bands, value), f"{value}", _key(observation), _made(observation)))
    conscious = await _consciousness(client, patient)
    if conscious is None:
        missing.append(f"consciousness (LOINC {ALERTNESS} or {COMA_SCALE})")
    else:
        inputs.append(conscious)
    newest = max((each.made for each in inputs), default=0)
    for each in inputs:
        if newest - each.made > TOGETHER:
            missing.append(f"{each.name} of the same day ({each.reference} is from more than a day before)")
    if newest - oxygen.made > TOGETHER:
        oxygen = NO_OXYGEN
    if missing:
        raise error("not-found", f"NEWS2 of Patient/{patient} needs {', '.join(missing)}.")
    inputs.insert(-1, oxygen)  # before consciousness, as on the chart
    return News2(sum(each.points for each in inputs), inputs)


async def _oxygen(client: FhirClient, patient: str) -> Input:
    for code, none in ((FLOW, Decimal(0)), (FRACTION, Decimal(21))):
        found = await _newest(client, patient, (code,))
        if found is not None:
            value, _, observation = found
            given = value > none
            said = "oxygen" if given else "air"
            return Input("supplemental oxygen", 2 if given else 0, said, _key(observation), _made(observation))
    return NO_OXYGEN


async def _consciousness(client: FhirClient, patient: str) -> Input | None:
    stated = await _observation(client, patient, ALERTNESS)
    said: set[str] = set()
    if stated is not None:
        value = stated.get("valueCodeableConcept", {})
        said = {coding.get("code", "") for coding in value.get("coding", ())}
        said |= {str(value.get("text", "")).lower(), str(stated.get("valueString", "")).lower()}
        said |= {str(coding.get("display", "")).lower() for coding in value.get("coding", ())}
        said.discard("")
    if stated is not None and said:
        alert = not said.isdisjoint(ALERT)
        return Input(
            "consciousness", 0 if alert else SINGLE_RED, "alert" if alert else "not alert", _key(stated), _made(stated)
        )
    found = await _newest(client, patient, (COMA_SCALE,))
    if found is None:
        return None
    value, _, observation = found
    points = 0 if value >= 15 else SINGLE_RED
    return Input("consciousness", points, f"Glasgow coma score {value}", _key(observation), _made(observation))


async def _newest(client: FhirClient, patient: str, codes: Sequence[str]) -> tuple[Decimal, str, Json] | None:
    """(value, unit, Observation) of the newest observation of one of the codes, be it a component."""
    for code in codes:
        observation = await _observation(client, patient, code)
        for place in (observation, *observation.get("component", ())) if observation else ():
            named = any(c.get("code") == code for c in place.get("code", {}).get("coding", ()))
            value = place.get("valueQuantity", {}).get("value", place.get("valueInteger"))
            if named and value is not None:
                unit = place.get("valueQuantity", {}).get("code", "")
                return Decimal(str(value)), unit, observation or {}
    return None


async def _observation(client: FhirClient, patient: str, code: str) -> Json | None:
    query = [
        ("patient", patient),
        ("combo-code", f"{LOINC}|{code}"),
        ("status", "final,amended,corrected,preliminary"),
        ("_sort", "-date"),
        ("_count", "1"),
    ]
    bundle = decode((await client.perform(Request("GET", ("Observation",), query))).body)
    return next((entry["resource"] for entry in bundle.get("entry", ())), None)


def _made(observation: Json) -> int:
    """When an Observation was made, 0 where it does not say."""
    period = observation.get("effectivePeriod", {})
    said = (
        observation.get("effectiveDateTime"),
        observation.get("effectiveInstant"),
        period.get("end"),
        period.get("start"),
    )
    span = date_range(next(filter(None, said), ""))
    return span[1] if span else 0


def _key(observation: Json) -> str:
    return f"Observation/{observation.get('id')}"


def risk_assessment(patient: str, found: News2, moment: str) -> Json:
    """The score as a RiskAssessment: its basis are the observations, its note names each input and its points."""
    listed = "; ".join(f"{each.name} {each.found}: {each.points}" for each in found.inputs)
    references = dict.fromkeys(each.reference for each in found.inputs if each.reference)
    return {
        "resourceType": "RiskAssessment",
        "status": "final",
        "method": {"text": "NEWS2 (Royal College of Physicians, 2017)"},
        "code": {"text": "National Early Warning Score 2"},
        "subject": {"reference": f"Patient/{patient}"},
        "occurrenceDateTime": moment,
        "basis": [{"reference": reference} for reference in references],
        "prediction": [
            {"outcome": {"text": "Acute deterioration"}, "qualitativeRisk": {"text": found.risk},
             "rationale": f"NEWS2 {found.score}"}
        ],
        "note": [{"text": f"NEWS2 {found.score}, {found.risk}: {listed}."}],
    }  # fmt: skip
