"""The store with an audit log: each commit of a request has its event in it, there if and only if what it wrote is.

It is below every view of the store and above its encryption: it sees what is stored, whole and in clear.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeVar, cast
from urllib.parse import urlencode

from fhir_server.codec.json import serialize
from fhir_server.core.keys import StoredVersion
from fhir_server.core.ports import Clock, NotingTransaction, Transaction, Write
from fhir_server.interactions.noting import Noting, current
from fhir_server.interactions.request import Request
from fhir_server.security.audit.event import Event, interaction_of, of_request, parts_of
from fhir_server.security.audit.patients import Patients

if TYPE_CHECKING:
    from fhir_server.security.audit.log import AuditLog
    from fhir_server.security.audit.shared import SharedAuditLog

T = TypeVar("T")


class NotedStore:
    """The `ResourceStore` port over a store that keeps notes; log: what is to have them."""

    def __init__(self, store: Any, log: AuditLog | SharedAuditLog, clock: Clock) -> None:
        self._store = store
        self._log = log
        self._clock = clock
        self._patients = Patients()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def commit(self, work: Callable[[Transaction], Awaitable[T]]) -> T:
        """Runs work in one transaction, which has the event too where a request wrote something in it."""
        noting = current()
        if noting is None or noting.request is None:
            return await self._store.commit(work)
        request = noting.request
        patients: tuple[str, ...] = ()

        async def noted(inside: NotingTransaction) -> tuple[T, bool]:
            nonlocal patients
            watched = _WatchedTransaction(inside)
            result = await work(cast(Transaction, watched))
            if watched.changed:
                patients = self._about(request, watched)
                event = self._event(noting, request, patients, watched)
                inside.note(self._log.note(parts_of(event)))
            return result, watched.changed

        result, changed = await self._store.commit(noted)
        noting.patients.update(patients)
        noting.committed = noting.committed or changed
        return result

    def _about(self, request: Request, watched: _WatchedTransaction) -> tuple[str, ...]:
        asked = b""
        if not request.path:
            asked = request.body or serialize(request.resource or {})
        return self._patients.of(request.path, b"", [*watched.written, *watched.last], asked, False)

    def _event(
        self, noting: Noting, request: Request, patients: tuple[str, ...], watched: _WatchedTransaction
    ) -> Event:
        return of_request(
            self._clock(),
            request.caller,
            interaction_of(request.method, request.path),
            _status(request, watched),
            "/".join(request.path),
            query=noting.query if noting.query is not None else urlencode(request.query),
            address=noting.address,
            patients=patients,
            written=tuple([f"{each.type}/{each.id}/_history/{each.version}" for each in watched.written]),
        )


def _status(request: Request, watched: _WatchedTransaction) -> int:
    """The one that it will be answered with, unless something fails yet."""
    if not request.path or request.path[-1].startswith("$"):
        return 200
    written = watched.written
    made = bool(written) and (written[0].version == 1 or watched.renewed)
    if request.method == "POST" or (request.method == "PUT" and made):
        return 201
    return 204 if request.method == "DELETE" else 200


class _WatchedTransaction:
    """The `Transaction` port. written: what was put; last: what was deleted; changed: whether any was put or erased;
    renewed: whether any was put where a deletion had been."""

    def __init__(self, inside: Transaction) -> None:
        self._inside = inside
        self.now, self.newest, self.read = inside.now, inside.newest, inside.read  # asked for by each write
        self.written: list[StoredVersion] = []
        self.last: list[StoredVersion] = []
        self.changed = self.renewed = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inside, name)

    async def put(self, write: Write) -> StoredVersion:
        """Stores a version."""
        head = await self._inside.read(write.type, write.id) if write.version > 1 else None
        if head is not None and not write.body:
            self.last.append(head)
        self.renewed = self.renewed or (head is not None and head.deleted)
        stored = await self._inside.put(write)
        self.written.append(stored)
        self.changed = True
        return stored

    async def erase(self, type: str, id: str) -> int:
        """Removes every version."""
        erased = await self._inside.erase(type, id)
        self.changed = self.changed or erased > 0
        return erased
