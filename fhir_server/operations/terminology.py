"""The terminology operations, mounted: $lookup, $validate-code, $expand and the others of the service.

https://hl7.org/fhir/R4/terminology-service.html; what they do is in the package `terminology`.
"""

from __future__ import annotations

import asyncio
import functools
from pathlib import PurePath
from typing import Any

from fhir_server.codec.json import decode, serialize
from fhir_server.core.keys import instant
from fhir_server.interactions.access.vocabulary import hidden_vocabulary, limits_of
from fhir_server.interactions.environment import Environment
from fhir_server.interactions.operation import RESULT_PARAMETERS, Call, OperationHandler
from fhir_server.interactions.read import current
from fhir_server.interactions.request import Response
from fhir_server.interactions.required import require_all
from terminology import Terminology, operations, parameter_names
from terminology.loaders.jobs import Job, Jobs

QUICK = ("lookup", "validate-code", "subsumes")  # some tens of microseconds: a thread would cost more
AT_SYSTEM = ("closure",)
ON_TYPE_ONLY = ("lookup",)
CHANGES_STATE = ("closure",)
LOADS = "loads"  # ours: R4 has no operation that tells how far a load is


def handlers(service: Terminology) -> tuple[OperationHandler, ...]:
    """One handler for each operation of the service."""
    jobs = Jobs(service.store, service.clock)
    loads = OperationHandler(
        LOADS, functools.partial(_loads, jobs), type=True, types=("CodeSystem",), parameters=("id",)
    )
    return loads, *(
        OperationHandler(
            code,
            functools.partial(_invoke, service, function, (type, code)),
            system=code in AT_SYSTEM,
            type=code not in AT_SYSTEM,
            instance=code not in AT_SYSTEM + ON_TYPE_ONLY and not code.startswith("batch-"),
            types=(type,),
            affects_state=code in CHANGES_STATE,
            parameters=_names(type, code),
        )
        for (type, code), function in operations(service).items()
    )


def _names(type: str, code: str) -> tuple[str, ...]:
    """The in-parameters; what stands beside the validations of a batch holds for all of them."""
    validated = code.removeprefix("batch-")
    names = parameter_names((type, validated))
    return names if code == validated else ("validation", *names)


async def _invoke(
    service: Terminology, function: Any, key: tuple[str, str], environment: Environment, call: Call
) -> Response:
    """What the caller may not read of stored terminology is not known to the operation."""
    if key[1] in CHANGES_STATE:
        require_all(call.request.caller, "u", key[0])
    hidden = await hidden_vocabulary((environment.whole or environment).index, limits_of(call.request.caller))
    if hidden:
        function = operations(service.without(hidden))[key]
    instance = None
    if call.id:
        instance = decode((await current(environment, call.request, call.type, call.id)).body)
    given = _parameters(call)
    if key[1] in QUICK:
        return Response(200, body=serialize(function(given, instance)))
    return Response(200, body=serialize(await asyncio.to_thread(function, given, instance)))


async def _loads(jobs: Jobs, environment: Environment, call: Call) -> Response:
    """The loads of terminology, the newest first, or the one of an id: what, its state, stage and rows done."""
    id = call.parameters.whole("id", 0)
    found = [jobs.get(id)] if id else jobs.all()
    told = {"parameter": [_job(job) for job in found]} if found else {}
    return Response(200, body=serialize({"resourceType": "Parameters", **told}))


def _job(job: Job) -> dict[str, Any]:
    file = PurePath(job.source)
    told: list[dict[str, Any]] = [
        {"name": "id", "valueInteger": job.id},
        {"name": "loader", "valueCode": job.loader},
        {"name": "source", "valueString": file.name},
        {"name": "state", "valueCode": job.state},
        {"name": "started", "valueInstant": instant(job.started)},
    ]
    if job.finished:
        told.append({"name": "finished", "valueInstant": instant(job.finished)})
    if job.stage:
        told.append({"name": "stage", "valueString": job.stage})
        told.append({"name": "done", "valueInteger": job.done})
    if job.message:  # what leaves the server names no folders
        told.append({"name": "message", "valueString": job.message.replace(f"{file.parent}/", "")})
    return {"name": "load", "part": told}


def _parameters(call: Call) -> dict[str, Any]:
    resource = call.request.resource
    query = [
        {"name": name, "valueString": value} for name, value in call.request.query if name not in RESULT_PARAMETERS
    ]
    if resource is None or resource.get("resourceType") != "Parameters":
        body = [{"name": name, "resource": value} for name, value, _ in call.parameters.entries if value is resource]
        return {"resourceType": "Parameters", "parameter": [*query, *body] if resource is not None else query}
    return {**resource, "parameter": [*query, *resource.get("parameter", [])]}
