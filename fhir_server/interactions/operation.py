"""Invoking an operation: finding the one that is registered, and reading its parameters.

https://hl7.org/fhir/R4/operations.html
"""

from __future__ import annotations

import difflib
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, NamedTuple

from fhir_server.core.errors import error
from fhir_server.definitions import Operation, load
from fhir_server.interactions.environment import Environment
from fhir_server.interactions.preparing import id_of
from fhir_server.interactions.request import Request, Response

MOST_WHOLE = 2**63 - 1  # the largest number that a store counts to


class Parameters:
    """The in-parameters of a call, from the query of a GET or the Parameters resource of a POST.

    Each is a (name, value, part): a string from a query; from a Parameters the value[x] or the resource, and the parts.
    """

    def __init__(self, entries: list[tuple[str, Any, list[dict[str, Any]]]]) -> None:
        self.entries = entries

    def one(self, name: str, default: Any = None) -> Any:
        """The value of a parameter, the default where it isn't there; FhirError where it is there twice."""
        found = self.all(name)
        if len(found) > 1:
            raise error("value", f"The parameter '{name}' may stand once, not {len(found)} times.", location=name)
        return found[0] if found else default

    def all(self, name: str) -> list[Any]:
        """The values of a parameter that may repeat."""
        return [value for entry, value, _ in self.entries if entry == name]

    def texts(self, name: str) -> list[str]:
        """The values as text; those of a GET may be lists with commas."""
        return [text for value in self.all(name) for text in str(value).split(",") if text]

    def flag(self, name: str) -> bool:
        """A boolean parameter."""
        value = self.one(name, False)
        if isinstance(value, bool):
            return value
        if value not in ("true", "false"):
            raise error("value", f"'{name}' must be true or false, not '{str(value)[:40]}'.", location=name)
        return value == "true"

    def whole(self, name: str, default: int) -> int:
        """A whole number, zero to MOST_WHOLE."""
        value = self.one(name)
        if value is None:
            return default
        text = str(value)
        written = not isinstance(value, bool) and text.isascii() and text.isdigit() and len(text) < 20
        if not written or int(text) > MOST_WHOLE:
            raise error("value", f"'{name}' must be a whole number, not '{str(value)[:40]}'.", location=name)
        return int(text)


class Call(NamedTuple):
    """One invocation: at the system (type and id ""), a type (id "") or an instance."""

    request: Request
    type: str
    id: str
    parameters: Parameters


Handler = Callable[[Environment, Call], Awaitable[Response]]


class OperationHandler(NamedTuple):
    """A registered operation: where it may be called, and the function that answers.

    types: the resource types it is for, () for any. parameters: the names it takes beside those of the definition.
    """

    code: str
    function: Handler
    system: bool = False
    type: bool = False
    instance: bool = False
    types: tuple[str, ...] = ()
    affects_state: bool = False
    parameters: tuple[str, ...] = ()
    searches: bool = False  # takes search parameters beside its own; the search refuses those that it does not know
    definition: Operation | None = None
    methods: tuple[str, ...] = ("GET", "POST")
    url: str = ""  # of a definition that is not R4's own
    hidden: bool = False  # belongs to another operation, whose answers name it

    @property
    def body(self) -> str:
        """The in-parameter whose resource may be the body itself: the only one that is a resource; "" for none."""
        if "resource" in self.parameter_names:
            return "resource"
        defined = self.definition.parameters if self.definition else ()
        found = [p.name for p in defined if p.use == "in" and (p.type == "Resource" or load().is_resource(p.type))]
        return found[0] if len(found) == 1 else ""

    @property
    def parameter_names(self) -> tuple[str, ...]:
        """Every in-parameter that may be given."""
        defined = tuple(p.name for p in self.definition.parameters if p.use == "in") if self.definition else ()
        return defined + self.parameters


RESULT_PARAMETERS = ("_format", "_pretty", "_summary", "_elements")


async def invoke(environment: Environment, request: Request, code: str, type: str = "", id: str = "") -> Response:
    """Runs $code at the system, on a type or on an instance."""
    handler = _find(environment, code, type, id)
    if request.method == "GET" and handler.affects_state:
        raise error("not-supported", f"${code} changes what is stored; call it with POST.", headers={"Allow": "POST"})
    if request.method not in handler.methods:
        allowed = "POST" if handler.affects_state else ", ".join(handler.methods)
        raise error("not-supported", f"Call ${code} with {allowed}.", headers={"Allow": allowed})
    if id:
        id_of(id)
    parameters = Parameters(list(_entries(request, handler)))
    names = handler.parameter_names
    for name, _, _ in parameters.entries:
        if name not in names and name not in RESULT_PARAMETERS and not (request.lenient or handler.searches):
            near = difflib.get_close_matches(name, names, 1)
            hint = f" Did you mean '{near[0]}'?" if near else f" It has: {', '.join(sorted(set(names))) or 'none'}."
            raise error("unsupported-parameter", f"${code} has no parameter '{name[:80]}'.{hint}", location=name[:80])
    response = await handler.function(environment, Call(request, type, id, parameters))
    if id and environment.audit is not None and response.told is None:
        response.instance = await environment.store.read(type, id)
    return response


def _find(environment: Environment, code: str, type: str, id: str) -> OperationHandler:
    handlers: list[OperationHandler] = environment.operations.get(code, [])
    for handler in handlers:
        level = handler.instance if id else handler.type if type else handler.system
        if level and (not type or not handler.types or type in handler.types):
            return handler
    if handlers:
        places = ", ".join(sorted({place for handler in handlers for place in places_of(handler)}))
        raise error("not-found", f"${code} can't be called here; it can at: {places}.", code="not-supported")
    near = difflib.get_close_matches(code, environment.operations, 1)
    hint = f" Did you mean '${near[0]}'?" if near else " See /metadata for those that there are."
    raise error("not-found", f"There is no operation ${code[:80]} here.{hint}", code="not-supported")


def places_of(handler: OperationHandler) -> Iterator[str]:
    """Where an operation may be called, as URL shapes."""
    if handler.system:
        yield f"/${handler.code}"
    for type in handler.types or ("[type]",):
        if handler.type:
            yield f"/{type}/${handler.code}"
        if handler.instance:
            yield f"/{type}/[id]/${handler.code}"


def _entries(request: Request, handler: OperationHandler) -> Iterator[tuple[str, Any, list[dict[str, Any]]]]:
    for name, value in request.query:
        yield name, value, []
    resource = request.resource
    if resource is None:
        return
    if resource.get("resourceType") != "Parameters":
        if not handler.body:
            raise error("invalid", f"The body of ${handler.code} must be a Parameters resource.")
        yield handler.body, resource, []
        return
    listed = resource.get("parameter", [])
    if not isinstance(listed, list):
        raise error("invalid", "Parameters.parameter must be an array.", expression="Parameters.parameter")
    for number, entry in enumerate(listed):
        if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
            path = f"Parameters.parameter[{number}]"
            raise error("invalid", f"{path} must be an object with a name.", expression=path)
        value = entry.get("resource")
        for key, found in entry.items():
            if key.startswith("value"):
                value = found
        parts = entry.get("part", [])
        if not isinstance(parts, list) or not all(
            isinstance(part, dict) and isinstance(part.get("name"), str) for part in parts
        ):
            path = f"Parameters.parameter[{number}].part"
            raise error("invalid", f"{path} must be an array of objects with names.", expression=path)
        yield entry["name"], value, parts
