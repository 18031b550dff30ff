"""The stores that the settings name, with a server on them."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING

from fhir_server import definitions as r4
from fhir_server.api import FhirServer
from fhir_server.bootstrap.engines import Engine, distributed, embedded
from fhir_server.bootstrap.machine import machine_of, now
from fhir_server.bootstrap.securing import check_policies, keep_audit, secured
from fhir_server.core.configuration import require_whole
from fhir_server.core.errors import error
from fhir_server.core.identity import TimeOrderedIds
from fhir_server.core.news import News
from fhir_server.core.ports import Clock
from fhir_server.core.settings import Settings
from fhir_server.definitions import Definitions
from fhir_server.interactions.access.callers import Callers
from fhir_server.interactions.access.consent_follower import ConsentFollower
from fhir_server.interactions.environment import Environment
from fhir_server.interactions.followers.custom_parameters import CustomParameters
from fhir_server.interactions.followers.following import Following
from fhir_server.interactions.followers.profile_follower import ProfileFollower
from fhir_server.interactions.followers.terminology_follower import CONSUMER, TerminologyFollower
from fhir_server.interactions.searching import Searching
from fhir_server.operations import HANDLERS, export, imports, registered, terminology, verify_audit
from fhir_server.operations import erasures as pending
from fhir_server.operations.bulk.exports import Exports
from fhir_server.operations.bulk.imports import Imports
from fhir_server.operations.bulk.sources import Sources
from fhir_server.security.audit.kept import audited
from fhir_server.security.policies import PolicyFile
from fhir_server.storage.sqlite.database import FILE_NAME, RESTORING, prepare
from fhir_server.subscriptions.checking import require_usable
from fhir_server.subscriptions.operations import Operations
from fhir_server.subscriptions.parts import JOBS as SUBSCRIPTIONS
from fhir_server.subscriptions.parts import kept_by
from profiles.checking import Checker, Source
from profiles.packages import FILE_NAME as PACKAGES_FILE
from profiles.sources import InstalledPackages, StoredProfiles
from terminology import FILE_NAME as TERMINOLOGY_FILE
from terminology import Terminology
from terminology.loaders.jobs import Jobs

if TYPE_CHECKING:
    from fhir_server.security.service import Security

FIRST_INDEX = 30.0  # seconds that a start waits for the search index to be made

EXPORTS, IMPORTS = "exports", "imports"  # kinds of jobs, and their folders in the data folder of the embedded engine

NEWS_FILE = "news"  # in the data folder: what its processes tell each other


def checker(settings: Settings, definitions: Definitions, service: Terminology, *sources: Source) -> Checker:
    """What checks resources by the settings, with profiles from these sources and the codes of the service."""
    return Checker(settings, definitions, sources, service, service.store.generation)


async def start(
    settings: Settings, clock: Clock = now, *, lasting: bool = False, restoring: bool = False
) -> FhirServer:
    """Opens the stores that the settings name and puts a server on them.

    lasting: whether it is there to stay; one that is not feeds Elasticsearch only where no other does, so that those
    that do need not divide the work anew for a moment. restoring: whether it is the restore itself that asks; for
    others half of a restored store is FhirError "value", as are settings that name one service of two.
    """
    if not restoring and not settings.mongodb_url and (settings.data / RESTORING).exists():
        raise error("value", f"The store in {settings.data.resolve()} is half restored: a restore is under way, or was "
                    "broken off. Wait for it, or run hms restore on this folder again.")  # fmt: skip
    require_whole(settings)
    sys.setswitchinterval(0.0005)  # a finished flush must not wait 5 ms for the event loop's thread
    if settings.mongodb_url and settings.encryption_keys:
        raise error("value", "MongoDB keeps documents that it can read; encryption_keys is for the embedded store. Use "
                    "MongoDB's own encryption at rest.")  # fmt: skip
    if not settings.mongodb_url:
        prepare(settings.data / FILE_NAME)  # the first to open a file there, as it tells what is wrong with the folder
    opened = contextlib.AsyncExitStack()
    try:
        return await _start(settings, clock, opened, lasting)
    except BaseException:
        await opened.aclose()
        raise


async def _start(settings: Settings, clock: Clock, opened: contextlib.AsyncExitStack, lasting: bool) -> FhirServer:
    """The server on what is opened, each of which is closed with the stack, the last one first."""
    definitions = r4.load()
    policies = PolicyFile(settings.policies, lambda found: check_policies(found, definitions))
    service = Terminology(settings.data / TERMINOLOGY_FILE, clock=clock)
    opened.callback(service.close)
    packages = InstalledPackages(settings.data / PACKAGES_FILE)
    opened.callback(packages.close)
    stored = StoredProfiles()
    checks = checker(settings, definitions, service, stored, packages)
    searching = Searching(definitions, settings, clock, service)
    environments: list[Environment] = []

    def in_force() -> Searching:
        return environments[0].searching if environments else searching  # type: ignore[return-value]

    async def follow() -> None:
        await environments[0].followers[0].refresh()

    if settings.mongodb_url:
        engine = await distributed(settings, clock, in_force, searching, follow, lasting)
    else:
        engine = embedded(settings, clock, in_force)
    opened.push_async_callback(engine.close)
    if settings.encryption_keys:
        await engine.store.finish_erasures()
    searching.reads = engine.store
    erasures = pending_erasures(settings, engine)
    exports, importing = Exports(engine.jobs(EXPORTS)), Imports(engine.jobs(IMPORTS), Sources(settings.import_from))
    subscriptions = kept_by(settings, definitions, engine.jobs(SUBSCRIPTIONS), engine.database)
    environment = Environment(
        settings=settings,
        definitions=definitions,
        store=engine.store,
        index=engine.index,
        feed=engine.store,
        checker=checks,
        searching=searching,
        clock=clock,
        new_id=TimeOrderedIds(clock),
        terminology=service,
        operations=registered(
            definitions,
            (
                *HANDLERS,
                *terminology.handlers(service),
                *export.handlers(exports),
                *imports.handlers(importing),
                *Operations(subscriptions.store, subscriptions.topics).handlers(),
                *(pending.handlers(erasures) if erasures is not None else ()),
                *(verify_audit.HANDLERS if audited(settings) else ()),
            ),
        ),
        started=clock(),
        erasures=[exports.erase, importing.erase, *([erasures] if erasures is not None else [])],
    )
    environments.append(environment)
    environment.subscriptions = subscriptions
    environment.guards = (subscriptions.guard,)
    opened.push_async_callback(subscriptions.store.close)
    parameters = CustomParameters(environment)
    environment.outdated = parameters.searching_in
    environment.followers = [
        parameters,
        TerminologyFollower(engine.store, engine.store, service, consumer_of(settings)),
        ProfileFollower(engine.store, engine.store, stored),
    ]
    security = await _secure(environment, engine, policies, opened)
    if audited(settings):
        await keep_audit(environment, engine.notes, opened)
    settings.data.mkdir(mode=0o700, parents=True, exist_ok=True)
    following = environment.following = Following(environment, News(settings.data / NEWS_FILE))
    opened.callback(following.close)
    for follower in environment.followers:
        opened.push_async_callback(follower.stop)
        await follower.start()
    if engine.elastic is not None:
        environment.rebuild, environment.index_state = engine.elastic.rebuild, engine.elastic.state
        if settings.projecting:
            engine.elastic.start()
            await engine.elastic.ready(FIRST_INDEX)
    Jobs(service.store, clock, settings.data / TERMINOLOGY_FILE).take_up()
    checks.require_known()
    await require_usable(environment, subscriptions.topics)
    opened.push_async_callback(importing.sources.close)
    opened.push_async_callback(importing.stop)
    opened.push_async_callback(exports.stop)
    exports.follow(environment)
    importing.follow(environment)
    return FhirServer(environment, engine.check, parameters.progress, opened, security)


def pending_erasures(settings: Settings, engine: Engine) -> pending.Erasures | None:
    """Those at interfaces apart, None where there are none."""
    if not settings.interfaces_apart:
        return None
    shared = settings.mongodb_url
    keeping = (
        pending.AsJobs(engine.jobs(pending.FOLDER)) if shared else pending.InFolder(settings.data / pending.FOLDER)
    )
    return pending.Erasures(keeping, settings.interfaces_apart)


async def _secure(
    environment: Environment, engine: Engine, policies: PolicyFile, opened: contextlib.AsyncExitStack
) -> Security | None:
    """Callers as the policies see them, and where the server is not open who they may be."""
    settings = environment.settings
    if settings.security != "smart":
        environment.callers = Callers(environment, policies, None, None)
        return None
    from fhir_server.interactions.access.break_glass import BreakGlass

    security, emergencies = await secured(
        settings, environment.clock, engine.database, environment.subscriptions.store.families
    )
    opened.push_async_callback(emergencies.close)
    opened.push_async_callback(security.close)
    consents = ConsentFollower(engine.store, engine.store)
    environment.followers.append(consents)
    emergency = BreakGlass(environment, emergencies)
    environment.callers = Callers(environment, policies, consents, emergency, security.store.good)
    return security


def consumer_of(settings: Settings) -> str:
    """The name by which this data folder's terminology follows the feed: its own where several machines share one."""
    return f"{CONSUMER}:{machine_of(settings)}" if settings.mongodb_url else CONSUMER
