"""The terminology operations, mounted: $lookup, $validate-code, $expand and the others of the service.

https://hl7.org/fhir/R4/terminology-service.html; what they do is in the package `terminology`.
"""

from __future__ import annotations

import asyncio
import functools
from typing import Any

from fhir_server.codec.json import decode, serialize
from fhir_server.interactions.environment import Environment
from fhir_server.interactions.operation import RESULT_PARAMETERS, Call, OperationHandler
from fhir_server.interactions.read import current
from fhir_server.interactions.request import Response
from terminology import Terminology, operations, parameter_names

QUICK = ("lookup", "validate-code", "subsumes")  # some tens of microseconds: a thread would cost more
AT_SYSTEM = ("closure",)
ON_TYPE_ONLY = ("lookup", "find-matches")
CHANGES_STATE = ("closure",)


def handlers(service: Terminology) -> tuple[OperationHandler, ...]:
    """One handler for each operation of the service."""
    return tuple(
        OperationHandler(
            code,
            functools.partial(_invoke, function, code),
            system=code in AT_SYSTEM,
            type=code not in AT_SYSTEM,
            instance=code not in AT_SYSTEM + ON_TYPE_ONLY and not code.startswith("batch-"),
            types=(type,),
            affects_state=code in CHANGES_STATE,
            parameters=() if code.startswith("batch-") else parameter_names((type, code)),
        )
        for (type, code), function in operations(service).items()
    )


async def _invoke(function: Any, code: str, environment: Environment, call: Call) -> Response:
    instance = None
    if call.id:
        instance = decode((await current(environment, call.request, call.type, call.id)).body)
    given = _parameters(call)
    if code in QUICK:
        return Response(200, body=serialize(function(given, instance)))
    return Response(200, body=serialize(await asyncio.to_thread(function, given, instance)))


def _parameters(call: Call) -> dict[str, Any]:
    resource = call.request.resource
    query = [
        {"name": name, "valueString": value} for name, value in call.request.query if name not in RESULT_PARAMETERS
    ]
    if resource is None or resource.get("resourceType") != "Parameters":
        return {"resourceType": "Parameters", "parameter": query}
    return {**resource, "parameter": [*query, *resource.get("parameter", [])]}
