"""The exports of one worker."""

from __future__ import annotations

import msgspec

from fhir_server.core.ports import Caller
from fhir_server.interactions.environment import Environment
from fhir_server.interactions.operation import Call
from fhir_server.operations.bulk.asked import asked_of
from fhir_server.operations.bulk.exporting import work
from fhir_server.operations.bulk.jobs import Job
from fhir_server.operations.bulk.works import Works


class Exports(Works):
    """Jobs that are exports."""

    name = "export"
    kind = Job

    async def begin(self, environment: Environment, call: Call, url: str) -> Job:
        """A new job for a call; FhirError where it asks for what can't be given, or too many are running."""
        asked = await asked_of(environment, call)
        await self.require_room(environment)
        caller = call.request.caller
        job = Job(url=url, asked=asked, moment=environment.clock(), base=call.request.base, **self.whose(caller))
        await self.jobs.create(job)
        self.start(job, caller)
        return job

    async def has(self, job: Job, record: frozenset[str]) -> bool:
        """See Works; one that runs may have read already what it has not written yet."""
        names = [part.name for part in job.parts]
        return job.state == "running" or await self.jobs.has_any(job, names, record, _reference)

    async def work(self, environment: Environment, job: Job, caller: Caller) -> None:
        """Writes its files."""
        await work(environment, self.jobs, job)


class _Named(msgspec.Struct):
    type: str = msgspec.field(name="resourceType")
    id: str = ""


_named = msgspec.json.Decoder(_Named).decode


def _reference(line: bytes) -> str:
    """Of the resource that a line is, without reading the rest of it; "" for a part of a line."""
    try:
        named = _named(line)
    except msgspec.MsgspecError:
        return ""
    return f"{named.type}/{named.id}"
