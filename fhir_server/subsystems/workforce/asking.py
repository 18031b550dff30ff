"""Rotas that are asked for: a ward's Schedule, and a Slot for each shift of each day."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import Any, NamedTuple

from fhir_server.client import FhirClient
from fhir_server.core.errors import error
from fhir_server.subsystems.workforce import words
from fhir_server.subsystems.workforce.facts import Facts
from fhir_server.subsystems.writing import id_of

MOST_DAYS, MOST_PEOPLE = 92, 200

Json = dict[str, Any]


class Wanted(NamedTuple):
    """One shift that a ward wants on each day: from when (local time), how long, how many people, which skills."""

    kind: str
    at: datetime.time
    hours: float
    needed: int
    skills: dict[str, int]


async def ask(
    facts: Facts,
    client: FhirClient,
    ward: str,
    first: datetime.date,
    days: int,
    wanted: Sequence[Wanted],
    now: int,
    who: str,
) -> str:
    """Writes the Schedule and the Slots of a ward's rota; gives its id. The same again changes nothing; asked for anew
    with other shifts, it has those, and Slots that are wanted no more are entered in error."""
    if facts.body("Location", ward) is None:
        raise error("not-found", f"There is no Location/{ward[:64]} that the workforce knows.")
    id = id_of("rota", ward, first, days)
    known = facts.rotas().get(id)
    if known is not None and known.state == "published":
        raise error("conflict", "This rota is published already; swap its shifts instead.")
    zone, last = facts.zone, first + datetime.timedelta(days=days)
    schedule = {
        "resourceType": "Schedule",
        "id": id,
        "extension": [{"url": words.ROTA, "valueCode": "proposed"}],
        "actor": [{"reference": f"Location/{ward}"}],
        "planningHorizon": {"start": _text(zone, first, datetime.time()), "end": _text(zone, last, datetime.time())},
        "comment": f"{facts.ward_name(ward)}, {days} days from {first}",
    }
    slots = [_slot(zone, id, first + datetime.timedelta(days=n), each) for n in range(days) for each in wanted]
    kept = {each["id"] for each in slots}
    gone = [facts.one("Slot", each.id) for each in facts.shifts(id) if each.id not in kept]
    slots += [{**each[0], "status": "entered-in-error"} for each in gone if each is not None]
    await facts.decide(client, [schedule, *slots], rule="rota asked for", now=now, who=who)
    return id


def _slot(zone: datetime.tzinfo, rota: str, day: datetime.date, wanted: Wanted) -> Json:
    start = datetime.datetime.combine(day, wanted.at, zone)
    end = (start.astimezone(datetime.UTC) + datetime.timedelta(hours=wanted.hours)).astimezone(zone)
    extensions: list[Json] = [{"url": words.NEEDED, "valueInteger": wanted.needed}]
    for skill, number in wanted.skills.items():
        parts = [{"url": "skill", "valueCode": skill}, {"url": "number", "valueInteger": number}]
        extensions.append({"url": words.NEEDED_SKILL, "extension": parts})
    return {
        "resourceType": "Slot",
        "id": id_of(rota, day, wanted.kind),
        "extension": extensions,
        "serviceType": [{"coding": [{"system": words.SHIFT_KIND, "code": wanted.kind}]}],
        "schedule": {"reference": f"Schedule/{rota}"},
        "status": "free",
        "start": start.isoformat(),
        "end": end.isoformat(),
    }


def _text(zone: datetime.tzinfo, day: datetime.date, at: datetime.time) -> str:
    return datetime.datetime.combine(day, at, zone).isoformat()
