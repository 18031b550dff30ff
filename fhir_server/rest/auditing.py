"""What the audit log is told of a request, before its answer goes out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from fhir_server.api import FhirServer
from fhir_server.core.keys import StoredVersion
from fhir_server.core.ports import Caller
from fhir_server.rest.decode import address_of, headers_of

if TYPE_CHECKING:
    from fhir_server.rest.authorization.exchange import Exchange


class Auditing:
    """Records for one server; its parts are loaded only where a log is kept."""

    def __init__(self, server: FhirServer) -> None:
        from fhir_server.security.audit import event
        from fhir_server.security.audit.patients import Patients

        self._event = event
        self._patients = Patients()
        self._log = server.audit
        self._clock = server.environment.clock
        self._trust = server.settings.trust_proxy

    async def request(
        self,
        scope: dict[str, Any],
        headers: dict[str, str],
        path: tuple[str, ...],
        caller: Caller,
        status: int,
        given: bytes,
        shown: Sequence[StoredVersion] | None,
        asked: bytes,
        criteria: Sequence[tuple[str, str]] = (),
    ) -> None:
        """Keeps that a FHIR request was answered; given: the body that went out, shown: the versions that it was made
        of, None where these are not known, asked: a Bundle that was performed, criteria: of a search that was posted.

        FhirError "unavailable" where it can't be kept: then the answer must not go out.
        """
        patients = self._patients.of(path, given, shown, asked if status < 400 else b"", caller.masks is None)
        told = self._event.interaction_of(scope["method"], path)
        await self._record(scope, headers, "/".join(path), caller, told, status, patients, criteria)

    async def mounted(
        self, scope: dict[str, Any], caller: Caller, told: tuple[str, str], status: int, patients: tuple[str, ...]
    ) -> None:
        """Keeps that a request to what is mounted beside FHIR was answered; told: its interaction and action.

        FhirError "unavailable" where it can't be kept: then the answer must not go out.
        """
        await self._record(scope, headers_of(scope), scope["path"][1:], caller, told, status, patients)

    async def _record(
        self,
        scope: dict[str, Any],
        headers: dict[str, str],
        path: str,
        caller: Caller,
        told: tuple[str, str],
        status: int,
        patients: tuple[str, ...],
        criteria: Sequence[tuple[str, str]] = (),
    ) -> None:
        event = self._event
        query = urlencode(criteria) if criteria else scope["query_string"].decode("latin-1")
        await self._log.record(
            event.Event(
                recorded=self._clock(),
                kind="rest",
                interaction=told[0],
                action=told[1],
                outcome=event.outcome_of(status),
                status=status,
                path=path[:500],
                query=query[:2000],
                user=caller.user,
                client=caller.client,
                fhir_user=caller.fhir_user,
                address=address_of(scope, headers, self._trust),
                purpose=caller.purpose,
                reason=caller.reason,
                patients=patients,
            )
        )


async def noted(exchange: Exchange, kind: str, status: int, user: str, client: str = "") -> None:
    """Keeps a sign-in or sign-out, or that one was tried, or that a client got a token or was refused one."""
    log = exchange.server.audit
    if log is None:
        return
    from fhir_server.security.audit import Event

    await log.record(
        Event(
            recorded=exchange.security.clock(),
            kind=kind,
            interaction=kind,
            action="E",
            outcome="0" if status < 400 else "4",
            status=status,
            user=user,
            client=client,
            address=exchange.address,
        )
    )
