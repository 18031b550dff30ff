"""hms score: a clinical score from FHIR, with the inputs that made it."""

from __future__ import annotations

import asyncio
import datetime
from typing import Annotated

import typer

from fhir_server.commands.options import Config, Data, Server
from fhir_server.core.errors import error
from fhir_server.core.settings import Settings
from fhir_server.core.settings import load as load_settings

NAMES = ("news2",)


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
    """Work out a score from the newest observations of a patient, and name its inputs."""
    if name not in NAMES:
        raise error("not-found", f"There is no score {name}; there is {', '.join(NAMES)}.")
    settings = load_settings({"data": data}, config=config)
    asyncio.run(_score(settings, server, patient.removeprefix("Patient/"), scale, store))


async def _score(settings: Settings, server: str, patient: str, scale: int, store: bool) -> None:
    from fhir_server.api import Request
    from fhir_server.commands.opening import client
    from fhir_server.subsystems.analytics.scores.news2 import news2, risk_assessment

    async with client(server, settings) as opened:
        found = await news2(opened, patient, scale=scale)
        print(f"NEWS2 {found.score} ({found.risk})")
        for each in found.inputs:
            print(f"  {each.points}  {each.name}: {each.found}  {each.reference}".rstrip())
        if store:
            moment = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            resource = risk_assessment(patient, found, moment)
            answer = await opened.perform(Request("POST", ("RiskAssessment",), resource=resource))
            print(f"stored as {answer.location.partition('/_history')[0]}")
