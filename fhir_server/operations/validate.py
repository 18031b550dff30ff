"""$validate (https://hl7.org/fhir/R4/resource-operation-validate.html)."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from fhir_server.codec.json import decode, serialize
from fhir_server.codec.references import parse_reference, references
from fhir_server.codec.xml_problems import with_others
from fhir_server.core.errors import FhirError, Issue, error, operation_outcome
from fhir_server.core.ports import Transaction
from fhir_server.interactions.delete import remove
from fhir_server.interactions.environment import Environment
from fhir_server.interactions.operation import Call, OperationHandler
from fhir_server.interactions.read import current
from fhir_server.interactions.request import Response

PARAMETERS = ("resource", "mode", "profile")
MODES = ("create", "update", "delete", "profile")
MOST_TARGETS = 500  # references whose targets are read; further ones are taken at their types


async def validate(environment: Environment, call: Call) -> Response:
    """Says what is wrong with a resource, and whether the server would take it; always 200."""
    mode = call.parameters.one("mode", "")
    if mode and mode not in MODES:
        raise error("value", f"mode must be one of {', '.join(MODES)}, not '{str(mode)[:40]}'.", location="mode")
    profiles = tuple(call.parameters.all("profile"))
    if not all(isinstance(profile, str) and profile for profile in profiles):
        raise error("value", "profile must be the canonical URL of a StructureDefinition.", location="profile")
    if mode == "profile" and not profiles:
        raise error("required", "mode=profile needs the parameter profile, to validate against.", location="profile")
    resource = call.parameters.one("resource")
    misread = _misread(call)
    if mode == "delete":
        return _outcome(await _delete_issues(environment, call))
    if resource is None and call.id:
        stored = await current(environment, call.request, call.type, call.id)
        resource = decode(stored.body)
    if not isinstance(resource, dict):
        if misread:
            return _outcome(misread)
        raise error("required", "$validate needs the parameter 'resource', or the URL of a stored one.")
    issues = _type_issues(call, resource, mode)
    if not issues:  # a profile may bring expressions that take long: other requests are not held up
        stored = await _targets(environment, resource, call.request.base)
        issues = await asyncio.to_thread(environment.checker.validate, resource, profiles, stored)
    return _outcome(with_others(misread, issues))


def _misread(call: Call) -> list[Issue]:
    """What keeps the XML of the body from being a resource, with paths from the resource that is asked about."""
    problems, body = call.request.misread, call.request.resource or {}
    if body.get("resourceType") != "Parameters":
        return problems
    for position, parameter in enumerate(body.get("parameter", ())):
        if isinstance(parameter, dict) and parameter.get("name") == "resource":
            outer = f"Parameters.parameter[{position}].resource"
            inner = str((parameter.get("resource") or {}).get("resourceType"))
            problems = [
                msgspec.structs.replace(each, expression=inner + each.expression.removeprefix(outer))
                if each.expression.startswith(outer)
                else each
                for each in problems
            ]
    return problems


async def _targets(environment: Environment, resource: dict[str, Any], base: str) -> dict[str, dict[str, Any]]:
    """What the references of a resource name that is stored here, by their texts: its profiles may speak of them."""
    keys: dict[str, tuple[str, str]] = {}
    for text in list(dict.fromkeys(text for _, text in references(resource)))[:MOST_TARGETS]:
        local = parse_reference(text, base)
        if local is not None and not local.version:
            keys[text] = (local.type, local.id)
    versions = await environment.store.read_many(keys.values())
    return {
        text: decode(version.body)
        for text, version in zip(keys, versions, strict=True)
        if version is not None and version.body
    }


def _type_issues(call: Call, resource: dict[str, Any], mode: str) -> list[Issue]:
    found = resource.get("resourceType")
    if call.type and found != call.type:
        return [Issue("error", "invalid", f"The URL is of {call.type}, the resource of {found}.", "resourceType")]
    if mode == "update" and call.id and resource.get("id") != call.id:
        return [
            Issue("error", "invalid", f"The URL has the id {call.id}, the resource another or none.", f"{found}.id")
        ]
    if mode == "create" and call.id:
        return [Issue("error", "business-rule", f"{call.type}/{call.id} can't be created; it has an id.")]
    return []


class _Rollback(Exception):
    """Undoes a deletion that was only tried; says who refers to the resource."""


async def _delete_issues(environment: Environment, call: Call) -> list[Issue]:
    if not call.id:
        raise error("required", "mode=delete needs the URL of a stored resource: [type]/[id]/$validate?mode=delete.")
    await current(environment, call.request, call.type, call.id)

    async def work(transaction: Transaction) -> None:
        await remove(environment, transaction, call.request, call.type, call.id)
        others = []
        try:
            others = await transaction.referring(call.type, call.id)
        except FhirError as hidden:  # there are only such as may not be named: to be told where they prevent it
            if hidden.category != "integrity" or environment.settings.referential_integrity:
                raise
        raise _Rollback("/".join(others[0]) if others else "")

    try:
        await environment.store.commit(work)
    except _Rollback as tried:
        other = str(tried)
        if other:
            severity = "error" if environment.settings.referential_integrity else "warning"
            return [Issue(severity, "conflict", f"{other} refers to {call.type}/{call.id}.")]
    except FhirError as problem:
        return problem.issues
    return []


def _outcome(issues: list[Issue]) -> Response:
    return Response(200, body=serialize(operation_outcome(issues)))


HANDLERS = (OperationHandler("validate", validate, system=True, type=True, instance=True, parameters=PARAMETERS),)
