"""$fhirpath: an expression tried on a resource, with the type and the place of every item of the answer.

R4 has no such operation; the parameters follow the ones that FHIRPath playgrounds use.
"""

from __future__ import annotations

import asyncio
from typing import Any

from fhir_server.codec.json import decode, serialize
from fhir_server.codec.references import parse_reference
from fhir_server.core.errors import error
from fhir_server.core.keys import StoredVersion
from fhir_server.definitions import Definitions
from fhir_server.fhirpath import Environment as PathEnvironment
from fhir_server.fhirpath import Result, compile_path
from fhir_server.fhirpath.numbers import Long
from fhir_server.interactions.access.vocabulary import hidden_vocabulary, limits_of
from fhir_server.interactions.environment import Environment
from fhir_server.interactions.operation import Call, OperationHandler
from fhir_server.interactions.read import current, referenced
from fhir_server.interactions.request import Response

MAX_ITEMS = 10_000
Json = dict[str, Any]
Part = Json


async def fhirpath(environment: Environment, call: Call) -> Response:
    """Evaluates `expression` on `resource`, or on the stored resource of the URL."""
    expression = call.parameters.one("expression")
    if not isinstance(expression, str) or not expression.strip():
        raise error("required", "$fhirpath needs the parameter 'expression'.", location="expression")
    resource = call.parameters.one("resource")
    shown: list[StoredVersion] = []
    if resource is None and call.id:
        shown.append(await current(environment, call.request, call.type, call.id))
        resource = decode(shown[0].body)
    if not isinstance(resource, dict):
        raise error("required", "$fhirpath needs the parameter 'resource', or the URL of a stored one.")
    traced: list[Part] = []

    def trace(name: str, values: Any) -> None:
        traced.append({"name": "trace", "part": [{"name": name, "valueString": _text(list(values))}]})

    loop = asyncio.get_running_loop()
    service = environment.terminology
    hidden = await hidden_vocabulary((environment.whole or environment).index, limits_of(call.request.caller))

    def stored(reference: str) -> Json | None:
        local = parse_reference(reference, call.request.base)
        if local is None:
            return None
        version = asyncio.run_coroutine_threadsafe(referenced(environment, local), loop).result()
        if version is None:
            return None
        shown.append(version)
        return decode(version.body)

    def conforms(checked: Json, profile: str) -> bool | None:
        issues = environment.checker.validate(checked, (profile,))
        if any(issue.rule == "profile-unknown" and issue.profile == profile for issue in issues):
            return None
        return not any(issue.severity in ("error", "fatal") for issue in issues)

    def evaluate() -> list[Result]:
        path = compile_path(expression, environment.definitions, str(resource.get("resourceType", "")), strict=True)
        known = PathEnvironment(
            resolve=stored,
            terminology=service.without(hidden) if service is not None else None,
            conforms_to=conforms,
            trace=trace,
        )
        return path.evaluate(resource, environment=known)

    items = await asyncio.to_thread(evaluate)  # a long evaluation must not hold up other requests
    if len(items) > MAX_ITEMS:
        raise error("too-costly", f"The expression gives {len(items)} items; {MAX_ITEMS} are the most.")
    results = [{"name": "result", "part": _parts(item, environment.definitions)} for item in items]
    told = {"parameter": [*results, *traced]} if results or traced else {}
    return Response(200, body=serialize({"resourceType": "Parameters", **told}), shown=shown)


def _parts(item: Result, definitions: Definitions) -> list[Part]:
    parts = [_value(item, definitions)]
    if item.path:
        parts.append({"name": "path", "valueString": item.path})
    return parts


def _value(item: Result, definitions: Definitions) -> Part:
    """The item under the name of its type; what no value[x] can hold is given as JSON text."""
    if isinstance(item.value, Long):
        return {"name": "integer64", "valueString": str(int(item.value))}
    type = item.fhir_type
    definition = definitions.types.get(type)
    if definition is not None and definition.kind == "resource":
        return {"name": type, "resource": item.value}
    if definition is not None and definition.kind in ("primitive", "complex"):
        key = f"value{type[0].upper()}{type[1:]}"
        part: Part = {"name": type}
        if item.value is not None:
            part[key] = item.value
        if item.extension:
            part[f"_{key}"] = item.extension
        return part
    return {"name": type, "valueString": _text(item.value)}


def _text(value: Any) -> str:
    return serialize({"value": value}).decode()[9:-1]


HANDLERS = (
    OperationHandler(
        "fhirpath", fhirpath, system=True, type=True, instance=True, parameters=("expression", "resource")
    ),
)
