"""openapi.json: what can be called, made from the same tables as the CapabilityStatement (OpenAPI 3.1)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fhir_server.api import FhirServer
from fhir_server.interactions.capabilities import VERSION
from fhir_server.rest.mounting import Mounted

FHIR_JSON = "application/fhir+json"
FHIR_XML = "application/fhir+xml"
FORM = "application/x-www-form-urlencoded"
PATCHES = ("application/json-patch+json", "application/xml-patch+xml", "application/merge-patch+json", FHIR_JSON)

Schema = dict[str, Any]


def _parameter(name: str, where: str, description: str, schema: Schema | None = None) -> Schema:
    return {
        "name": name,
        "in": where,
        "required": where == "path",
        "description": description,
        "schema": schema or {"type": "string"},
    }


ID = _parameter("id", "path", "Logical id", {"type": "string", "pattern": r"^[A-Za-z0-9\-.]{1,64}$"})
VERSION_ID = _parameter("vid", "path", "Version id", {"type": "string"})
SEARCH = [
    _parameter("_id", "query", "Logical ids, with commas between them"),
    _parameter("_lastUpdated", "query", "When the newest version was stored, such as ge2026-01-01"),
    _parameter("_count", "query", "Entries of a page", {"type": "integer", "minimum": 0}),
    _parameter("_sort", "query", "Search parameters to sort by, with commas between them, - in front for descending"),
    _parameter("_total", "query", "Whether to count", {"enum": ["none", "estimate", "accurate"]}),
    _parameter("_include", "query", "Type:parameter whose targets come along"),
    _parameter("_revinclude", "query", "Type:parameter; resources that refer to the matches come along"),
    _parameter("_summary", "query", "Parts of each resource", {"enum": ["true", "text", "data", "count", "false"]}),
    _parameter("_elements", "query", "Elements of each resource, with commas between them"),
]
HISTORY = [
    _parameter("_count", "query", "Entries of a page", {"type": "integer", "minimum": 0}),
    _parameter("_since", "query", "Only versions stored since this instant"),
    _parameter("_at", "query", "Only versions that were current at this time"),
]
IF_MATCH = _parameter("If-Match", "header", 'The version that may be replaced, such as W/"3"')
IF_NONE_EXIST = _parameter("If-None-Exist", "header", "Criteria: create only where nothing matches")
RESOURCE: Schema = {"type": "object", "properties": {"resourceType": {"type": "string"}}, "required": ["resourceType"]}


def _body(*types: str) -> Schema:
    return {
        "required": True,
        "content": {type: {"schema": RESOURCE if "json" in type else {"type": "string"}} for type in types},
    }


def _operation(summary: str, tag: str, parameters: list[Schema], body: Schema | None = None, **success: str) -> Schema:
    answers: Schema = {
        status.removeprefix("s"): {"description": text, "content": {FHIR_JSON: {}, FHIR_XML: {}}}
        for status, text in (success or {"s200": "Success"}).items()
    }
    answers["4XX"] = {"description": "An OperationOutcome that says what to change", "content": {FHIR_JSON: {}}}
    made: Schema = {"summary": summary, "tags": [tag], "responses": answers}
    if parameters:
        made["parameters"] = parameters
    if body:
        made["requestBody"] = body
    return made


def openapi(server: FhirServer, mounted: Sequence[Mounted] = ()) -> Schema:
    """The whole document."""
    definitions = server.definitions
    type = _parameter("type", "path", "Resource type", {"type": "string", "enum": list(definitions.resource_types)})
    resource = _body(FHIR_JSON, FHIR_XML)
    paths: Schema = {
        "/metadata": {"get": _operation("CapabilityStatement", "system", [])},
        "/": {"post": _operation("batch or transaction", "system", [], resource)},
        "/_history": {"get": _operation("history of everything", "system", HISTORY)},
        "/_search": {"post": _operation("search across types", "system", [], _body(FORM))},
        "/{type}": {
            "get": _operation("search", "type", [type, *SEARCH]),
            "post": _operation("create", "type", [type, IF_NONE_EXIST], resource, s201="Created", s200="It was there"),
            "put": _operation("conditional update", "type", [type, IF_MATCH], resource, s200="Updated", s201="Created"),
            "delete": _operation("conditional delete", "type", [type], s204="Deleted"),
        },
        "/{type}/_search": {"post": _operation("search", "type", [type], _body(FORM))},
        "/{type}/_history": {"get": _operation("history of a type", "type", [type, *HISTORY])},
        "/{type}/{id}": {
            "get": _operation("read", "instance", [type, ID]),
            "put": _operation("update", "instance", [type, ID, IF_MATCH], resource, s200="Updated", s201="Created"),
            "patch": _operation("patch", "instance", [type, ID, IF_MATCH], _body(*PATCHES)),
            "delete": _operation("delete", "instance", [type, ID, IF_MATCH], s204="Deleted"),
        },
        "/{type}/{id}/_history": {"get": _operation("history of a resource", "instance", [type, ID, *HISTORY])},
        "/{type}/{id}/_history/{vid}": {"get": _operation("vread", "instance", [type, ID, VERSION_ID])},
    }
    for handlers in server.environment.operations.values():
        for handler in handlers:
            for path, call in _calls(handler, type):
                paths.setdefault(path, {}).update(call)
    for each in mounted:
        paths.update(each.paths)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": server.settings.server_name,
            "version": VERSION,
            "description": "FHIR R4. The search parameters of each type are in the CapabilityStatement at /metadata.",
        },
        "servers": [{"url": server.settings.base_url or "/fhir"}],
        "paths": paths,
    }


def _calls(handler: Any, type: Schema) -> list[tuple[str, Schema]]:
    """The paths of an operation with their methods."""
    own = [
        _parameter(parameter.name, "query", parameter.documentation[:200])
        for parameter in (handler.definition.parameters if handler.definition else ())
        if parameter.use == "in" and parameter.type[:1].islower()
    ]
    chosen = {**type, "schema": {"type": "string", "enum": list(handler.types)}} if handler.types else type
    found = []
    for wanted, path, where in (
        (handler.system, f"/${handler.code}", []),
        (handler.type, f"/{{type}}/${handler.code}", [chosen]),
        (handler.instance, f"/{{type}}/{{id}}/${handler.code}", [chosen, ID]),
    ):
        if wanted:
            title = f"${handler.code}"
            calls: Schema = {"post": _operation(title, "operation", where, _body(FHIR_JSON, FHIR_XML))}
            if not handler.affects_state:
                calls["get"] = _operation(title, "operation", [*where, *own])
            found.append((path, calls))
    return found
