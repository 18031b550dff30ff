"""What a subsystem writes to FHIR: resources under ids made of what they are about, with Provenance."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from fhir_server.api import Request
from fhir_server.client import FhirClient
from fhir_server.codec.json import decode, serialize
from fhir_server.core.errors import FhirError
from fhir_server.core.keys import instant

Json = dict[str, Any]
ACTIVITY = "http://terminology.hl7.org/CodeSystem/v3-DataOperation"


def id_of(*about: object) -> str:
    """The id of what a rule makes of something: the same whenever it is made."""
    return hashlib.sha256("\n".join(map(str, about)).encode()).hexdigest()[:32]


def reference(resource: Json) -> str:
    """Type/id."""
    return f"{resource['resourceType']}/{resource['id']}"


def same(stored: bytes | None, wanted: Json) -> bool:
    """Whether a stored resource (JSON bytes) says what is wanted, whatever its meta."""
    if not stored:
        return False
    found = decode(stored)
    found.pop("meta", None)
    return found == decode(serialize({name: value for name, value in wanted.items() if name != "meta"}))


async def put_all(
    client: FhirClient,
    resources: Sequence[Json],
    *,
    subsystem: str,
    rule: str,
    now: int,
    sources: Sequence[str] = (),
    who: str = "",
    reason: str = "",
) -> None:
    """Stores resources with a Provenance of theirs, all or none; arguments as of `provenance`."""
    if resources:
        told = provenance(resources, subsystem=subsystem, rule=rule, now=now, sources=sources, who=who, reason=reason)
        await put(client, [*resources, told])


async def put(client: FhirClient, resources: Sequence[Json]) -> None:
    """Stores resources under their ids in one transaction."""
    entries = [{"resource": each, "request": {"method": "PUT", "url": reference(each)}} for each in resources]
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
    await client.perform(Request("POST", (), resource=bundle))


def provenance(
    resources: Sequence[Json],
    *,
    subsystem: str,
    rule: str,
    now: int,
    sources: Sequence[str] = (),
    who: str = "",
    reason: str = "",
) -> Json:
    """The Provenance of what is made together.

    rule: what made it; sources: references with versions of what it was made of; who: the person who decided it, ""
    for nobody; reason: why, in that person's words; now: microseconds since 1970.
    """
    content = b"\n".join(serialize(each) for each in resources)
    made = {
        "resourceType": "Provenance",
        "id": id_of(subsystem, rule, *sources, who, reason, content.decode()),
        "target": [{"reference": reference(each)} for each in resources],
        "recorded": instant(now),
        "activity": {"coding": [{"system": ACTIVITY, "code": "UPDATE"}], "text": rule},
        "agent": [{"who": {"display": f"{subsystem} subsystem"}}],
    }
    if who:
        made["agent"].append({"who": {"display": who}})
    if reason:
        made["reason"] = [{"text": reason}]
    if sources:
        made["entity"] = [{"role": "source", "what": {"reference": each}} for each in sources]
    return made


async def stored(client: FhirClient, type: str, id: str) -> bytes | None:
    """A resource as it is now, None where there is none."""
    try:
        return (await client.perform(Request("GET", (type, id)))).body or None
    except FhirError as problem:
        if problem.category in ("not-found", "deleted"):
            return None
        raise
