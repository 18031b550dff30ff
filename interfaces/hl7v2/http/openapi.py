"""The routes as paths of openapi.json."""

from __future__ import annotations

from typing import Any

from interfaces.hl7v2.http.routes import ER7, ROUTES, Route


def paths() -> dict[str, Any]:
    """Path -> its operations; they stand at the server's root, not under the FHIR base."""
    made: dict[str, Any] = {}
    for route in ROUTES:
        path = made.setdefault(route.path, {"servers": [{"url": "/"}]})
        path[route.method.lower()] = _operation(route)
    return made


def _operation(route: Route) -> dict[str, Any]:
    answers: dict[str, Any] = {
        "2XX": {"description": "Success"},
        "4XX": {
            "description": "An OperationOutcome that says what to change",
            "content": {"application/fhir+json": {}},
        },
    }
    if route.path in ("/hl7/upload", "/hl7/messages/{id}/raw"):
        answers["2XX"]["content"] = {ER7: {}}
    made: dict[str, Any] = {"summary": route.summary, "tags": ["HL7 v2"], "responses": answers}
    parameters = [
        {"name": name, "in": "query", "required": False, "schema": {"type": "string"}} for name in route.parameters
    ]
    if "{id}" in route.path:
        parameters.insert(0, {"name": "id", "in": "path", "required": True, "schema": {"type": "integer"}})
    if parameters:
        made["parameters"] = parameters
    if route.takes:
        schema: dict[str, Any] = {"type": "string"}
        if route.fields:
            schema = {"type": "object", "properties": {name: {"type": "string"} for name in route.fields}}
        made["requestBody"] = {"content": {route.takes: {"schema": schema}}}
    return made
