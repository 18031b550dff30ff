"""$erasures: erasures of patients that interfaces in processes apart, with data of their own, have yet to work off.

The setting interfaces_apart names them. An erasure keeps for each what it must know, in a file that is on the disk or
in MongoDB, before the record goes, and the receipt says that it is pending there. GET [base]/$erasures?interface=NAME
answers with {"erasures": [{"id", "reference", "identifiers", "record"}]} (core/erasing.py). POST [base]/$erasures with
Parameters interface, done (the id) and a count for each of what was erased (part what, number) ends it: it is
forgotten, and a receipt of the interface is stored, one however often and from how many processes it is told. On a
secured server an interface is a client by itself, whose id is its name.
"""

from __future__ import annotations

import re
import secrets
from collections import Counter
from pathlib import Path
from typing import Protocol

import msgspec

from fhir_server.codec.json import serialize
from fhir_server.core.erasing import Erased
from fhir_server.core.errors import error
from fhir_server.core.flushing import flush, whole_file
from fhir_server.core.jobs import JobStore
from fhir_server.core.ports import Transaction
from fhir_server.interactions.environment import Environment
from fhir_server.interactions.operation import Call, OperationHandler
from fhir_server.interactions.preparing import prepare, store
from fhir_server.interactions.request import Response
from fhir_server.operations.purge import receipt_of

FOLDER = "erasures"  # in the data folder
SUFFIX = ".json"
ID = re.compile(r"[0-9a-f]{32}\Z")


class Pending(msgspec.Struct, kw_only=True):
    """One erasure at one interface."""

    id: str
    interface: str
    reference: str
    identifiers: list[tuple[str, str]]
    record: list[str]


class Keeping(Protocol):
    """Where pending erasures are; tests/contract/test_pending_erasures.py runs over both."""

    async def keep(self, pending: Pending) -> None:
        """Keeps one, durably before it returns; FhirError "unavailable"."""
        ...

    async def all(self) -> list[Pending]:
        """All of them."""
        ...

    async def find(self, id: str) -> Pending | None:
        """One of them."""
        ...

    async def forget(self, id: str) -> None:
        """It is worked off."""
        ...


class InFolder:
    """A file for each."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def keep(self, pending: Pending) -> None:
        """See Keeping."""
        try:
            with whole_file(self._path(pending.id), 0o600) as file:
                file.write(msgspec.json.encode(pending))
        except OSError as problem:
            text = (
                f"{self._folder} can't keep the erasure for {pending.interface}, the record stays: {problem.strerror}."
            )
            raise error("unavailable", text) from problem

    async def all(self) -> list[Pending]:
        """See Keeping."""
        found = [await self.find(path.stem) for path in sorted(self._folder.glob(f"*{SUFFIX}"))]
        return [each for each in found if each is not None]

    async def find(self, id: str) -> Pending | None:
        """See Keeping."""
        try:
            return msgspec.json.decode(self._path(id).read_bytes(), type=Pending)
        except FileNotFoundError:
            return None

    async def forget(self, id: str) -> None:
        """See Keeping."""
        self._path(id).unlink(missing_ok=True)
        flush(self._folder)

    def _path(self, id: str) -> Path:
        return self._folder / f"{id}{SUFFIX}"


class AsJobs:
    """Documents beside those of bulk jobs, for a store that several machines share."""

    def __init__(self, jobs: JobStore) -> None:
        self._jobs = jobs

    async def keep(self, pending: Pending) -> None:
        """See Keeping."""
        await self._jobs.create(pending.id, msgspec.json.encode(pending), {})

    async def all(self) -> list[Pending]:
        """See Keeping."""
        found = [msgspec.json.decode(document, type=Pending) for document in await self._jobs.all()]
        return sorted(found, key=lambda each: each.id)

    async def find(self, id: str) -> Pending | None:
        """See Keeping."""
        document = await self._jobs.find(id)
        return msgspec.json.decode(document, type=Pending) if document is not None else None

    async def forget(self, id: str) -> None:
        """See Keeping."""
        await self._jobs.delete(id)


class Erasures:
    """Those that are pending at some interfaces."""

    def __init__(self, keeping: Keeping, interfaces: tuple[str, ...]) -> None:
        self._keeping = keeping
        self.interfaces = interfaces

    async def __call__(self, erased: Erased) -> dict[str, int]:
        """See Erase: keeps it for each interface."""
        for interface in self.interfaces:
            await self._keeping.keep(
                Pending(
                    id=secrets.token_hex(16),
                    interface=interface,
                    reference=erased.reference,
                    identifiers=sorted(erased.identifiers),
                    record=sorted(erased.record),
                )
            )
        return {f"pending at {interface}": 1 for interface in self.interfaces}

    async def of(self, interface: str) -> list[Pending]:
        """What an interface has yet to work off."""
        return [each for each in await self._keeping.all() if each.interface == interface]

    async def find(self, id: str, interface: str) -> Pending | None:
        """One of them."""
        found = await self._keeping.find(id) if ID.match(id) else None
        return found if found is not None and found.interface == interface else None

    async def forget(self, pending: Pending) -> None:
        """It is worked off."""
        await self._keeping.forget(pending.id)


def handlers(erasures: Erasures) -> tuple[OperationHandler, ...]:
    """The operation."""

    async def pending(environment: Environment, call: Call) -> Response:
        interface = _interface(erasures, call)
        if call.request.method == "POST":
            return await done(environment, call, interface)
        listed = [
            {"id": each.id, "reference": each.reference, "identifiers": each.identifiers, "record": each.record}
            for each in await erasures.of(interface)
        ]
        return Response(200, body=serialize({"erasures": listed}), content_type="application/json")

    async def done(environment: Environment, call: Call, interface: str) -> Response:
        found = await erasures.find(str(call.parameters.one("done") or ""), interface)
        if found is None:
            raise error("not-found", f"No such erasure is pending at {interface}.", location="done")
        receipt = receipt_of(environment, found.reference, _counts(call), f"erasure at {interface}")

        async def work(transaction: Transaction) -> str:
            told = await transaction.read("AuditEvent", found.id)
            if told is not None:  # from another process, a moment ago
                return told.key.reference
            made = await store(transaction, prepare(environment, receipt), "AuditEvent", found.id, 1, "POST")
            return made.key.reference

        reference = await (environment.whole or environment).store.commit(work)
        await erasures.forget(found)
        parameter = [{"name": "receipt", "valueReference": {"reference": reference}}]
        return Response(200, body=serialize({"resourceType": "Parameters", "parameter": parameter}))

    return (OperationHandler("erasures", pending, system=True, parameters=("interface", "done", "count"), hidden=True),)


def _interface(erasures: Erasures, call: Call) -> str:
    """Whose it is; FhirError "forbidden" for anybody else's."""
    name, caller = str(call.parameters.one("interface") or ""), call.request.caller
    if caller.access is not None and (caller.user or caller.client != name):
        raise error(
            "forbidden", "Pending erasures are for the interface itself: a client by itself with its name as id."
        )
    if name not in erasures.interfaces:
        raise error("not-found", "interface must be one of those that the setting interfaces_apart names.")
    return name


def _counts(call: Call) -> Counter[str]:
    erased: Counter[str] = Counter()
    for name, _, parts in call.parameters.entries:
        if name == "count":
            given = {part.get("name"): part for part in parts}
            what, number = given.get("what", {}).get("valueString"), given.get("number", {}).get("valueInteger")
            if (
                not isinstance(what, str)
                or not re.fullmatch(r"[a-z ]{1,40}", what)
                or type(number) is not int
                or number < 0
            ):
                raise error(
                    "value",
                    "count has the parts what (valueString: small letters and spaces, 40 at most) and number "
                    "(valueInteger, 0 at least).",
                    location="count",
                )
            erased[what] += number
    return erased
