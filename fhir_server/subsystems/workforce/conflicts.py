"""A rota whose rules collide is a work item until it can be or is published: which rules, which shifts are short."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from zoneinfo import ZoneInfo

from fhir_server.subsystems.workforce.facts import Facts
from fhir_server.subsystems.workforce.items import Item, task
from fhir_server.subsystems.workforce.rotas import Rotas

RULE = "rota can not be"
MOST_NAMED = 50  # shifts


def tasks(facts: Facts, rotas: Rotas, zone: ZoneInfo) -> Iterator[Item]:
    """One for each proposed rota with a conflict; its inputs are the rules and the shifts that lack people."""
    for rota in facts.rotas().values():
        conflict = rotas.proposed(rota)[1] if rota.state == "proposed" else {}
        if not conflict:
            continue
        rules, missing = conflict["rules"], conflict["missing"]
        short = [each for each in facts.shifts(rota.id) if each.id in missing]
        said = (
            f"{rota.name or 'A rota'}: {_collide(rules)}, and {_people(sum(missing.values()))} missing. Change "
            "leave, skills, hours or what is needed, or publish it short with a reason."
        )
        made = task(f"Schedule/{rota.id}", RULE, said, rota.start, urgent=True)
        made["input"] = [{"type": {"text": "rule that collides"}, "valueString": rule} for rule in rules] + [
            {
                "type": {"text": "shift that lacks people"},
                "valueReference": {
                    "reference": f"Slot/{shift.id}",
                    "display": f"{shift.kind} {_local(shift.start, zone)}: {missing[shift.id]} missing",
                },
            }
            for shift in short[:MOST_NAMED]
        ]
        if not made["input"]:
            del made["input"]
        yield Item(made, f"Schedule/{rota.id}/_history/{rota.version}")


def _collide(rules: list[str]) -> str:
    return f"these rules collide: {', '.join(rules)}" if rules else "no rota was found in the time"


def _people(number: int) -> str:
    return "1 person is" if number == 1 else f"{number} people are"


def _local(moment: int, zone: ZoneInfo) -> str:
    return datetime.datetime.fromtimestamp(moment // 1_000_000, zone).isoformat(" ")[:16]
