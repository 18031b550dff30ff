"""Training that people must have, as data: a site's file by the setting `workforce_training`.

A training is a qualification of a Practitioner by its code, which blocks nobody from shifts and orders when it ends
(docs/how-to/workforce.md): who lacks one has a Task, and it stands in the report of compliance.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, NamedTuple

import msgspec
from msgspec import Meta

from fhir_server.core.errors import error
from fhir_server.subsystems.workforce.facts import Facts
from fhir_server.subsystems.workforce.items import Item, task
from fhir_server.subsystems.workforce.models import DAY, Member, Person, Training, latest_ends
from fhir_server.subsystems.workforce.qualifications import LEAD_DAYS
from fhir_server.subsystems.workforce.reading import day_of

RULE = "training missing"


class Standing(NamedTuple):
    """How a person stands with a training: valid, ends soon, ended or missing; ends: None where it does not."""

    training: Training
    state: str
    ends: int | None


class _File(msgspec.Struct, forbid_unknown_fields=True):
    trainings: Annotated[tuple[Training, ...], Meta(max_length=500)]


def trainings_of(file: Path) -> tuple[Training, ...]:
    """The trainings of a file; FhirError "value" that says what is wrong in it, and where."""
    try:
        found = msgspec.json.decode(file.read_bytes(), type=_File).trainings
    except OSError as problem:
        raise error("value", f"workforce_training names {file}, which can't be read: {problem.strerror}.") from None
    except msgspec.DecodeError as problem:
        raise error("value", f"{file.name} has no trainings: {problem}.") from None
    codes = [each.code for each in found]
    if twice := next((code for code in codes if codes.count(code) > 1), ""):
        raise error("value", f"{file.name}: the code {twice} stands there twice.")
    return found


def standings(person: Person, roles: Sequence[Member], trainings: Sequence[Training], now: int) -> Iterator[Standing]:
    """One for each training that a person must have by one of the roles that are active."""
    ends = latest_ends(person.trainings)
    for each in trainings:
        if not any(role.active and each.needed_by(role) for role in roles):
            continue
        end = ends.get(each.code)
        state = "valid"
        if each.code not in ends:
            state = "missing"
        elif end is not None and end < now:
            state = "ended"
        elif end is not None and end - LEAD_DAYS * DAY <= now:
            state = "ends soon"
        yield Standing(each, state, end)


def tasks(facts: Facts, now: int) -> Iterator[Item]:
    """A work item for each training that somebody lacks, or soon will."""
    roles = facts.roles_by_practitioner()
    for person in facts.people().values():
        for standing in standings(person, roles.get(person.id, ()), facts.trainings, now):
            if standing.state != "valid":
                who, about = f"Practitioner/{person.id}", (standing.training.code, standing.ends or "")
                urgent = standing.state == "ended"
                made = task(who, RULE, _said(person, standing, facts.zone), standing.ends, about, urgent=urgent)
                yield Item(made, f"{who}/_history/{person.version}")


def _said(person: Person, standing: Standing, zone: datetime.tzinfo) -> str:
    day = day_of(standing.ends, zone)
    end = {"missing": "is missing", "ended": f"ended on {day}", "ends soon": f"ends on {day}"}[standing.state]
    return f"{standing.training.name} of {person.name} {end}."
