"""Rotas that were asked for (asking.py): proposed until they are published, then swapped or overridden by people.

What people decide is written to FHIR and comes back by the feed; a proposal is worked out from the facts whenever they
change, so it is in the tables only.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from fhir_server.client import FhirClient
from fhir_server.core.errors import error
from fhir_server.core.keys import instant
from fhir_server.subsystems.workforce import words
from fhir_server.subsystems.workforce.facts import Facts, schedule_of
from fhir_server.subsystems.workforce.models import DAY, Assignment, Member, Rota, Shift
from fhir_server.subsystems.workforce.rota.checking import broken
from fhir_server.subsystems.workforce.rota.problem import Problem, Rules, written
from fhir_server.subsystems.workforce.rota.solving import solve
from fhir_server.subsystems.writing import id_of, put_all

SUBSYSTEM = "workforce"
AROUND = 8  # days before and after a rota whose shifts its rules look at

Json = dict[str, Any]


class Rotas:
    """Works on the rotas in the facts."""

    def __init__(self, facts: Facts, zone: ZoneInfo, rules: Rules) -> None:
        self._facts = facts
        self._zone = zone
        self.rules = rules

    # Proposed

    def propose(self) -> None:
        """Works out anew what is proposed for each rota whose facts have changed. It may take seconds."""
        open = [rota for rota in self._facts.rotas().values() if rota.state == "proposed"]
        self._facts.forget_proposals_but({rota.id for rota in open})
        for rota in open:
            problem = self._problem(rota)
            made_of = _digest(problem)
            before = self._facts.proposal(rota.id)
            if before is not None and before["facts"] == made_of:
                continue
            solved = solve(problem)
            conflict = solved.conflict._asdict() if solved.conflict else {}
            self._facts.propose(rota.id, made_of, solved.assigned, conflict)

    def _problem(self, rota: Rota) -> Problem:
        members = [each for each in self._facts.members(rota.ward).values() if each.active]
        shifts = self._facts.shifts(rota.id)
        # whether a shift is covered is what the rota makes, not what it is made of
        plain = [each._replace(status="", version=0) for each in shifts]
        own = {each.id for each in shifts}

        def around(roles: list[str]) -> list[Assignment]:
            found = self._facts.assignments(roles, rota.start - AROUND * DAY)
            return [
                each._replace(version=0)
                for each in found
                if each.shift not in own and each.start < rota.end + AROUND * DAY
            ]

        all = self._facts.members()
        elsewhere = [
            each._replace(role=member.id)
            for member in members
            for each in around(self._facts.other_roles(member.id, all))
        ]
        known = [each._replace(version=0, likes=dict(sorted(each.likes.items()))) for each in members]
        return Problem(plain, known, around([each.id for each in members]), self.rules, self._zone, elsewhere)

    def proposed(self, rota: Rota) -> tuple[list[tuple[str, str]], Json]:
        """What is proposed for a rota: pairs of shift and role, and the conflict, {} for none."""
        row = self._facts.proposal(rota.id)
        if row is None:
            return [], {}
        return msgspec.json.decode(row["assigned"], type=list[tuple[str, str]]), msgspec.json.decode(row["conflict"])

    # Published

    def rota(self, id: str) -> Rota:
        """A rota; FhirError "not-found" for an id that is none."""
        found = self._facts.rotas().get(id)
        if found is None:
            raise error("not-found", f"There is no rota {id[:64]}; GET /workforce/rotas lists them.")
        return found

    async def publish(self, client: FhirClient, id: str, now: int, who: str, *, short: bool, reason: str) -> int:
        """Locks a rota: what is proposed becomes the members' Slots; gives how many.

        FhirError "conflict" while rules collide, unless short is allowed with a reason: then as far as it goes.
        """
        rota = self.rota(id)
        if rota.state != "proposed":
            raise error("conflict", "This rota is published already.")
        row = self._facts.proposal(id)
        if row is None or row["facts"] != _digest(self._problem(rota)):
            raise error("conflict", "This rota is still being worked out; ask again in a moment.")
        assigned, conflict = self.proposed(rota)
        if conflict and not (short and reason):
            raise error(
                "conflict",
                f"These rules collide: {', '.join(conflict['rules']) or 'not known in the time'}. Change the facts, or "
                "publish it short with a reason.",
            )
        shifts = {each.id: each for each in self._facts.shifts(id)}
        members = self._facts.members(rota.ward)
        schedule, version = self._facts.one("Schedule", id) or ({}, 0)
        published = {**schedule, "extension": [{"url": words.ROTA, "valueCode": "published"}]}
        slots = [_worked(shifts[shift], role) for shift, role in assigned]
        plans = [_plan(members[role]) for role in sorted({role for _, role in assigned})]
        await self._facts.decide(
            client, [published, *plans, *slots], rule="rota published", now=now, who=who, reason=reason,
            sources=[f"Schedule/{id}/_history/{version}"],
        )  # fmt: skip
        return len(slots)

    async def swap(
        self, client: FhirClient, shift_id: str, old: str, new: str, now: int, who: str, reason: str, *, override: bool
    ) -> list[str]:
        """Gives a published shift of one role ("" for nobody) to another; gives the rules that are overridden.

        FhirError "conflict" that lists the rules which it would break, unless they are overridden with a reason.
        """
        shift = self._facts.shift(shift_id)
        members = self._facts.members()
        if shift is None:
            raise error("not-found", f"There is no shift {shift_id[:64]}.")
        rota = self.rota(shift.rota)
        if rota.state != "published":
            raise error("conflict", "This rota is not published yet; what is proposed follows the facts.")
        for role in filter(None, (old, new)):
            if role not in members:
                raise error("not-found", f"There is no PractitionerRole/{role[:64]} that the workforce knows.")
        there = [each for each in self._facts.assignments(list(members), rota.start - DAY) if each.shift == shift_id]
        if old and old not in {each.role for each in there}:
            raise error("conflict", f"PractitionerRole/{old} does not work this shift.")
        if new in {each.role for each in there}:
            raise error("conflict", f"PractitionerRole/{new} works this shift already.")
        then = [members[each.role] for each in there if each.role != old] + [members[new]]
        rules = self._broken(shift, rota, members[new], then)
        if rules and not (override and reason):
            raise error(
                "conflict", f"It would break: {'; '.join(rules)}. Override it with a reason, or choose another."
            )
        changed = [_plan(members[new]), _worked(shift, new, reason if rules else "")]
        if old:
            slot, _ = self._facts.one("Slot", _slot_id(shift_id, old)) or ({}, 0)
            changed.append({**slot, "status": "free", "comment": f"Given to {members[new].name}: {reason}"})
        rule = "shift given to another" if old else "shift given"
        await self._facts.decide(
            client, changed, rule=f"{rule}, overriding {len(rules)} rules" if rules else rule,
            now=now, who=who, reason=reason, sources=[f"Slot/{shift_id}/_history/{shift.version}"],
        )  # fmt: skip
        return rules

    def _broken(self, shift: Shift, rota: Rota, member: Member, then: list[Member]) -> list[str]:
        """The rules that a member on a shift would break; then: who would work it, the member among them."""
        rules = broken(
            Problem([shift], [member], [], self.rules, self._zone), member, shift,
            self._facts.assignments(
                [member.id, *self._facts.other_roles(member.id, self._facts.members())], shift.start - AROUND * DAY
            ),
        )  # fmt: skip
        if rota.ward not in member.wards:
            rules.append(f"ward: the role is not on Location/{rota.ward}")
        for skill, number in shift.skills.items():
            if sum(skill in each.skills for each in then) < number:
                rules.append(f"skills: {number} with {skill} would be missing")
        return rules

    async def tell(self, client: FhirClient, now: int) -> None:
        """Has each shift of a published rota say whether it is covered: busy, or free where people are missing."""
        for rota in self._facts.rotas().values():
            if rota.state != "published":
                continue
            there = self.covered(rota)
            for shift in self._facts.shifts(rota.id):
                status = "busy" if there[shift.id] >= shift.needed else "free"
                if shift.status != status:
                    slot, version = self._facts.one("Slot", shift.id) or ({}, 0)
                    await put_all(client, [{**slot, "status": status}], subsystem=SUBSYSTEM, rule="shift covered" if
                                  status == "busy" else "shift short", now=now,
                                  sources=[f"Slot/{shift.id}/_history/{version}"])  # fmt: skip

    def covered(self, rota: Rota) -> Counter[str]:
        """How many people each shift of a published rota has."""
        return Counter(each.shift for each in self.assigned(rota))

    def assigned(self, rota: Rota) -> list[Assignment]:
        """Who works what of a published rota."""
        own = {each.id for each in self._facts.shifts(rota.id)}
        roles = list(self._facts.members())
        return [each for each in self._facts.assignments(roles, rota.start - DAY) if each.shift in own]


def _digest(problem: Problem) -> str:
    return hashlib.sha256(written(problem)).hexdigest()


def _slot_id(shift: str, role: str) -> str:
    return id_of("works", shift, role)


def _worked(shift: Shift, role: str, override: str = "") -> Json:
    extensions: list[Json] = [{"url": words.SHIFT, "valueReference": {"reference": f"Slot/{shift.id}"}}]
    if override:
        extensions.append({"url": words.OVERRIDE, "valueString": override})
    return {
        "resourceType": "Slot",
        "id": _slot_id(shift.id, role),
        "extension": extensions,
        "serviceType": [{"coding": [{"system": words.SHIFT_KIND, "code": shift.kind}]}],
        "schedule": {"reference": f"Schedule/{schedule_of(role)}"},
        "status": "busy",
        "start": instant(shift.start),
        "end": instant(shift.end),
    }


def _plan(member: Member) -> Json:
    """The Schedule of a member."""
    return {
        "resourceType": "Schedule",
        "id": schedule_of(member.id),
        "active": True,
        "actor": [{"reference": f"PractitionerRole/{member.id}"}],
    }
