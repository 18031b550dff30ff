"""The asserts of a TestScript."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import httpx

from tests.system.testscripts.exchange import Exchange, Json, Past, by_fhirpath, by_xpath

RESPONSES = {
    "okay": 200, "created": 201, "noContent": 204, "notModified": 304, "bad": 400, "forbidden": 403, "notFound": 404,
    "methodNotAllowed": 405, "conflict": 409, "gone": 410, "preconditionFailed": 412, "unprocessable": 422,
}  # fmt: skip
OPERATORS: dict[str, Callable[[str, str], bool]] = {
    "equals": lambda found, wanted: found == wanted,
    "notEquals": lambda found, wanted: found != wanted,
    "in": lambda found, wanted: found in wanted.split(","),
    "notIn": lambda found, wanted: found not in wanted.split(","),
    "greaterThan": lambda found, wanted: float(found) > float(wanted),
    "lessThan": lambda found, wanted: float(found) < float(wanted),
    "empty": lambda found, wanted: not found,
    "notEmpty": lambda found, wanted: bool(found),
    "contains": lambda found, wanted: wanted in found,
    "notContains": lambda found, wanted: wanted not in found,
}


async def failure(rule: Json, past: Past, http: httpx.AsyncClient, base: str, profiles: dict[str, str]) -> str:
    """Why an assert does not hold, "" where it does; profiles: their URLs by the script's ids."""
    assert past.last is not None
    if "validateProfileId" in rule:
        return await _invalid(past.resource(rule.get("sourceId")), profiles[rule["validateProfileId"]], http, base)
    if "minimumId" in rule:
        wanted, found = past.resource(rule["minimumId"]), past.resource(rule.get("sourceId"))
        return "" if contains(found, wanted) else f"the answer lacks something of {rule['minimumId']}"
    if rule.get("navigationLinks"):
        return await _broken_link(past.resource(rule.get("sourceId")), http)
    found, wanted = _sides(rule, past)
    operator = rule.get("operator", "equals")
    return "" if OPERATORS[operator](found, wanted) else f"{found!r} {operator} {wanted!r} does not hold"


def _sides(rule: Json, past: Past) -> tuple[str, str]:
    """What was found and what it is compared with."""
    last: Exchange = past.last  # type: ignore[assignment]
    message = last.request if rule.get("direction") == "request" else last.response
    wanted = past.filled(rule.get("value", ""))
    if "response" in rule:
        return str(last.response.status_code), str(RESPONSES[rule["response"]])
    if "responseCode" in rule:
        return str(last.response.status_code), rule["responseCode"]
    if "contentType" in rule:
        return ("json", "xml")["xml" in message.headers.get("content-type", "")], rule["contentType"]
    if "headerField" in rule:
        return message.headers.get(rule["headerField"], ""), wanted
    if "requestMethod" in rule:
        return last.request.method.lower(), rule["requestMethod"]
    if "requestURL" in rule:
        return str(last.request.url), past.filled(rule["requestURL"])
    resource = past.resource(rule.get("sourceId"))
    if "resource" in rule:
        return str(resource["resourceType"]), rule["resource"]
    expression = rule.get("expression", rule.get("compareToSourceExpression"))
    found = by_fhirpath(expression, resource) if expression else by_xpath(rule["path"], resource)
    if "compareToSourceId" in rule:
        other = past.resource(rule["compareToSourceId"])
        if "compareToSourceExpression" in rule:
            wanted = ",".join(by_fhirpath(rule["compareToSourceExpression"], other))
        else:
            wanted = ",".join(by_xpath(rule["compareToSourcePath"], other))
    elif "value" not in rule:
        wanted = "true"  # an expression alone has to hold
    return ",".join(found), wanted


def contains(found: Any, wanted: Any) -> bool:
    """Whether everything of one value is in another, its items in whatever order; ids and meta are the server's."""
    if isinstance(wanted, dict):
        own = {name: value for name, value in wanted.items() if name not in ("id", "meta", "text")}
        return isinstance(found, dict) and all(contains(found.get(name), value) for name, value in own.items())
    if isinstance(wanted, list):
        return isinstance(found, list) and all(any(contains(each, item) for each in found) for item in wanted)
    return found == wanted


async def _invalid(resource: Json, profile: str, http: httpx.AsyncClient, base: str) -> str:
    url = f"{base}/{resource['resourceType']}/$validate"
    outcome = (await http.post(url, params={"profile": profile}, json=resource)).json()
    errors = [each["diagnostics"] for each in outcome["issue"] if each["severity"] in ("error", "fatal")]
    return "; ".join(errors)


async def _broken_link(bundle: Json, http: httpx.AsyncClient) -> str:
    links = {each["relation"]: each["url"] for each in bundle.get("link", ())}
    if "self" not in links:
        return "the Bundle has no link to itself"
    for relation, url in links.items():
        if not urlsplit(url).scheme or (await http.get(url)).status_code != 200:
            return f"the link {relation} leads nowhere: {url}"
    return ""
