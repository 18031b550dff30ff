"""What is looked at when a Subscription is stored: that it can be served, and who it is served for."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from fhir_server.codec.json import decode
from fhir_server.core.errors import FhirError, error
from fhir_server.core.keys import StoredVersion
from fhir_server.core.ports import Caller
from fhir_server.interactions.environment import Environment
from fhir_server.interactions.request import Request
from fhir_server.interactions.subscribers import marked
from fhir_server.security.outgoing.addresses import Outgoing, RefusedAddressError
from fhir_server.subscriptions.criteria import TYPE
from fhir_server.subscriptions.makers import access_of
from fhir_server.subscriptions.matching import interest_of
from fhir_server.subscriptions.sealed_headers import SealedHeaders
from fhir_server.subscriptions.store.port import Maker, SubscriptionStore
from fhir_server.subscriptions.subscription import (
    REST_HOOK,
    Subscription,
    content_of,
    host_of,
    is_served,
    require_few,
    require_valid,
    subscription_of,
)
from fhir_server.subscriptions.topics import Topics


class Reach(NamedTuple):
    """Which addresses are called: for those who may subscribe to more than a patient's record, and for a patient's app,
    which reaches nothing of an inner network, whatever the setting names."""

    outgoing: Outgoing
    within_patient: Outgoing

    def of(self, maker: Caller) -> Outgoing:
        """Those that are called for whoever has made a Subscription."""
        return self.within_patient if maker.mark else self.outgoing


class SubscriptionGuard:
    """A `Guard`; reach: which addresses may be called; topics: those that can be subscribed to; headers: what seals
    those of channels, None where they stay as they are."""

    type = TYPE

    def __init__(
        self, store: SubscriptionStore, reach: Reach, topics: Topics, headers: SealedHeaders | None = None
    ) -> None:
        self._store = store
        self._headers = headers
        self.topics = topics
        self._reach = reach

    async def check(
        self, environment: Environment, request: Request, id: str, resource: dict[str, Any], head: StoredVersion | None
    ) -> dict[str, Any]:
        """FhirError for one that can't be served, or not for this caller.

        One that says it is active is so only where it was before and asks for the same; else it is requested. Within
        a patient's record it is marked as the caller's own.
        """
        resource = marked(resource, environment.seen_by.mark)
        before = decode(head.body) if head is not None and head.body else {}
        if self._headers is not None:
            resource = await self._headers.sealed(id, resource, before)
        if not is_served(resource):
            return resource
        require_valid(environment, resource)
        if environment.seen_by.purpose:
            raise error("forbidden", "An emergency is over in a while; a Subscription can't be stored in one.")
        asked = subscription_of(resource, environment.definitions, self.topics)
        if self._headers is not None:
            asked = asked._replace(headers=await self._headers.opened(id, asked.endpoint, asked.headers))
        require_few(asked.headers)
        await self._require_served(environment, asked)
        same = before.get("status") == "active" and content_of(before) == content_of(resource)
        return resource if same else {**resource, "status": "requested"}

    async def _require_served(self, environment: Environment, asked: Subscription) -> None:
        try:
            await interest_of(environment, asked)
        except FhirError as problem:
            issues = [msgspec.structs.replace(issue, expression=f"{TYPE}.criteria") for issue in problem.issues]
            raise FhirError(problem.category, issues) from None
        if asked.channel == REST_HOOK:
            self._require_endpoint(asked, self._reach.of(environment.seen_by))

    @staticmethod
    def _require_endpoint(asked: Subscription, outgoing: Outgoing) -> None:
        host = host_of(asked.endpoint)
        try:
            outgoing.require(host)
        except RefusedAddressError as problem:
            raise error("unprocessable", str(problem), expression=f"{TYPE}.channel.endpoint") from None
        if asked.endpoint.lower().startswith("http:") and not outgoing.trusts(host):
            raise error(
                "unprocessable",
                "Over plain http everybody on the way reads what is sent, and nobody knows who takes it; use https.",
                expression=f"{TYPE}.channel.endpoint",
            )

    async def stored(self, environment: Environment, request: Request, version: StoredVersion) -> None:
        """Keeps who made it; of a deleted one nothing."""
        whole = environment.whole or environment
        newest = await whole.store.read(TYPE, version.id)
        if newest is None or newest.deleted:
            return await self._store.forget(version.id)
        stored = await whole.store.read_version(TYPE, version.id, version.version)
        content = content_of(decode(newest.body))
        if stored is None or stored.deleted or content_of(decode(stored.body)) != content:
            return None  # it was stored anew already, by somebody who is kept
        maker = Maker(content=content, base=request.base, access=access_of(environment.seen_by))
        await self._store.keep_maker(version.id, maker)
