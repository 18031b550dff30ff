"""Notifications that tell something of a record are in the audit log before they are sent."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from fhir_server.api import FhirServer
from fhir_server.core.keys import StoredVersion
from fhir_server.subscriptions.channels.channel import Turn
from fhir_server.subscriptions.criteria import TYPE
from fhir_server.subscriptions.subscription import host_of

LONGEST = 2000  # characters of what an event says was given


class Disclosures:
    """For one server; where it keeps no audit log, nothing."""

    def __init__(self, server: FhirServer) -> None:
        self._log = server.audit
        self._clock = server.environment.clock
        if self._log is not None:
            from fhir_server.security.audit.patients import Patients

            self._patients = Patients()

    async def note(self, turn: Turn, versions: Sequence[StoredVersion]) -> None:
        """Keeps which versions are given to whom; FhirError "unavailable" where it can't: then nothing may be sent."""
        if self._log is None or not versions:
            return
        from fhir_server.security.audit.event import Event, parts_of

        caller = turn.seen.seen_by
        event = Event(
            recorded=self._clock(),
            kind="rest",
            interaction="operation",
            action="E",
            outcome="0",
            status=200,
            path=f"{TYPE}/{turn.version.id}/$notification",
            query=",".join(version.key.reference for version in versions)[:LONGEST],
            user=caller.user,
            client=caller.client,
            fhir_user=caller.fhir_user,
            address=host_of(turn.asked.endpoint) if turn.asked.endpoint else "",
            patients=self._patients.of((), b"", versions, b"", caller.masks is None),
        )
        await asyncio.gather(*map(self._log.record, parts_of(event)))
