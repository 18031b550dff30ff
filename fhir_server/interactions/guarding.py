"""Types of resources that mean something to this server: each write of one is looked at, whichever way it comes.

A guard sees what is about to be stored inside the transaction, also where a patch or a Bundle makes it, and is told
once it is durable, before the request is answered.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, Protocol, TypeVar
from urllib.parse import unquote

from fhir_server.codec.json import decode, serialize
from fhir_server.core.keys import StoredVersion
from fhir_server.core.ports import Transaction, Write
from fhir_server.interactions.environment import Environment
from fhir_server.interactions.provenance import RecordingTransaction
from fhir_server.interactions.request import Request

T = TypeVar("T")


class Guard(Protocol):
    """Looks at the writes of one type."""

    @property
    def type(self) -> str:
        """The type."""
        ...

    async def check(
        self, environment: Environment, request: Request, id: str, resource: dict[str, Any], head: StoredVersion | None
    ) -> dict[str, Any]:
        """What is stored after head, the version before it: the resource, or what the server makes of it.

        FhirError refuses it. environment: the caller's; id: of the resource.
        """
        ...

    async def stored(self, environment: Environment, request: Request, version: StoredVersion) -> None:
        """A version is durable, be it a deletion; the request is answered after this."""
        ...


def guarded(environment: Environment, request: Request) -> Environment:
    """The environment in which the request's writes of guarded types are looked at; itself where there are none."""
    for guard in environment.guards:
        if _writes(request, guard.type):
            environment = replace(environment, store=GuardedStore(environment, guard, request))
    return environment


def _writes(request: Request, type: str) -> bool:
    if request.path:
        return request.path[0] == type
    bundle = request.resource
    if bundle is None or bundle.get("type") != "transaction":  # each entry of a batch is a request of its own
        return False
    entries = bundle.get("entry")
    return isinstance(entries, list) and any(_names(entry, type) for entry in entries)


def _names(entry: Any, type: str) -> bool:
    asked = entry.get("request") if isinstance(entry, dict) else None
    url = asked.get("url") if isinstance(asked, dict) else None
    if not isinstance(url, str):
        return False
    return type in url or ("%" in url.partition("?")[0] and type in unquote(url))


class GuardedStore:
    """The `ResourceStore` port, whose commits a guard looks at."""

    def __init__(self, environment: Environment, guard: Guard, request: Request) -> None:
        self._environment = environment
        self._store = environment.store
        self._guard = guard
        self._request = request

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def commit(self, work: Callable[[Transaction], Awaitable[T]]) -> T:
        """Runs work under the guard's eyes, and tells it what was written."""
        written: list[StoredVersion] = []

        async def watched(inside: Transaction) -> T:
            guarding = _GuardedTransaction(inside, self._guard, self._environment, self._request)
            result = await work(guarding)  # type: ignore[arg-type]  all else is the transaction's
            written[:] = [version for version in guarding.written if version.type == self._guard.type]
            return result

        result = await self._store.commit(watched)
        for version in written:
            await self._guard.stored(self._environment, self._request, version)
        return result


class _GuardedTransaction(RecordingTransaction):
    def __init__(self, inside: Transaction, guard: Guard, environment: Environment, request: Request) -> None:
        super().__init__(inside)
        self._guard = guard
        self._environment = environment
        self._request = request

    async def put(self, write: Write) -> StoredVersion:
        """Has the guard look before it is stored."""
        if write.type == self._guard.type and write.body:
            head = await self._inside.read(write.type, write.id)
            sent = decode(write.body)
            made = await self._guard.check(self._environment, self._request, write.id, sent, head)
            if made != sent:
                write = write._replace(body=serialize(made), values=self._environment.searching.extract(made))
        return await super().put(write)
