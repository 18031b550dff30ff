"""From the change feed to letters: each destination's subscriptions, in order, each version of a resource once."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from typing import Any, Protocol
from urllib.parse import parse_qsl

import structlog

from fhir_server.api import FhirServer, Request
from fhir_server.client import FhirClient
from fhir_server.codec import json
from fhir_server.core.errors import PASSING, FhirError
from fhir_server.core.ports import Change, Clock
from interfaces.hl7v2.configuration import Destination
from interfaces.hl7v2.header import read_header
from interfaces.hl7v2.messages.port import Letter, MessageStore

log = structlog.get_logger("hl7")

AT_ONCE = 200  # changes looked at in one go
LAST = 2**62  # a position past every change


class Changes(Protocol):
    """Where the changes of a FHIR server come from."""

    async def head(self) -> int:
        """The position of the newest change."""
        ...

    async def after(self, position: int, types: Collection[str], limit: int) -> tuple[list[Change], int]:
        """Changes of these types past a position, oldest first, and the position to go on from."""
        ...

    async def matching(self, change: Change, criteria: str) -> dict[str, Any] | None:
        """The resource as the change left it, where the criteria hold for it.

        Where that can't be told of what has changed again since, it is the resource as it is now.
        """
        ...


class ToMessage(Protocol):
    """Makes messages of resources."""

    async def __call__(self, resource: dict[str, Any], destination: Destination, control: str) -> bytes:
        """A message with this MSH-10; b"" where none stands for the resource. FhirError where it can't be made."""
        ...


class ServerChanges:
    """The feed of a server in this process."""

    def __init__(self, server: FhirServer) -> None:
        self._server = server

    async def head(self) -> int:
        """See Changes."""
        return await self._server.environment.feed.head()

    async def after(self, position: int, types: Collection[str], limit: int) -> tuple[list[Change], int]:
        """See Changes."""
        return await self._server.environment.feed.changes_of(types, position, limit)

    async def matching(self, change: Change, criteria: str) -> dict[str, Any] | None:
        """See Changes."""
        now = await matching(self._server, change, criteria)
        if _is(now, change) or (then := await version_of(self._server, change)) is None:
            return now
        holds = await self._server.holds(then, criteria) if criteria else True
        return now if holds is None else then if holds else None


class ClientChanges:
    """The feed of a server behind a client, by its `$changes`."""

    def __init__(self, client: FhirClient) -> None:
        self._client = client

    async def head(self) -> int:
        """See Changes."""
        return (await self._asked(LAST, 1, ()))["head"]

    async def after(self, position: int, types: Collection[str], limit: int) -> tuple[list[Change], int]:
        """See Changes."""
        while True:
            told = await self._asked(position, limit, types)
            if told["changes"] or told["position"] == position:
                break
            position = told["position"]  # nothing of these is for callers
        found = [
            Change(one["position"], one["type"], one["id"], int(one["version"]), one["method"], 0)
            for one in told["changes"]
        ]
        return found, told["position"]

    async def matching(self, change: Change, criteria: str) -> dict[str, Any] | None:
        """See Changes; whether criteria hold for a version that is over can't be asked over HTTP."""
        now = await matching(self._client, change, criteria)
        if criteria or _is(now, change):
            return now
        return await version_of(self._client, change) or now

    async def _asked(self, position: int, limit: int, types: Collection[str]) -> dict[str, Any]:
        query = [("after", str(position)), ("_count", str(limit))]
        if types:
            query.append(("_type", ",".join(types)))
        return json.parse((await self._client.perform(Request("GET", ("$changes",), query))).body)


async def matching(client: FhirClient, change: Change, criteria: str) -> dict[str, Any] | None:
    """The resource of a change as it is now, where it is and the criteria hold for it."""
    query = [*parse_qsl(criteria), ("_id", change.id)]
    found = json.parse((await client.perform(Request("GET", (change.type,), query))).body)
    resources = (entry["resource"] for entry in found.get("entry", ()))
    return next((resource for resource in resources if resource.get("id") == change.id), None)


async def version_of(client: FhirClient, change: Change) -> dict[str, Any] | None:
    """The version that a change made; None where it is there no more."""
    path = (change.type, change.id, "_history", str(change.version))
    try:
        return json.parse((await client.perform(Request("GET", path))).body)
    except FhirError as problem:
        if problem.category in ("not-found", "deleted"):
            return None
        raise


def _is(resource: dict[str, Any] | None, change: Change) -> bool:
    """Whether a resource is the version that a change made."""
    return resource is not None and resource["meta"]["versionId"] == str(change.version)


class Subscriber:
    """Fills the queue of one destination."""

    def __init__(
        self, name: str, destination: Destination, store: MessageStore, changes: Changes, make: ToMessage, clock: Clock
    ) -> None:
        self._name = name
        self._destination = destination
        self._store = store
        self._changes = changes
        self._make = make
        self._clock = clock
        self._criteria = [search.partition("?")[::2] for search in destination.subscribe]
        self._types = tuple(dict.fromkeys(type for type, _ in self._criteria))
        self._looked = 0  # the position up to which there was nothing for it

    async def advance(self) -> bool:
        """Looks at the changes since the last time; whether there may be more.

        A destination that is new begins with what changes from now on.
        """
        consumer = f"destination {self._name}"
        position = await self._store.position(consumer)
        if position < 0:
            await self._store.post(consumer, await self._changes.head(), [])
            return False
        position = max(position, self._looked)
        changes, following = await self._changes.after(position, self._types, AT_ONCE)
        if not changes:  # not kept: a worker that starts looks from before it again, which costs little
            self._looked = following
            return False
        letters = [letter for change in changes for letter in await self._letters(change)]
        await self._store.post(consumer, following, letters)
        return len(changes) == AT_ONCE

    async def _letters(self, change: Change) -> list[Letter]:
        if change.method in ("DELETE", "ERASE"):
            return []
        for type, criteria in self._criteria:
            if type == change.type:
                resource = await self._changes.matching(change, criteria)
                if resource is not None:
                    return await self._letter(resource)
        return []

    async def _letter(self, resource: dict[str, Any]) -> list[Letter]:
        version = resource["meta"]["versionId"]
        key = f"{resource['resourceType']}/{resource['id']}/_history/{version}"
        control = control_of(self._name, key)
        now = self._clock()
        try:
            body = await self._make(resource, self._destination, control)
        except FhirError as problem:
            if problem.category in PASSING:
                raise
            return [Letter(0, self._name, key, "", control, b"", "failed", now, now, 0, str(problem)[:2000])]
        except Exception:
            log.exception("hl7 message could not be made", destination=self._name)
            text = "The message could not be made; the log says where it ended."
            return [Letter(0, self._name, key, "", control, b"", "failed", now, now, 0, text)]
        header = read_header(body)
        if header is None:
            return []
        return [Letter(0, self._name, key, header.type, header.control, body, "queued", now, now)]


def control_of(destination: str, key: str) -> str:
    """The MSH-10 of a letter: 20 characters, the same for the same resource and version."""
    return hashlib.sha256(f"{destination}\0{key}".encode()).hexdigest()[:20].upper()
