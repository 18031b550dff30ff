"""Break-glass: the first request of an emergency begins it, tells of it, and leaves a Task for whoever reviews it."""

from __future__ import annotations

import secrets
from typing import Any

import msgspec
import structlog

from fhir_server.codec.json import decode
from fhir_server.core.errors import FhirError, error
from fhir_server.core.keys import instant
from fhir_server.core.ports import Transaction
from fhir_server.interactions.environment import Environment
from fhir_server.interactions.preparing import prepare, store
from fhir_server.security.emergencies import Emergencies, Emergency
from fhir_server.security.model import Access
from fhir_server.security.policies import BREAK_GLASS, Policies

SHORTEST_REASON = 8  # characters
ENDED = ("rejected", "cancelled", "failed")
# Whom Task.requester may refer to; a Person who is one of these is known by the identifier alone
REQUESTERS = ("Device", "Organization", "Patient", "Practitioner", "PractitionerRole", "RelatedPerson")

log = structlog.get_logger("break-glass")


class BreakGlass:
    """Over the emergencies of one server."""

    def __init__(self, environment: Environment, emergencies: Emergencies) -> None:
        self._environment = environment
        self._emergencies = emergencies

    async def require(self, access: Access, policies: Policies, reason: str) -> str:
        """The reason, or else that of the emergency that goes on.

        FhirError "required" where one would begin without a reason, "forbidden" where a reviewer has ended it.
        """
        emergency = await self._emergencies.now(access.user, access.client)
        reason = reason.strip()
        if emergency is None:
            if len(reason) < SHORTEST_REASON:
                raise error("required", "Break-glass needs X-Purpose-Reason: why it can't wait. Where you gave one "
                            "before, its time is over.", location="header:X-Purpose-Reason")  # fmt: skip
            begun = self._environment.clock()
            emergency = Emergency(
                id=secrets.token_hex(8), user=access.user, client=access.client, fhir_user=access.fhir_user,
                reason=reason, begun=begun, until=begun + policies.break_glass_minutes * 60_000_000,
            )  # fmt: skip
            if await self._emergencies.begin(emergency):
                await self._told(emergency)
        elif emergency.task and await self._ended(emergency):
            raise error("forbidden", f"A reviewer has ended this emergency ({emergency.task}).")
        return reason if len(reason) >= SHORTEST_REASON else emergency.reason

    async def _ended(self, emergency: Emergency) -> bool:
        """Whether any version of its Task says so, or it was deleted: nobody whose emergency it is takes that back."""
        type, _, id = emergency.task.partition("/")
        cursor = ""
        while True:
            page = await self._environment.store.history(type, id, cursor=cursor)
            if any(each.deleted or decode(each.body).get("status") in ENDED for each in page.versions):
                return True
            cursor = page.next
            if not cursor:
                return False

    async def _told(self, emergency: Emergency) -> None:
        environment = self._environment
        prepared = prepare(environment, review(emergency))

        async def work(transaction: Transaction) -> str:
            return (await store(transaction, prepared, "Task", environment.new_id(), 1, "POST")).key.reference

        try:
            task = await environment.store.commit(work)
            if environment.audit is not None:
                await environment.audit.record(event_of(emergency))
        except FhirError:
            await self._emergencies.forget(emergency)
            raise
        task = task.partition("/_history")[0]
        await self._emergencies.keep(msgspec.structs.replace(emergency, task=task))
        log.warning("glass broken", user=emergency.user, client=emergency.client, task=task)


def event_of(emergency: Emergency) -> Any:
    """The audit event of its beginning."""
    from fhir_server.security.audit.event import Event

    return Event(
        recorded=emergency.begun, kind="break-glass", interaction="break-glass", action="E", outcome="0", status=200,
        user=emergency.user, client=emergency.client, fhir_user=emergency.fhir_user, purpose=BREAK_GLASS,
        reason=emergency.reason,
    )  # fmt: skip


def review(emergency: Emergency) -> dict[str, Any]:
    """The Task for a reviewer: whose emergency, why, from when to when, and the search for what was looked at."""
    begun, until = instant(emergency.begun), instant(emergency.until)
    known = emergency.fhir_user.rpartition("/")[0].rpartition("/")[2] in REQUESTERS
    reference = {"reference": emergency.fhir_user} if known else {}
    search = f"AuditEvent?altid={emergency.user}&date=ge{begun}&date=le{until}"
    return {
        "resourceType": "Task",
        "status": "requested",
        "intent": "order",
        "priority": "urgent",
        "code": {
            "coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": BREAK_GLASS}],
            "text": "Review of emergency access",
        },
        "description": "Look at what was read in this emergency. To end it at once, set the status to rejected.",
        "authoredOn": begun,
        "executionPeriod": {"start": begun, "end": until},
        "requester": {**reference, "identifier": {"value": emergency.user}},
        "reasonCode": {"text": emergency.reason},
        "input": [{"type": {"text": "search"}, "valueString": search}],
    }
