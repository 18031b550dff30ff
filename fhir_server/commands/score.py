"""hms score: a clinical score from FHIR, with the inputs that made it."""

from __future__ import annotations

import asyncio
import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fhir_server.commands.options import Config, Data, Server
from fhir_server.core.configuration import load as load_settings
from fhir_server.core.errors import error
from fhir_server.core.settings import Settings

if TYPE_CHECKING:
    from fhir_server.client import FhirClient

NAMES = ("news2", "lace", "cha2ds2-vasc")


def score(
    name: Annotated[str, typer.Argument(help=f"Which one: {', '.join(NAMES)}.", show_default=False)],
    patient: Annotated[str, typer.Argument(metavar="PATIENT", help="Patient/ID, or its id.", show_default=False)],
    server: Server = "",
    data: Data = None,
    config: Config = None,
    scale: Annotated[
        int, typer.Option(help="Scale of oxygen saturation; 2 for hypercapnic respiratory failure.", min=1, max=2)
    ] = 1,
    store: Annotated[bool, typer.Option("--store", help="Store it as a RiskAssessment.")] = False,
) -> None:
    """Work out a score of a patient from what is stored, and name its inputs."""
    if name not in NAMES:
        raise error("not-found", f"There is no score {name}; there is {', '.join(NAMES)}.")
    settings = load_settings({"data": data}, config=config)
    asyncio.run(_score(settings, server, patient.removeprefix("Patient/"), name, scale, store))


async def _score(settings: Settings, server: str, patient: str, name: str, scale: int, store: bool) -> None:
    from fhir_server.api import Request
    from fhir_server.commands.opening import client

    now = datetime.datetime.now(datetime.UTC)
    async with client(server, settings) as opened:
        lines, resource = await _found(opened, name, patient, scale, now)
        print("\n".join(lines))
        if store:
            answer = await opened.perform(Request("POST", ("RiskAssessment",), resource=resource))
            print(f"stored as {answer.location.partition('/_history')[0]}")


async def _found(
    opened: FhirClient, name: str, patient: str, scale: int, now: datetime.datetime
) -> tuple[list[str], dict[str, Any]]:
    """What is printed of a score, and its RiskAssessment; FhirError where there is no such patient."""
    from fhir_server.api import Request
    from fhir_server.subsystems.analytics.scores import assessment, cha2ds2_vasc, lace, news2

    await opened.perform(Request("GET", ("Patient", patient)))
    moment = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    if name == "news2":
        early = await news2.news2(opened, patient, scale=scale)
        rows = [(each.points, each.name, each.found, each.reference) for each in early.inputs]
        title, points, risk = "NEWS2", early.score, early.risk
        resource = news2.risk_assessment(patient, early, moment)
    else:
        if name == "lace":
            found = await lace.lace(opened, patient)
        else:
            found = await cha2ds2_vasc.cha2ds2_vasc(opened, patient, now.date())
        rows = [(each.points, each.name, each.found, " ".join(each.references)) for each in found.inputs]
        title, points, risk = found.title, found.score, found.risk
        resource = assessment.risk_assessment(patient, found, moment)
    listed = [f"  {given}  {what}: {said}  {reference}".rstrip() for given, what, said, reference in rows]
    return [f"{title} {points} ({risk})", *listed], resource
