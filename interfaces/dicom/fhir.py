"""What the interface asks of a FHIR server, in few words: search, read, transaction."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from fhir_server.api import Request
from fhir_server.client import FhirClient, pages
from fhir_server.codec import json

Resource = dict[str, Any]


async def search(client: FhirClient, type: str, *query: tuple[str, str]) -> list[Resource]:
    """What matches, over all pages, with what is included."""
    bundles = pages(client, (type,), [*query, ("_count", "200")])
    return [entry["resource"] async for bundle in bundles for entry in bundle.get("entry", ())]


async def read(client: FhirClient, reference: str) -> Resource:
    """A resource by its reference Type/id; FhirError where it is not there."""
    response = await client.perform(Request("GET", tuple(reference.split("/")[-2:])))
    return json.parse(response.body)


async def transaction(client: FhirClient, entries: list[Resource]) -> list[Resource]:
    """Commits entries together; the entries of the answer."""
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
    response = await client.perform(Request("POST", (), resource=bundle))
    return json.parse(response.body)["entry"]


def put(resource: Resource, criteria: str, url: str) -> Resource:
    """An entry that updates what the criteria match, or creates it."""
    return {
        "fullUrl": url,
        "resource": resource,
        "request": {"method": "PUT", "url": f"{resource['resourceType']}?{criteria}"},
    }


def replace(resource: Resource) -> Resource:
    """An entry that updates a resource that was read, unless somebody else has changed it since."""
    return {
        "fullUrl": reference(resource),
        "resource": resource,
        "request": {
            "method": "PUT",
            "url": reference(resource),
            "ifMatch": f'W/"{resource["meta"]["versionId"]}"',
        },
    }


def post(resource: Resource, url: str = "", unless: str = "") -> Resource:
    """An entry that creates; unless: criteria of what may be there already."""
    made: Resource = {"resource": resource, "request": {"method": "POST", "url": resource["resourceType"]}}
    if url:
        made["fullUrl"] = url
    if unless:
        made["request"]["ifNoneExist"] = unless
    return made


def identified(token: str) -> str:
    """The criteria of an identifier, given as the value of a search, as they stand in a URL."""
    return f"identifier={quote(token, safe=':/|')}"


def reference(resource: Resource) -> str:
    """Type/id."""
    return f"{resource['resourceType']}/{resource['id']}"


def located(entry: Resource) -> str:
    """Type/id of an entry of a transaction's answer."""
    return "/".join(entry["response"]["location"].split("/_history")[0].split("/")[-2:])
