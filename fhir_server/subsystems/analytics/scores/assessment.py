"""A score with its inputs named, and the RiskAssessment that says it (https://hl7.org/fhir/R4/riskassessment.html)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

Json = dict[str, Any]


class Input(NamedTuple):
    """One input: its name, points, what was found, and the resources that say it, () where nothing does."""

    name: str
    points: int
    found: str
    references: tuple[str, ...] = ()


class Score(NamedTuple):
    """title and method: for people; outcome: what is predicted; risk: in words."""

    title: str
    method: str
    outcome: str
    risk: str
    inputs: Sequence[Input]
    encounter: str = ""

    @property
    def score(self) -> int:
        """The sum of the points."""
        return sum(each.points for each in self.inputs)


def risk_assessment(patient: str, found: Score, moment: str) -> Json:
    """The score as a RiskAssessment of a patient (an id): its basis are the resources, its note names each input."""
    listed = "; ".join(f"{each.name} {each.found}: {each.points}" for each in found.inputs)
    references = dict.fromkeys(reference for each in found.inputs for reference in each.references)
    encounter = {"encounter": {"reference": found.encounter}} if found.encounter else {}
    return {
        "resourceType": "RiskAssessment",
        "status": "final",
        "method": {"text": found.method},
        "code": {"text": found.title},
        "subject": {"reference": f"Patient/{patient}"},
        **encounter,
        "occurrenceDateTime": moment,
        "basis": [{"reference": reference} for reference in references],
        "prediction": [{"outcome": {"text": found.outcome}, "qualitativeRisk": {"text": found.risk},
                        "rationale": f"{found.title} {found.score}"}],
        "note": [{"text": f"{found.title} {found.score}, {found.risk}: {listed}."}],
    }  # fmt: skip
