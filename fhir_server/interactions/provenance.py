"""Provenance of what is written, in the same commit (https://hl7.org/fhir/R4/provenance.html#header).

The header X-Provenance has a Provenance without targets: the server sets them to the versions that the request wrote.
With the setting provenance = automatic each commit has one, which says who, when and what; but for commits that bring a
Provenance of their own, as those of interfaces do.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, TypeVar

from fhir_server.codec.json import parse
from fhir_server.core.errors import FhirError, error
from fhir_server.core.keys import StoredVersion, instant
from fhir_server.core.ports import Caller, Transaction, Write
from fhir_server.interactions.environment import Environment
from fhir_server.interactions.preparing import prepare, store
from fhir_server.interactions.request import Request
from fhir_server.interactions.required import require

T = TypeVar("T")

HEADER = "header:X-Provenance"
NOT_TOLD = frozenset({"Provenance", "AuditEvent"})  # they tell of others themselves
OPERATION = "http://terminology.hl7.org/CodeSystem/v3-DataOperation"
AUTHOR = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/provenance-participant-type", "code": "author"}]}

Resource = dict[str, Any]


def recorded(environment: Environment, request: Request) -> Environment:
    """The environment in which what the request commits has its Provenance; itself where none is to be."""
    told = request.provenance
    automatic = environment.settings.provenance == "automatic"
    if not (told or automatic) or isinstance(environment.store, RecordingStore):
        return environment
    given = _given(told) if told else None
    if given is not None:
        require(request.caller, "c", "Provenance")
    return replace(environment, store=RecordingStore(environment, given, request.caller))


def _given(text: str) -> Resource:
    """The Provenance of a header; FhirError "value" for anything else."""
    try:
        found = parse(text.encode("latin-1", "replace"))
    except FhirError as problem:
        raise error("value", f"X-Provenance must be a Provenance in JSON: {problem}", location=HEADER) from None
    if not isinstance(found, dict) or found.get("resourceType") != "Provenance":
        raise error("value", "X-Provenance must be a Provenance in JSON.", location=HEADER)
    if "target" in found:
        raise error("value", "X-Provenance has no target: what the request writes is its target.", location=HEADER)
    return {name: value for name, value in found.items() if name != "id"}


class RecordingStore:
    """The `ResourceStore` port, every commit of which ends with the Provenance of what it wrote."""

    def __init__(self, environment: Environment, given: Resource | None, caller: Caller) -> None:
        self._environment = environment
        self._store = environment.store
        self._given = given
        self._caller = caller

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def commit(self, work: Callable[[Transaction], Awaitable[T]]) -> T:
        """Runs work, and adds the Provenance."""

        async def recording(inside: Transaction) -> T:
            noted = RecordingTransaction(inside)
            result = await work(noted)  # type: ignore[arg-type]  all else is the transaction's
            if noted.written and (self._given is not None or not noted.told):
                await self._add(inside, noted.written)
            return result

        return await self._store.commit(recording)

    async def _add(self, inside: Transaction, written: list[StoredVersion]) -> None:
        made = self._given or self._automatic(written, inside.now())
        targets = [{"reference": version.key.reference} for version in written]
        environment = self._environment
        try:
            prepared = prepare(environment, {**made, "target": targets})
        except FhirError as problem:
            if self._given is None:
                raise
            raise error("unprocessable", f"X-Provenance can't be stored: {problem}", location=HEADER) from None
        whole: Any = getattr(inside, "whole", inside)  # a caller's own may be outside of what it may see
        await store(whole, prepared, "Provenance", environment.new_id(), 1, "POST")

    def _automatic(self, written: list[StoredVersion], now: int) -> Resource:
        caller = self._caller
        who: Resource = {"reference": caller.fhir_user} if caller.fhir_user else {}
        name = caller.user or caller.client
        who |= {"identifier": {"value": name}} if name else {"display": "anonymous"}
        code, display = _activity(written)
        return {
            "resourceType": "Provenance",
            "recorded": instant(now),
            "activity": {"coding": [{"system": OPERATION, "code": code, "display": display}]},
            "agent": [{"type": AUTHOR, "who": who}],
        }


def _activity(written: list[StoredVersion]) -> tuple[str, str]:
    if all(version.version == 1 for version in written):
        return "CREATE", "create"
    return ("DELETE", "delete") if all(version.deleted for version in written) else ("UPDATE", "revise")


class RecordingTransaction:
    """The `Transaction` port, noting what is put. told: whether a Provenance was among it."""

    def __init__(self, inside: Transaction) -> None:
        self._inside = inside
        self.written: list[StoredVersion] = []
        self.told = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inside, name)

    @property
    def whole(self) -> Any:
        """The transaction below every view of it."""
        return getattr(self._inside, "whole", self._inside)

    async def put(self, write: Write) -> StoredVersion:
        """Stores a version and notes it."""
        stored = await self._inside.put(write)
        if stored.type not in NOT_TOLD:
            self.written.append(stored)
        self.told = self.told or stored.type == "Provenance"
        return stored
