"""$export of the system, of patients or of a group, and what belongs to it: its status, its files, its end.

https://hl7.org/fhir/uv/bulkdata/STU2/export.html. The status is at $export-status, the files at $export-file: below the
FHIR base, so that they need the same login as everything.
"""

from __future__ import annotations

import email.utils
from urllib.parse import urlencode

from fhir_server.codec.json import serialize
from fhir_server.core.errors import error, operation_outcome
from fhir_server.core.keys import instant
from fhir_server.interactions.environment import Environment
from fhir_server.interactions.operation import Call, OperationHandler
from fhir_server.interactions.request import Response
from fhir_server.operations.bulk.asked import PARAMETERS
from fhir_server.operations.bulk.exports import Exports
from fhir_server.operations.bulk.jobs import Job, Part
from fhir_server.operations.bulk.works import KEPT

DEFINED = "http://hl7.org/fhir/uv/bulkdata/OperationDefinition/"
NDJSON = "application/fhir+ndjson"
POLL_AFTER = "1"  # seconds


def handlers(exports: Exports) -> tuple[OperationHandler, ...]:
    """The operations, over the exports of this worker."""

    async def export(environment: Environment, call: Call) -> Response:
        base = call.request.base
        url = "/".join((base, *call.request.path))
        if call.request.query:
            url += "?" + urlencode(call.request.query)
        job = await exports.begin(environment, call, url)
        return Response(202, headers={"Content-Location": f"{base}/$export-status?job={job.id}"})

    async def status(environment: Environment, call: Call) -> Response:
        job = await exports.of(call)
        if call.request.method == "DELETE":
            await exports.delete(job)
            return Response(202, body=serialize(operation_outcome([])))
        if job.state == "running":
            exports.take_up(job)
            done = f"{job.at} of {len(job.asked.types)} types, {sum(part.count for part in job.parts)} resources"
            return Response(202, headers={"X-Progress": done, "Retry-After": POLL_AFTER})
        if job.state == "failed":
            raise error("exception", f"The export failed: {job.problem}")
        expires = email.utils.formatdate((job.finished + KEPT) // 1_000_000, usegmt=True)
        manifest = serialize(_manifest(environment, call.request.base, job))
        return Response(200, body=manifest, content_type="application/json", headers={"Expires": expires})

    async def file(environment: Environment, call: Call) -> Response:
        job = await exports.of(call)
        found = await exports.jobs.content(job, str(call.parameters.one("file") or ""))
        if found is None or job.state != "done":
            raise error("not-found", "This export has no such file.")
        shown = () if job.asked.deidentify else None  # pseudonyms are nobody's to the audit log
        return Response(200, body=found, content_type=NDJSON, shown=shown)

    return (
        OperationHandler("export", export, system=True, parameters=PARAMETERS, url=DEFINED + "export"),
        OperationHandler(
            "export", export, type=True, types=("Patient",), parameters=PARAMETERS, url=DEFINED + "patient-export"
        ),
        OperationHandler(
            "export", export, instance=True, types=("Group",), parameters=PARAMETERS, url=DEFINED + "group-export"
        ),
        OperationHandler(
            "export-status", status, system=True, parameters=("job",), methods=("GET", "DELETE"), hidden=True
        ),
        OperationHandler("export-file", file, system=True, parameters=("job", "file"), methods=("GET",), hidden=True),
    )


def _manifest(environment: Environment, base: str, job: Job) -> dict[str, object]:
    def listed(kind: str) -> list[dict[str, object]]:
        return [_output(base, job, part) for part in job.parts if part.kind == kind]

    return {
        "transactionTime": instant(job.moment),
        "request": job.url,
        "requiresAccessToken": environment.settings.security != "open",
        "output": listed("output"),
        "deleted": listed("deleted"),
        "error": [],
    }


def _output(base: str, job: Job, part: Part) -> dict[str, object]:
    url = f"{base}/$export-file?{urlencode({'job': job.id, 'file': part.name})}"
    return {"type": part.type, "url": url, "count": part.count}
