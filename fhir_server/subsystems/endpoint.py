"""What each path of a subsystem does, as one table; the application and openapi.json are made from it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple

from fhir_server.client import FhirClient
from fhir_server.core.errors import error

JSON = "application/json"
CSV = "text/csv; charset=utf-8"


class Call(NamedTuple):
    """One request.

    client: the FHIR server; now: microseconds since 1970; who: who asks, "" for anybody in open mode; path: what stands
    for the {names} of the path; query: its parameters; fields: the body, a JSON object.
    """

    client: FhirClient
    now: int
    who: str
    path: dict[str, str]
    query: dict[str, str]
    fields: dict[str, Any]

    def required(self, name: str) -> str:
        """A text of the body that must be there; FhirError "required" that names it."""
        value = self.fields.get(name)
        if not isinstance(value, str) or not value.strip():
            raise error("required", f"{name} must be given in the body, as a text.", location=name)
        return value.strip()

    def whole(self, name: str, default: int, most: int) -> int:
        """A whole number of the query from 0 to most."""
        text = self.query.get(name, "")
        if not text:
            return default
        if not (text.isascii() and text.isdigit() and len(text) < 12 and int(text) <= most):
            raise error("value", f"{name} must be a whole number up to {most}, not {text[:40]!r}.", location=name)
        return int(text)


class Answer(NamedTuple):
    """Content as JSON, or bytes of a content type; filename: under which a browser keeps it."""

    content: Any
    type: str = JSON
    status: int = 200
    filename: str = ""


Handler = Callable[[Any, Call], Awaitable[Answer]]


class Endpoint(NamedTuple):
    """A method and a path below the subsystem's own, with {names} in it, each for one segment.

    handler: takes the subsystem and the call; parameters: names of the query; fields: names of the body, with types
    of JSON Schema where they are no texts: "days:integer".
    """

    method: str
    path: str
    summary: str
    handler: Handler
    parameters: Sequence[str] = ()
    fields: Sequence[str] = ()
    gives: str = JSON


def paths(name: str, title: str, endpoints: Sequence[Endpoint]) -> dict[str, Any]:
    """Path -> its operations for openapi.json; they stand at the server's root, not under the FHIR base."""
    made: dict[str, Any] = {}
    for each in endpoints:
        path = made.setdefault(f"/{name}{each.path}", {"servers": [{"url": "/"}]})
        path[each.method.lower()] = _operation(title, each)
    return made


def _operation(title: str, endpoint: Endpoint) -> dict[str, Any]:
    problem = {
        "description": "An OperationOutcome that says what to change",
        "content": {"application/fhir+json": {}},
    }
    made: dict[str, Any] = {
        "summary": endpoint.summary,
        "tags": [title],
        "responses": {"2XX": {"description": "Success", "content": {endpoint.gives: {}}}, "4XX": problem},
    }
    inside = [part[1:-1] for part in endpoint.path.split("/") if part.startswith("{")]
    parameters = [
        {"name": name, "in": where, "required": where == "path", "schema": {"type": "string"}}
        for where, names in (("path", inside), ("query", endpoint.parameters))
        for name in names
    ]
    if parameters:
        made["parameters"] = parameters
    if endpoint.fields:
        named = [field.partition(":") for field in endpoint.fields]
        properties = {name: {"type": kind or "string"} for name, _, kind in named}
        made["requestBody"] = {"content": {JSON: {"schema": {"type": "object", "properties": properties}}}}
    return made
