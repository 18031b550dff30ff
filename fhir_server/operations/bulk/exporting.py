"""The work of an export: page by page of each type, appended to files, with the place kept after each page."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

from fhir_server.codec.attachments import has_relative, make_absolute
from fhir_server.codec.json import decode, serialize
from fhir_server.codec.references import parse_reference
from fhir_server.codec.summary import elements
from fhir_server.core.errors import FhirError, error
from fhir_server.core.keys import StoredVersion
from fhir_server.core.query import All, Any, Clause, IdIn, Query, UpdatedIs
from fhir_server.interactions.environment import Environment
from fhir_server.operations.bulk.asked import Asked, search_of
from fhir_server.operations.bulk.jobs import Job, Jobs, Part
from fhir_server.operations.deidentify import deidentifier
from fhir_server.operations.everything import of_any

PAGE = 500
PORTION = 100  # patients of a group that are asked for together
LARGEST = 32 * 2**20  # bytes of a file, about


class Exporting:
    """Works on one job; environment: as the job's caller sees the server."""

    def __init__(self, environment: Environment, jobs: Jobs, job: Job) -> None:
        self._environment = environment
        self._jobs = jobs
        self._job = job
        # what was exported, as its file names it: Provenance follows it, and what several patients share is there once
        self._exported: set[str] = set()
        self._clean = deidentifier(environment, job.asked.deidentify) if job.asked.deidentify else None

    async def run(self) -> bool:
        """To its end from where it stands; False where the job was deleted meanwhile."""
        job, asked = self._job, self._job.asked
        await self._environment.feed.settled(job.moment)
        types = [type for type in asked.types if type != "Provenance"]
        types += ["Provenance"] if "Provenance" in asked.types else []
        follows = asked.level != "system" and "Provenance" in asked.types
        remembers = follows or len(asked.patients) > PORTION
        if remembers:
            await self._remember()
        while job.at < len(types):
            type = types[job.at]
            portions = _portions(asked) if type != "Provenance" or not follows else [()]
            while job.portion < len(portions):
                where = await self._where(type, portions[job.portion])
                query = Query((type,), where, count=PAGE, cursor=job.cursor)
                page = await self._environment.index.search(query)
                if any(issue.code == "incomplete" for issue in page.warnings):
                    raise error("unavailable", "The search index is behind the store; the export waits for it.")
                found = [each async for each in self._as_of(page.matches)]
                if type == "Provenance" and follows:
                    found = [version for version in found if self._concerns(version)]
                elif remembers:
                    found = [version for version in found if self._name(type, version.id) not in self._exported]
                    self._exported.update(self._name(type, version.id) for version in found)
                await self._append(type, found)
                job.cursor = page.next
                if not page.next:
                    job.portion += 1
                if not await self._jobs.save(job):
                    return False
            job.at, job.portion, job.cursor = job.at + 1, 0, ""
        await self._deletions()
        job.state, job.finished = "done", self._environment.clock()
        return await self._jobs.save(job)

    async def _where(self, type: str, patients: Sequence[str]) -> Clause:
        searching, asked = self._environment.searching, self._job.asked
        clauses: list[Clause] = []
        if asked.since:
            clauses.append(UpdatedIs("ge", asked.since, asked.since))
        if asked.level != "system" and type != "Provenance":
            clauses.append(self._of_patients(type, patients))
        filters = asked.filters.get(type, ())
        if filters:
            found = [(await searching.query(type, search_of(type, search))).where for search in filters]
            clauses.append(Any(tuple(found)))
        return All(tuple(clauses))

    def _of_patients(self, type: str, patients: Sequence[str]) -> Clause:
        searching = self._environment.searching
        if type == "Patient":
            return IdIn(tuple(patients)) if patients else All(())
        if not patients:
            return of_any(searching.compartment(type, ("Patient", "-")), "Patient")
        return Any(tuple(searching.compartment(type, ("Patient", id)) for id in patients))

    async def _as_of(self, versions: Sequence[StoredVersion]) -> AsyncIterator[StoredVersion]:
        """The versions as they were at the job's moment; what came after it is left out."""
        moment = self._job.moment
        for version in versions:
            if version.updated <= moment:
                yield version
                continue
            page = await self._environment.store.history(version.type, version.id, at=(moment, moment), count=1)
            for earlier in page.versions[:1]:
                if not earlier.deleted:
                    yield earlier

    def _concerns(self, provenance: StoredVersion) -> bool:
        targets = decode(provenance.body).get("target", ())
        found = (parse_reference(target.get("reference", "")) for target in targets)
        return any(local is not None and self._name(local.type, local.id) in self._exported for local in found)

    def _name(self, type: str, id: str) -> str:
        """The reference of a resource as its file has it, which may be by a pseudonym."""
        if self._clean is None or not self._environment.definitions.is_resource(type):
            return f"{type}/{id}"
        return f"{type}/{self._clean({'resourceType': type, 'id': id}).get('id', id)}"

    async def _remember(self) -> None:
        """What was exported before the job was taken up again."""
        for part in self._job.parts:
            if part.kind == "output":
                async for line in self._jobs.lines(self._job, part.name):
                    self._exported.add(f"{part.type}/{decode(line).get('id')}")

    async def _append(self, type: str, versions: Sequence[StoredVersion]) -> None:
        lines = await asyncio.to_thread(lambda: [self._line(version) for version in versions])
        if not lines:
            return
        parts = [part for part in self._job.parts if part.type == type and part.kind == "output"]
        if not parts or parts[-1].size > LARGEST:
            number = len([part for part in self._job.parts if part.type == type]) + 1
            parts.append(Part(f"{type}.{number}.ndjson", type))
            self._job.parts.append(parts[-1])
        await self._jobs.append(self._job, parts[-1], lines)

    def _line(self, version: StoredVersion) -> bytes:
        asked = self._job.asked
        leads = bool(self._job.base) and self._clean is None and has_relative(version.body)
        if not asked.elements and self._clean is None and not leads:
            return version.body + b"\n"
        resource = decode(version.body)
        if leads:
            make_absolute(resource, self._job.base)
        if asked.elements:
            resource = elements(resource, asked.elements, self._environment.definitions)
        return serialize(self._clean(resource) if self._clean is not None else resource) + b"\n"

    async def _deletions(self) -> None:
        """What was deleted since `_since`, as transaction Bundles; of what is everybody's only."""
        job, environment = self._job, self._environment
        whole = job.asked.level == "system" and environment.seen_by.restriction is None
        if job.asked.deidentify or not job.asked.since or not whole:
            return
        seen: set[tuple[str, str]] = set()
        gone: list[tuple[str, str]] = []
        cursor = ""
        while True:
            page = await environment.store.history(since=job.asked.since, cursor=cursor, count=PAGE)
            for version in page.versions:
                key = (version.type, version.id)
                if version.updated <= job.moment and key not in seen:
                    seen.add(key)
                    if version.deleted and version.type in job.asked.types:
                        gone.append(key)
            cursor = page.next
            if not cursor:
                break
        if gone:
            part = Part("Bundle.999999.ndjson", "Bundle", kind="deleted")
            job.parts.append(part)
            await self._jobs.append(job, part, [_deletion(type, id) for type, id in gone])


def _portions(asked: Asked) -> list[tuple[str, ...]]:
    patients = asked.patients
    return [patients[at : at + PORTION] for at in range(0, len(patients), PORTION)] or [()]


def _deletion(type: str, id: str) -> bytes:
    entry = {"request": {"method": "DELETE", "url": f"{type}/{id}"}}
    return serialize({"resourceType": "Bundle", "type": "transaction", "entry": [entry]}) + b"\n"


async def work(environment: Environment, jobs: Jobs, job: Job) -> None:
    """Works on a job that this worker holds; a failure is kept in it. FhirError "unavailable": it can go on later."""
    try:
        await Exporting(environment, jobs, job).run()
    except FhirError as problem:
        if problem.category == "unavailable" and job.resumable:
            raise
        if problem.category == "no-store":
            await jobs.empty(job)  # it may be what has filled the disk
        job.state, job.problem, job.finished = "failed", str(problem), environment.clock()
        await jobs.save(job)
