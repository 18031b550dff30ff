"""What the audit log is told of a request, before its answer goes out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from fhir_server.api import FhirServer
from fhir_server.core.errors import FhirError
from fhir_server.core.keys import StoredVersion
from fhir_server.core.ports import Caller
from fhir_server.interactions.noting import Noting
from fhir_server.interactions.request import Response
from fhir_server.rest.decode import address_of, headers_of

if TYPE_CHECKING:
    from fhir_server.rest.authorization.exchange import Exchange

NOTHING = Response(0, shown=())
# interactions and their actions, as the log is told of them
READ, CHANGED, SEARCH = ("read", "R"), ("update", "U"), ("search-type", "E")
HISTORY_TYPE, HISTORY_INSTANCE = ("history-type", "R"), ("history-instance", "R")
SILENT = b":"  # a piece of server-sent events that is a comment


class Auditing:
    """Records for one server; its parts are loaded only where a log is kept."""

    def __init__(self, server: FhirServer) -> None:
        from fhir_server.security.audit import event
        from fhir_server.security.audit.patients import Patients, mentioned

        self._event = event
        self._patients = Patients()
        self._mentioned = mentioned
        self._log = server.audit
        self._clock = server.environment.clock
        self._trust = server.settings.trust_proxy

    def noting(self, scope: dict[str, Any], headers: dict[str, str]) -> Noting:
        """What is kept with the commits of a request."""
        return Noting(address_of(scope, headers, self._trust), scope["query_string"].decode("latin-1"))

    async def request(
        self,
        scope: dict[str, Any],
        headers: dict[str, str],
        path: tuple[str, ...],
        caller: Caller,
        status: int,
        response: Response,
        asked: bytes = b"",
        criteria: Sequence[tuple[str, str]] = (),
        noting: Noting | None = None,
    ) -> None:
        """Keeps that a FHIR request was answered; status: with what, response: what it came to, NOTHING for a refusal,
        asked: a Bundle that was performed, criteria: of a search that was posted, noting: what is kept of its commits
        already.

        FhirError "unavailable" where it can't be kept: then the answer must not go out.
        """
        whole = caller.masks is None
        patients = self._patients.of(path, response.body, response.told, asked if status < 400 else b"", whole)
        if response.about:
            patients = (*dict.fromkeys((*patients, *response.about)),)
        if response.instance is not None:
            patients = (*dict.fromkeys((*patients, *self._patients.of((), b"", (response.instance,), b"", whole))),)
        performed = response.performed
        kept = noting if noting is not None and noting.committed and status < 400 else None
        if kept is not None:
            patients = kept.others(patients)
            if not patients and not performed:
                return
        method, address = scope["method"], address_of(scope, headers, self._trust)
        query = urlencode(criteria) if criteria else scope["query_string"].decode("latin-1")
        told = self._event.interaction_of(method, path)
        event = self._of(address, caller, told, status, "/".join(path), query, patients)
        if not performed and len(patients) <= self._event.MOST_PATIENTS:
            await self._log.record(event)
            return
        events = [event]
        for request, code, versions, asked_for in performed:
            told = self._event.interaction_of(request.method, request.path)
            about = self._patients.of(request.path, b"", versions or (), b"", whole)
            about = (*dict.fromkeys((*about, *asked_for)),) if asked_for else about
            query = urlencode(request.query)
            events.append(self._of(address, caller, told, code, "/".join(request.path), query, about))
        if kept is not None and not set(patients).difference(*(each.patients for each in events[1:])):
            del events[0]
        parts = [part for each in events for part in self._event.parts_of(each)]
        await asyncio.gather(*map(self._log.record, parts))

    def at_once(
        self,
        scope: dict[str, Any],
        headers: dict[str, str],
        path: tuple[str, ...],
        told: tuple[str, str],
        caller: Caller,
        shown: Sequence[StoredVersion],
        kept: Callable[[Exception | None], None],
    ) -> bool:
        """The same of a GET that is answered with these versions, whole; told: its interaction and action. kept is
        called later, once the event is, or with the exception that it can't be. False, and nothing is kept, where that
        takes several events."""
        if len(shown) == 1:  # which is of the patient whom the path names, if it names one
            patients = self._patients.of_version(shown[0])
        else:
            patients = self._patients.of(path, b"", shown, b"", True)
        if len(patients) > self._event.MOST_PATIENTS:
            return False
        event = self._event.of_request(
            self._clock(), caller, told, 200, "/".join(path), query=scope["query_string"].decode("latin-1"),
            address=address_of(scope, headers, self._trust), patients=patients,
        )  # fmt: skip
        self._log.tell(event, kept)
        return True

    async def followed(
        self,
        pieces: AsyncIterator[bytes],
        scope: dict[str, Any],
        headers: dict[str, str],
        path: tuple[str, ...],
        caller: Caller,
    ) -> AsyncIterator[bytes]:
        """The pieces of an answer that goes on, each once what it tells is kept; it ends where that can't be."""
        async for piece in pieces:
            if not piece.startswith(SILENT):
                try:
                    await self.request(scope, headers, path, caller, 200, Response(200, body=piece))
                except FhirError:
                    return
            yield piece

    async def mounted(
        self, scope: dict[str, Any], caller: Caller, told: tuple[str, str], status: int, patients: tuple[str, ...]
    ) -> None:
        """Keeps that a request to what is mounted beside FHIR was answered; told: its interaction and action.

        FhirError "unavailable" where it can't be kept: then the answer must not go out.
        """
        address, query = address_of(scope, headers_of(scope), self._trust), scope["query_string"].decode("latin-1")
        event = self._of(address, caller, told, status, scope["path"][1:], query, patients)
        await asyncio.gather(*map(self._log.record, self._event.parts_of(event)))

    async def forwarded(self, scope: dict[str, Any], caller: Caller, status: int, given: bytes) -> None:
        """The same of what another process answered: about the patients that its path and what was given name."""
        told = READ if scope["method"] in ("GET", "HEAD") else CHANGED
        named = scope["path"].replace("/patients/", "/Patient/").encode()
        await self.mounted(scope, caller, told, status, self._mentioned(named + b" " + given))

    def _of(
        self,
        address: str,
        caller: Caller,
        told: tuple[str, str],
        status: int,
        path: str,
        query: str,
        patients: tuple[str, ...],
    ) -> Any:
        return self._event.of_request(
            self._clock(), caller, told, status, path, query=query, address=address, patients=patients
        )


async def shown(
    exchange: Exchange,
    caller: Caller,
    path: tuple[str, ...],
    status: int,
    response: Response,
    criteria: Sequence[tuple[str, str]] = (),
) -> None:
    """Keeps that a page of the authorization server shows what a GET would have given, or been refused.

    FhirError "unavailable" where it can't be kept: then the page must not go out.
    """
    if exchange.server.audit is not None:
        scope = {**exchange.scope, "method": "GET", "query_string": b""}
        auditing = Auditing(exchange.server)
        await auditing.request(scope, exchange.headers, path, caller, status, response, criteria=criteria)


async def changed(exchange: Exchange, status: int, user: str, client: str = "") -> None:
    """Keeps that by a path of the authorization server it was changed, or tried, how somebody proves who they are, or
    what may be done in their name."""
    await noted(exchange, "account", status, user, client, path=exchange.path[1:])


async def noted(exchange: Exchange, kind: str, status: int, user: str, client: str = "", *, path: str = "") -> None:
    """Keeps a sign-in or sign-out, or that one was tried, or that a client got a token or was refused one."""
    log = exchange.server.audit
    if log is None:
        return
    from fhir_server.security.audit.event import of_signing

    moment = exchange.security.clock()
    event = of_signing(moment, kind, status, user=user, client=client, path=path, address=exchange.address)
    await log.record(event)
