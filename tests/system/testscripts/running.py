"""The operations of a TestScript, and the running of a whole one."""

from __future__ import annotations

from typing import Any, NamedTuple

import httpx

from fhir_server.codec import json, xml
from tests.system.testscripts.asserting import failure
from tests.system.testscripts.exchange import DEFINITIONS, Exchange, Json, Past

METHODS = {"create": "POST", "update": "PUT", "updateCreate": "PUT", "delete": "DELETE", "patch": "PATCH"}
METHODS |= {"transaction": "POST", "batch": "POST"}
TYPES = {"json": "application/fhir+json", "xml": "application/fhir+xml"}


class Failed(NamedTuple):
    """An assert that did not hold; warning: it is only recommended."""

    test: str
    text: str
    why: str
    warning: bool


async def run(
    script: Json, http: httpx.AsyncClient, bases: list[str], fixtures: dict[str, Json], given: dict[str, str]
) -> list[Failed]:
    """Runs a script; bases: of its destinations; fixtures: resources by reference, such as Patient/example.

    A failed assert ends its test, as does one of the setup the whole script; the teardown comes in any case.
    """
    own = {each["id"]: fixtures[each["resource"]["reference"]] for each in script.get("fixture", ())}
    past = Past(script, own, given)
    profiles = {each["id"]: each["reference"] for each in script.get("profile", ())}
    parts: list[tuple[str, list[Json]]] = [(each["name"], each["action"]) for each in script.get("test", ())]
    found = await _actions("setup", script.get("setup", {}).get("action", []), past, http, bases, profiles)
    if all(each.warning for each in found):
        for name, actions in parts:
            found += await _actions(name, actions, past, http, bases, profiles)
    return found + await _actions("teardown", script.get("teardown", {}).get("action", []), past, http, bases, profiles)


async def _actions(
    test: str, actions: list[Json], past: Past, http: httpx.AsyncClient, bases: list[str], profiles: dict[str, str]
) -> list[Failed]:
    found: list[Failed] = []
    for action in actions:
        if "operation" in action:
            await _operate(action["operation"], past, http, bases)
            continue
        rule = action["assert"]
        why = await failure(rule, past, http, bases[0], profiles)
        if why:
            found.append(Failed(test, rule.get("description", ""), why, rule.get("warningOnly", False)))
            if not found[-1].warning:
                break
    return found


async def _operate(operation: Json, past: Past, http: httpx.AsyncClient, bases: list[str]) -> None:
    code = operation.get("type", {}).get("code", "")
    url = _url(operation, code, past, bases[operation.get("destination", 1) - 1])
    headers: dict[str, str] = {each["field"]: past.filled(each["value"]) for each in operation.get("requestHeader", ())}
    for field, name in (("Accept", "accept"), ("Content-Type", "contentType")):
        if name in operation:
            headers[field] = TYPES.get(str(operation[name]), str(operation[name]))
    body: bytes | None = None
    if "sourceId" in operation:
        body = _written(past.resource(operation["sourceId"]), code, url, operation.get("contentType", "json"))
    else:
        headers.pop("Content-Type", None)
    method = operation.get("method", METHODS.get(code, "GET")).upper()
    request = http.build_request(method, url, headers=headers, content=body)
    past.note(operation, Exchange(request, await http.send(request)))


def _url(operation: Json, code: str, past: Past, base: str) -> str:
    if "url" in operation:
        url = past.filled(operation["url"])
        return url if "://" in url else f"{base}/{url}"
    target: Any = past.resource(operation["targetId"]) if "targetId" in operation else None
    type = operation.get("resource") or (target or {}).get("resourceType", "")
    path = f"/{type}" if type else ""
    if target is not None and "params" not in operation:
        path += f"/{target['id']}"
        if code == "vread":
            path += f"/_history/{target['meta']['versionId']}"
    if code == "history":
        path += "/_history"
    elif code == "capabilities":
        path = "/metadata"
    return base + path + past.filled(operation.get("params", ""))


def _written(resource: Json, code: str, url: str, content_type: str) -> bytes:
    """A resource as it is sent: an update under the id of its URL, a create without one."""
    sent = dict(resource)
    if code in ("update", "updateCreate"):
        sent["id"] = url.rpartition("/")[2]
    elif code == "create":
        sent.pop("id", None)
    return xml.serialize(sent, DEFINITIONS) if content_type == "xml" else json.serialize(sent)
