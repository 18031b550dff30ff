"""The workforce's own tables: the resources that it knows, and what follows from them until a person decides."""

from __future__ import annotations

import asyncio
import datetime
import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from fhir_server.client import FhirClient
from fhir_server.codec.json import decode, serialize
from fhir_server.subsystems.store import SubsystemStore
from fhir_server.subsystems.subsystem import Change
from fhir_server.subsystems.workforce import models, reading, words
from fhir_server.subsystems.writing import put_all

LAYOUT = 1
SCHEMA = """
CREATE TABLE IF NOT EXISTS fact (
    type TEXT NOT NULL, id TEXT NOT NULL, version INTEGER NOT NULL, link TEXT NOT NULL, start INTEGER NOT NULL,
    body BLOB NOT NULL, PRIMARY KEY (type, id)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS fact_link ON fact (type, link, start);
CREATE TABLE IF NOT EXISTS activity (
    type TEXT NOT NULL, id TEXT NOT NULL, practitioner TEXT NOT NULL, version INTEGER NOT NULL, moment INTEGER NOT NULL,
    PRIMARY KEY (practitioner, type, id)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS activity_resource ON activity (type, id);
CREATE TABLE IF NOT EXISTS proposal (
    rota TEXT PRIMARY KEY, facts TEXT NOT NULL, assigned TEXT NOT NULL, conflict TEXT NOT NULL
) WITHOUT ROWID;
"""
KEPT = ("Practitioner", "PractitionerRole", "Location", "Schedule", "Slot", "Task", "Basic")
ORDERS = ("ServiceRequest", "MedicationRequest")
ACTIVE = ("Encounter", "Procedure", *ORDERS)
# of what a person does: the element that says when, and those that say who
_WHEN = {"Encounter": "period", "Procedure": "performed", "ServiceRequest": "authoredOn",
         "MedicationRequest": "authoredOn"}  # fmt: skip

Json = dict[str, Any]


class Facts:
    """Reads and writes the tables; zone: of days without a time; trainings: what people must have beside their
    qualifications."""

    def __init__(self, store: SubsystemStore, zone: datetime.tzinfo, trainings: Sequence[models.Training] = ()) -> None:
        self.store = store
        self.zone = zone
        self.trainings = trainings
        self._codes = frozenset(each.code for each in trainings)

    def keep(self, connection: sqlite3.Connection, change: Change) -> None:
        """Takes one change in."""
        body = bytes(change.resource)
        if change.type in ACTIVE:
            connection.execute("DELETE FROM activity WHERE type = ? AND id = ?", (change.type, change.id))
            for practitioner, moment in _acts(change.type, decode(body), self.zone) if body else ():
                row = (change.type, change.id, practitioner, change.version, moment)
                connection.execute("INSERT OR REPLACE INTO activity VALUES (?, ?, ?, ?, ?)", row)
        elif change.type in KEPT:
            connection.execute("DELETE FROM fact WHERE type = ? AND id = ?", (change.type, change.id))
            if body:
                resource = decode(body)
                # the newest version stands there, which may be a later one than this change's
                version = int(resource.get("meta", {}).get("versionId", change.version))
                row = (
                    change.type,
                    change.id,
                    version,
                    _link(resource),
                    reading.moment(resource.get("start")) or 0,
                    body,
                )
                connection.execute("INSERT INTO fact VALUES (?, ?, ?, ?, ?, ?)", row)

    async def decide(
        self, client: FhirClient, resources: Sequence[Json], *, rule: str, now: int, who: str, reason: str = "",
        sources: Sequence[str] = (),
    ) -> None:  # fmt: skip
        """Stores what a person decides, and takes it in before the feed brings it: who decides next must know of it.

        Arguments as of writing.put_all.
        """
        before = [self.version(each["resourceType"], each["id"]) for each in resources]
        await put_all(
            client, resources, subsystem="workforce", rule=rule, now=now, who=who, reason=reason, sources=sources
        )
        await asyncio.to_thread(self._keep_stored, resources, before)

    def _keep_stored(self, resources: Sequence[Json], before: Sequence[int]) -> None:
        with self.store.writing() as connection:
            for each, version in zip(resources, before, strict=True):
                type, id = each["resourceType"], each["id"]
                if self.version(type, id) == version:  # else the feed was faster
                    body = {**each, "meta": {**each.get("meta", {}), "versionId": str(version + 1)}}
                    self.keep(connection, Change(0, type, id, version + 1, "PUT", "", msgspec.Raw(serialize(body))))

    def body(self, type: str, id: str) -> bytes | None:
        """A resource's JSON, None where there is none."""
        row = self.store.row("SELECT body FROM fact WHERE type = ? AND id = ?", (type, id))
        return row["body"] if row else None

    def version(self, type: str, id: str) -> int:
        """A resource's version, 0 where there is none."""
        row = self.store.row("SELECT version FROM fact WHERE type = ? AND id = ?", (type, id))
        return row["version"] if row else 0

    def of(self, type: str, link: str | None = None, since: int = 0) -> Iterator[tuple[Json, int]]:
        """Resources of a type with their versions; link: of those alone that belong to one, by its id."""
        sql = "SELECT body, version FROM fact WHERE type = ? AND start >= ?"
        given: list[Any] = [type, since]
        if link is not None:
            sql, given = sql.replace("start >=", "link = ? AND start >="), [type, link, since]
        for row in self.store.rows(f"{sql} ORDER BY id", given):
            yield decode(row["body"]), row["version"]

    def one(self, type: str, id: str) -> tuple[Json, int] | None:
        """A resource with its version."""
        row = self.store.row("SELECT body, version FROM fact WHERE type = ? AND id = ?", (type, id))
        return (decode(row["body"]), row["version"]) if row else None

    def people(self) -> dict[str, models.Person]:
        """Every practitioner by id."""
        return {
            resource["id"]: reading.person(resource, version, self.zone, self._codes)
            for resource, version in self.of("Practitioner")
        }

    def members(self, ward: str = "") -> dict[str, models.Member]:
        """Every role by id; of a ward alone."""
        people = self.people()
        found = {}
        for resource, version in self.of("PractitionerRole"):
            practitioner = reading.target(resource.get("practitioner"), "Practitioner")
            member = reading.member(resource, version, self.zone, people.get(practitioner))
            if member is not None and (not ward or ward in member.wards):
                found[member.id] = member
        return found

    def other_roles(self, role: str, members: dict[str, models.Member]) -> list[str]:
        """The other roles, among members, of who has a role."""
        who = members[role].practitioner
        return [each.id for each in members.values() if each.practitioner == who and each.id != role]

    def roles_by_practitioner(self) -> dict[str, list[models.Member]]:
        """The roles of every practitioner who has one, by the practitioner's id."""
        found: dict[str, list[models.Member]] = {}
        for member in self.members().values():
            found.setdefault(member.practitioner, []).append(member)
        return found

    def rotas(self) -> dict[str, models.Rota]:
        """Every rota by id."""
        found = [reading.rota(resource, version) for resource, version in self.of("Schedule")]
        return {rota.id: rota for rota in found if rota is not None}

    def shifts(self, rota: str) -> list[models.Shift]:
        """The shifts of a rota, in order of time."""
        found = [reading.shift(resource, version) for resource, version in self.of("Slot", rota)]
        return sorted((each for each in found if each is not None), key=lambda each: (each.start, each.kind, each.id))

    def shift(self, id: str) -> models.Shift | None:
        """One shift."""
        found = self.one("Slot", id)
        return reading.shift(*found) if found else None

    def assignments(self, roles: Sequence[str], since: int = 0) -> list[models.Assignment]:
        """What these roles work, in order of time."""
        found = []
        for role in roles:
            for resource, version in self.of("Slot", schedule_of(role), since):
                assignment = reading.assignment(resource, version, role)
                if assignment is not None:
                    found.append(assignment)
        return sorted(found, key=lambda each: (each.start, each.role))

    def worked(self) -> list[models.Worked]:
        """All time that was recorded."""
        found = [reading.worked(resource, version) for resource, version in self.of("Basic")]
        return sorted((each for each in found if each is not None), key=lambda each: (each.start, each.id))

    def ward_name(self, ward: str) -> str:
        """What a ward is called."""
        found = self.one("Location", ward)
        return found[0].get("name", f"Location/{ward}") if found else f"Location/{ward}"

    def proposal(self, rota: str) -> sqlite3.Row | None:
        """What was proposed for a rota: facts (of which it was made), assigned, conflict (JSON each)."""
        return self.store.row("SELECT facts, assigned, conflict FROM proposal WHERE rota = ?", (rota,))

    def propose(self, rota: str, facts: str, assigned: Sequence[tuple[str, str]], conflict: Json) -> None:
        """Keeps what is proposed for a rota."""
        row = (rota, facts, msgspec.json.encode(assigned).decode(), msgspec.json.encode(conflict).decode())
        with self.store.writing() as connection:
            connection.execute("INSERT OR REPLACE INTO proposal VALUES (?, ?, ?, ?)", row)

    def forget_proposals_but(self, rotas: set[str]) -> None:
        """Removes what was proposed for others: what is published is a proposal no more."""
        gone = {row["rota"] for row in self.store.rows("SELECT rota FROM proposal")} - rotas
        if gone:
            with self.store.writing() as connection:
                connection.executemany("DELETE FROM proposal WHERE rota = ?", [(rota,) for rota in sorted(gone)])


def schedule_of(role: str) -> str:
    """The id of the Schedule of a role."""
    return f"{role[:58]}.rota"


def _link(resource: Json) -> str:
    match resource["resourceType"]:
        case "Slot":
            return reading.target(resource.get("schedule"), "Schedule")
        case "PractitionerRole":
            return reading.target(resource.get("practitioner"), "Practitioner")
        case "Task":
            return next((i["value"] for i in resource.get("identifier", ()) if i.get("system") == words.TASK), "")
        case _:
            return ""


def _acts(type: str, resource: Json, zone: datetime.tzinfo) -> Iterator[tuple[str, int]]:
    """Who did it, and when; a day without a time is one of a zone."""
    if resource.get("status") in ("entered-in-error", "cancelled", "not-done", "planned", "draft"):
        return
    when = _WHEN[type]
    given = resource.get(when) or resource.get(f"{when}DateTime") or resource.get(f"{when}Period")
    text = given.get("start") if isinstance(given, dict) else given
    moment = reading.moment(text, zone)
    if moment is None:
        return
    parts = {"Encounter": [each.get("individual") for each in resource.get("participant", ())],
             "Procedure": [each.get("actor") for each in resource.get("performer", ())]}.get(
        type, [resource.get("requester")]
    )  # fmt: skip
    for practitioner in {reading.target(each, "Practitioner") for each in parts} - {""}:
        yield practitioner, moment
