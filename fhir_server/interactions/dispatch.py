"""The grammar of R4's URLs: which interaction a method and a path ask for (https://hl7.org/fhir/R4/http.html#summary).

One table for HTTP and for the entries of a batch or transaction.
"""

from __future__ import annotations

import difflib
from urllib.parse import urlencode

from fhir_server.core.errors import FhirError, error
from fhir_server.interactions import app_state, capabilities, operation
from fhir_server.interactions.access.visible import environment_of
from fhir_server.interactions.audit import search_audit
from fhir_server.interactions.bundles.batch import batch
from fhir_server.interactions.create import create
from fhir_server.interactions.delete import conditional_delete, delete
from fhir_server.interactions.environment import Environment
from fhir_server.interactions.guarding import guarded
from fhir_server.interactions.history import history
from fhir_server.interactions.parameters import criteria_of, require_general
from fhir_server.interactions.patch import conditional_patch, patch
from fhir_server.interactions.provenance import recorded
from fhir_server.interactions.read import read, vread
from fhir_server.interactions.request import Request, Response
from fhir_server.interactions.required import require, require_any
from fhir_server.interactions.search import search, search_compartment
from fhir_server.interactions.shaping import shape_of, shaped
from fhir_server.interactions.update import conditional_update, update

AT_TYPE = {"GET": "s", "POST": "c", "PATCH": "u", "DELETE": "d"}  # PUT: c or u, as the criteria find
AT_INSTANCE = {"GET": "r", "PATCH": "u", "DELETE": "d"}


async def perform(environment: Environment, request: Request) -> Response:
    """Runs the interaction that the request asks for; FhirError for every answer that is no success."""
    noting = request.noting
    if noting is None or request.method == "GET":
        return await _performed(environment, request)
    begun = noting.begin(request)
    try:
        return await _performed(environment, request)
    finally:
        noting.end(begun)


async def _performed(environment: Environment, request: Request) -> Response:
    following = environment.following
    if following is not None:
        await following.before()
    environment = environment_of(environment, request.caller)
    if request.method != "GET":
        app_state.take(request)
        environment = guarded(recorded(environment, request), request)
    shape = shape_of(request, environment.definitions) if request.query else None
    response = await _route(environment, request)
    if shape is not None:
        response = shaped(response, shape, environment.definitions)
    if request.method != "GET" and following is not None:
        await following.after(request, response)
    return response


async def _route(environment: Environment, request: Request) -> Response:
    path = request.path
    if not path:
        return await _system(environment, request)
    first = path[0]
    if first.startswith("$"):
        _require_length(request, 1)
        return await operation.invoke(environment, request, first[1:])
    if first == "metadata":
        _require_length(request, 1)
        _require_method(request, "GET")
        require_general(request, "mode")
        return await capabilities.capabilities(environment, request)
    if first == "_history":
        _require_length(request, 1)
        _require_method(request, "GET")
        return await history(environment, request)
    if first == "_search":
        _require_length(request, 1)
        _require_method(request, "POST")
        return await search(environment, request)
    if not environment.definitions.is_resource(first):
        raise unknown_type(environment, first)
    if len(path) == 1:
        return await _type(environment, request, first)
    second = path[1]
    if second.startswith("$"):
        _require_length(request, 2)
        return await operation.invoke(environment, request, second[1:], first)
    if second == "_search":
        _require_length(request, 2)
        _require_method(request, "POST")
        require(request.caller, "s", first)
        if first == "AuditEvent" and environment.audit is not None:
            return await search_audit(environment, request)
        return await search(environment, request, first)
    if second == "_history":
        _require_length(request, 2)
        _require_method(request, "GET")
        require(request.caller, "s", first)
        return await history(environment, request, first)
    if len(path) == 2:
        return await _instance(environment, request, first, second)
    return await _below_instance(environment, request, first, second)


async def _system(environment: Environment, request: Request) -> Response:
    _require_method(request, "GET", "POST")
    if request.method == "GET":
        return await search(environment, request)
    require_general(request)
    return await batch(environment, request)


async def _type(environment: Environment, request: Request, type: str) -> Response:
    criteria = urlencode(criteria_of(request)) if request.query and request.method != "GET" else ""
    if request.method == "PUT":
        require_any(request.caller, "cu", type)
    elif request.method in AT_TYPE:
        require(request.caller, AT_TYPE[request.method], type)
    match request.method:
        case "GET" if type == "AuditEvent" and environment.audit is not None:
            return await search_audit(environment, request)
        case "GET":
            return await search(environment, request, type)
        case "POST":
            return await create(environment, request, type, criteria)
        case "PUT":
            return await conditional_update(environment, request, type, criteria)
        case "PATCH":
            return await conditional_patch(environment, request, type, criteria)
        case "DELETE":
            return await conditional_delete(environment, request, type, criteria)
    raise _wrong_method(request, "GET, POST, PUT, PATCH, DELETE")


async def _instance(environment: Environment, request: Request, type: str, id: str) -> Response:
    require_general(request)
    if request.method == "PUT":
        require_any(request.caller, "cu", type)
    elif request.method in AT_INSTANCE:
        require(request.caller, AT_INSTANCE[request.method], type)
    match request.method:
        case "GET":
            return await read(environment, request, type, id)
        case "PUT":
            return await update(environment, request, type, id)
        case "PATCH":
            return await patch(environment, request, type, id)
        case "DELETE":
            return await delete(environment, request, type, id)
    raise _wrong_method(request, "GET, PUT, PATCH, DELETE")


async def _below_instance(environment: Environment, request: Request, type: str, id: str) -> Response:
    third = request.path[2]
    if third == "_history":
        _require_method(request, "GET")
        require(request.caller, "r", type)
        if len(request.path) == 3:
            return await history(environment, request, type, id)
        _require_length(request, 4)
        require_general(request)
        return await vread(environment, request, type, id, request.path[3])
    if third.startswith("$"):
        _require_length(request, 3)
        return await operation.invoke(environment, request, third[1:], type, id)
    posted = request.path[3:] == ("_search",)
    if third != "*" and not environment.definitions.is_resource(third):
        raise unknown_type(environment, third)
    _require_length(request, 4 if posted else 3)
    _require_method(request, "POST" if posted else "GET")
    if third != "*":
        require(request.caller, "s", third)
    if third == "AuditEvent" and environment.audit is not None and type in environment.definitions.compartments:
        return await search_audit(environment, request, (type, id))
    return await search_compartment(environment, request, type, id, third)


def unknown_type(environment: Environment, name: str) -> FhirError:
    """The error for a name that is no resource type, with the nearest one that is."""
    near = difflib.get_close_matches(name, environment.definitions.resource_types, 1, 0.5)
    hint = f" Did you mean '{near[0]}'?" if near else ""
    return error("unknown-type", f"'{name[:80]}' is no R4 resource type.{hint}")


def _require_length(request: Request, length: int) -> None:
    if len(request.path) != length:
        raise error(
            "not-found", f"There is nothing at {'/'.join(request.path)[:200]}; see /metadata for what there is."
        )


def _require_method(request: Request, *allowed: str) -> None:
    if request.method not in allowed:
        raise _wrong_method(request, ", ".join(allowed))


def _wrong_method(request: Request, allowed: str) -> FhirError:
    where = "/".join(request.path) or "the base URL"
    return error(
        "not-supported",
        f"{request.method} is not possible at {where}; possible: {allowed}.",
        headers={"Allow": allowed},
    )
