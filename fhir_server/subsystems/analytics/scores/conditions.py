"""Which diseases a patient has, from Conditions coded by ICD-10 or SNOMED CT."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from fhir_server.api import Request
from fhir_server.client import FhirClient, pages
from fhir_server.codec.json import decode
from fhir_server.core.errors import error
from fhir_server.subsystems.analytics.scores.assessment import Input

ICD = (
    "http://hl7.org/fhir/sid/icd-10",
    "http://hl7.org/fhir/sid/icd-10-cm",
    "http://fhir.de/CodeSystem/bfarm/icd-10-gm",
)
SNOMED = "http://snomed.info/sct"
REFUTED = ("refuted", "entered-in-error")
MOST_PAGES = 20

Json = dict[str, Any]


class Disease(NamedTuple):
    """name, points, beginnings of ICD-10 codes without dots, SNOMED CT codes."""

    name: str
    points: int
    icd: tuple[str, ...]
    snomed: tuple[str, ...] = ()

    def met(self, condition: Json) -> bool:
        """Whether a Condition is one of it."""
        for coding in condition.get("code", {}).get("coding", ()):
            code = str(coding.get("code", ""))
            if coding.get("system") in ICD and code.replace(".", "").upper().startswith(self.icd):
                return True
            if coding.get("system") == SNOMED and code in self.snomed:
                return True
        return False


async def found(client: FhirClient, type: str, query: Sequence[tuple[str, str]]) -> list[Json]:
    """All resources of a search, page by page."""
    listed: list[Json] = []
    count = 0
    async for bundle in pages(client, (type,), [*query, ("_count", "200")]):
        if count == MOST_PAGES:
            raise error("too-costly", f"There are more than {len(listed)} {type} resources for a score.")
        count += 1
        listed += [entry["resource"] for entry in bundle.get("entry", ())]
    return listed


async def patient_of(client: FhirClient, id: str) -> Json:
    """The Patient; FhirError "not-found"."""
    return decode((await client.perform(Request("GET", ("Patient", id)))).body)


async def conditions(client: FhirClient, patient: str) -> list[Json]:
    """The Conditions of a patient that hold."""
    return [
        each
        for each in await found(client, "Condition", [("patient", patient)])
        if not any(c.get("code") in REFUTED for c in each.get("verificationStatus", {}).get("coding", ()))
    ]


def inputs(diseases: Sequence[Disease], there: Sequence[Json]) -> list[Input]:
    """One input a disease: its points where a Condition is one of it."""
    listed = []
    for disease in diseases:
        meeting = [f"Condition/{each['id']}" for each in there if disease.met(each)]
        listed.append(Input(disease.name, disease.points if meeting else 0, "yes" if meeting else "no", tuple(meeting)))
    return listed
