"""$import: NDJSON by the asynchronous pattern (https://hl7.org/fhir/R4/async.html), its status, errors and end.

Either the body is the NDJSON (application/fhir+ndjson), or it is a Parameters with `input` parts of `url` and, where a
file must hold one type, `type`, as the proposal of SMART for bulk import has it
(https://github.com/smart-on-fhir/bulk-import). URLs are fetched that the setting `import_from` allows.
"""

from __future__ import annotations

from urllib.parse import urlencode

from fhir_server.codec.json import serialize
from fhir_server.core.errors import error, operation_outcome
from fhir_server.core.keys import instant
from fhir_server.core.ports import Caller
from fhir_server.interactions.environment import Environment
from fhir_server.interactions.operation import Call, OperationHandler
from fhir_server.interactions.request import Response
from fhir_server.interactions.required import require
from fhir_server.operations.bulk.imports import ImportJob, Imports, Input

NDJSON = ("application/fhir+ndjson", "application/ndjson")
MOST_INPUTS = 1000


def handlers(imports: Imports) -> tuple[OperationHandler, ...]:
    """The operations, over the imports of this worker."""

    async def start(environment: Environment, call: Call) -> Response:
        request = call.request
        body = request.body if request.content_type in NDJSON else b""
        inputs = [Input("")] if body else _inputs(environment, call, imports)
        for given in inputs:
            _require_allowed(environment, request.caller, given)
        job = await imports.begin(environment, request.caller, f"{request.base}/$import", inputs, body)
        return Response(202, headers={"Content-Location": f"{request.base}/$import-status?job={job.id}"})

    async def status(environment: Environment, call: Call) -> Response:
        job: ImportJob = await imports.of(call)
        if call.request.method == "DELETE":
            await imports.delete(job)
            return Response(202, body=serialize(operation_outcome([])))
        if job.state == "running":
            imports.take_up(job)
            done = f"{job.at} of {len(job.inputs)} inputs, {sum(each.stored for each in job.inputs)} resources"
            return Response(202, headers={"X-Progress": done, "Retry-After": "1"})
        if job.state == "failed":
            raise error("exception", f"The import failed: {job.problem}")
        return Response(200, body=serialize(_manifest(call.request.base, job)), content_type="application/json")

    async def file(environment: Environment, call: Call) -> Response:
        job = await imports.of(call)
        found = await imports.jobs.content(job, str(call.parameters.one("file") or ""))
        if found is None:
            raise error("not-found", "This import has no such file.")
        return Response(200, body=found, content_type=NDJSON[0])

    return (
        OperationHandler("import", start, system=True, parameters=("input", "inputFormat", "inputSource"),
                         methods=("POST",), affects_state=True, url="urn:hms:operation:import"),
        OperationHandler(
            "import-status", status, system=True, parameters=("job",), methods=("GET", "DELETE"), hidden=True
        ),
        OperationHandler("import-file", file, system=True, parameters=("job", "file"), methods=("GET",), hidden=True),
    )  # fmt: skip


def _require_allowed(environment: Environment, caller: Caller, given: Input) -> None:
    """FhirError "forbidden" for who may not store what an input holds: errors tell of it, and it may be of anybody."""
    fetched = environment.definitions.resource_types if given.url else ()
    for type in (given.type,) if given.type else fetched:
        require(caller, "u", type)
    if given.url and caller.belonging is not None:
        raise error(
            "forbidden",
            "Nothing is fetched for who stays within a patient's record: send the NDJSON as the body instead.",
        )


def _inputs(environment: Environment, call: Call, imports: Imports) -> list[Input]:
    found = []
    for name, _, parts in call.parameters.entries:
        if name != "input":
            continue
        values = {part.get("name"): next((v for k, v in part.items() if k.startswith("value")), "") for part in parts}
        url, type = str(values.get("url", "")), str(values.get("type", ""))
        if type and not environment.definitions.is_resource(type):
            raise error("value", f"input.type names '{type[:80]}', which is no resource type.", location="input")
        imports.sources.require(url)
        found.append(Input(url, type))
    if not 0 < len(found) <= MOST_INPUTS:
        raise error(
            "required",
            f"Send NDJSON as application/fhir+ndjson, or a Parameters with 1 to {MOST_INPUTS} parameters input.",
        )
    return found


def _manifest(base: str, job: ImportJob) -> dict[str, object]:
    errors = [
        {
            "type": part.type,
            "count": part.count,
            "url": f"{base}/$import-file?{urlencode({'job': job.id, 'file': part.name})}",
        }
        for part in job.parts
    ]
    output = [
        {**({"type": each.type} if each.type else {}), **({"inputUrl": each.url} if each.url else {}),
         "count": each.stored}
        for each in job.inputs
    ]  # fmt: skip
    return {"transactionTime": instant(job.moment), "request": job.url, "output": output, "error": errors}
