"""A small ward in FHIR, and the subsystem that follows it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from fhir_server.subsystems.endpoint import Call
from fhir_server.subsystems.subsystem import settle
from fhir_server.subsystems.workforce import words
from fhir_server.subsystems.workforce.endpoints import ENDPOINTS
from fhir_server.subsystems.workforce.models import Training
from fhir_server.subsystems.workforce.service import Workforce
from tests.conftest import Fhir

NOW = 1_790_000_000_000_000  # 2026-09-21T13:33:20Z
DAY_AND_NIGHT = [{"kind": "D", "at": "07:00", "hours": 12, "needed": 1}, {"kind": "N", "at": "19:00", "hours": 12,
                                                                         "needed": 1}]  # fmt: skip

Json = dict[str, Any]


def practitioner(id: str, ends: str = "2030-12-31") -> Json:
    return {"resourceType": "Practitioner", "id": id, "name": [{"family": id.title()}],
            "qualification": [{"code": {"text": "Nursing licence"}, "period": {"end": ends}}]}  # fmt: skip


def role(id: str, **others: Any) -> Json:
    rate = {"url": words.RATE, "valueMoney": {"value": 30, "currency": "EUR"}}
    return {"resourceType": "PractitionerRole", "id": f"{id}-role", "practitioner": {"reference": f"Practitioner/{id}"},
            "location": [{"reference": "Location/ward"}], "extension": [rate], **others}  # fmt: skip


class Ward:
    """A server with a ward of some nurses, and the workforce subsystem on a file of its own."""

    def __init__(
        self, fhir: Fhir, folder: Path, trainings: Sequence[Training] = (), zone: str = "Europe/Berlin"
    ) -> None:
        self.fhir = fhir
        self.workforce = Workforce(folder / "workforce.sqlite", ZoneInfo(zone), trainings=trainings)
        self.now = NOW

    async def open(self, *nurses: str) -> Ward:
        await self.fhir.create({"resourceType": "Location", "id": "ward", "name": "Ward 1"})
        for nurse in nurses:
            await self.fhir.create(practitioner(nurse))
            await self.fhir.create(role(nurse))
        await self.settle()
        return self

    async def settle(self) -> None:
        self.workforce._stirred = True
        await settle(self.fhir.server, self.workforce, self.now)

    async def ask(self, method: str, path: str, fields: Json | None = None, *, settled: bool = True) -> Any:
        """What an endpoint answers, once everything is taken in."""
        for endpoint in ENDPOINTS:
            parts, given = endpoint.path.split("/"), path.split("/")
            if endpoint.method == method and len(parts) == len(given):
                pairs = list(zip(parts, given, strict=True))
                if all(part == there or part.startswith("{") for part, there in pairs):
                    inside = {part[1:-1]: there for part, there in pairs if part.startswith("{")}
                    call = Call(self.fhir.server, self.now, "head nurse", inside, {}, fields or {})
                    answer = await endpoint.handler(self.workforce, call)
                    if settled and method == "POST":
                        await self.settle()
                    return answer.content
        raise AssertionError(f"no endpoint {method} {path}")

    async def rota(self, days: int = 3, shifts: list[Json] | None = None, start: str = "2026-10-05") -> str:
        fields = {"ward": "Location/ward", "start": start, "days": days, "shifts": shifts or DAY_AND_NIGHT}
        return (await self.ask("POST", "/rotas", fields))["id"]

    async def found(self, search: str) -> list[Json]:
        bundle = (await self.fhir.get(search)).json()
        return [entry["resource"] for entry in bundle.get("entry", ())]
