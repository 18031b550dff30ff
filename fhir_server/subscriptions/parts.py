"""The parts of Subscriptions, put together: what every server has that stores them, and what delivers beside one."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import Any, NamedTuple

from fhir_server.api import FhirServer
from fhir_server.core.jobs import JobStore
from fhir_server.core.settings import Settings
from fhir_server.definitions import Definitions
from fhir_server.security.outgoing.addresses import Outgoing
from fhir_server.subscriptions.capability_statement import Claims
from fhir_server.subscriptions.guard import Reach, SubscriptionGuard
from fhir_server.subscriptions.sealed_headers import SealedHeaders
from fhir_server.subscriptions.service import Channels, Subscriptions
from fhir_server.subscriptions.store.port import SubscriptionStore
from fhir_server.subscriptions.store.sqlite import FILE_NAME, SqliteSubscriptions
from fhir_server.subscriptions.subscription import REST_HOOK, WEBSOCKET
from fhir_server.subscriptions.topics import Topics, load

NETWORKS = "subscription_networks"  # the setting
JOBS = "subscriptions"  # the kind of the job that is held by whoever delivers


class Kept(NamedTuple):
    """Of one server: what is kept of Subscriptions, whose turn it is to deliver, where that may go, and topics."""

    store: SubscriptionStore
    jobs: JobStore
    reach: Reach
    guard: SubscriptionGuard
    topics: Topics
    headers: SealedHeaders


def kept_by(settings: Settings, definitions: Definitions, jobs: JobStore, database: Any) -> Kept:
    """database: MongoDB's, None for the embedded engine. FhirError "value" for settings that can't be used."""
    store: SubscriptionStore
    if database is None:
        store = SqliteSubscriptions(settings.data / FILE_NAME, settings.synchronous)
    else:
        from fhir_server.subscriptions.store.mongo import MongoSubscriptions

        store = MongoSubscriptions(database)
    reach = Reach(
        Outgoing(settings.subscription_networks, everything=settings.security == "open", setting=NETWORKS),
        Outgoing((), setting=NETWORKS),
    )
    topics = load(settings.subscription_topics, definitions)
    headers = SealedHeaders(store.secret)
    guard = SubscriptionGuard(store, reach, topics, None if settings.security == "open" else headers)
    return Kept(store, jobs, reach, guard, topics, headers)


async def deliver(server: FhirServer, kept: Kept) -> Subscriptions:
    """Begins to deliver, until the server stops."""
    opened = AsyncExitStack()  # closed once nothing is under way
    server.stop_first(opened.aclose)

    def channels() -> Channels:
        from fhir_server.security.outgoing.requests import Requests
        from fhir_server.subscriptions.auditing import Disclosures
        from fhir_server.subscriptions.channels.rest_hook import RestHook
        from fhir_server.subscriptions.channels.topic_hook import TopicHook
        from fhir_server.subscriptions.channels.websocket import WebSocketChannel

        authorities = server.settings.subscription_authorities
        requests = {outgoing: Requests(outgoing, authorities) for outgoing in kept.reach}
        for each in requests.values():
            opened.push_async_callback(each.close)
        parts = (
            lambda turn: requests[kept.reach.of(turn.seen.seen_by)],
            Disclosures(server),
            kept.headers,
            server.settings.subscription_seconds,
        )
        socket = WebSocketChannel()
        return {
            (REST_HOOK, False): RestHook(*parts),
            (REST_HOOK, True): TopicHook(*parts),
            (WEBSOCKET, False): socket,
            (WEBSOCKET, True): socket,
        }

    shared = bool(server.settings.mongodb_url)
    service = Subscriptions(server, kept.store, channels, kept.topics, kept.jobs, shared)
    server.stop_first(service.stop)
    server.environment.followers.append(service)
    server.environment.claims.append(Claims(kept.topics))
    await service.start()
    return service
