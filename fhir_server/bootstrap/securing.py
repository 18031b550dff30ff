"""Accounts, policies and the audit log by the settings."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fhir_server.bootstrap.machine import audited_as, now
from fhir_server.core.errors import error
from fhir_server.core.ports import Clock, Notes
from fhir_server.core.settings import Settings
from fhir_server.definitions import Definitions
from fhir_server.interactions.access.kept_elements import require_elements
from fhir_server.interactions.access.masks import require_known
from fhir_server.interactions.access.policy_parameters import require_expressions
from fhir_server.interactions.environment import Environment
from fhir_server.security.policies import ALL_INTERFACES, Policies

if TYPE_CHECKING:
    from fhir_server.security.audit import AuditLog
    from fhir_server.security.audit.shared import SharedAuditLog
    from fhir_server.security.audit.shared_notes import SharedNotes
    from fhir_server.security.emergencies import Emergencies
    from fhir_server.security.encryption.sealing import Sealing
    from fhir_server.security.ended_families import Named
    from fhir_server.security.service import Security
    from fhir_server.security.store import AccountStore


def sealed_by(settings: Settings) -> Sealing | None:
    """What seals documents in MongoDB, None where no key is named."""
    if not settings.account_keys:
        return None
    from fhir_server.security.encryption.sealing import Sealing

    return Sealing(Path(settings.account_keys))


async def secured(
    settings: Settings, clock: Clock, database: Any, named: Named | None = None
) -> tuple[Security, Emergencies]:
    """Users, clients, tokens and emergencies: in the data folder, or in MongoDB where all machines know them.

    named: see `EndedFamilies`. FhirError "required" where no key is named that seals them in MongoDB.
    """
    from fhir_server.security.service import Security

    accounts: AccountStore
    emergencies: Emergencies
    if settings.mongodb_url:
        sealing = sealed_by(settings)
        if sealing is None:
            raise error("required", "Users and signing keys are sealed in MongoDB: make a key by `hms keys init FILE`, "
                        "give each machine a copy and name it by account_keys.")  # fmt: skip
        from fhir_server.security.store.mongo import MongoAccounts, MongoEmergencies

        accounts = shared = MongoAccounts(database, sealing, clock)
        await shared.start()
        emergencies = MongoEmergencies(database, sealing, clock)
    else:
        from fhir_server.security.emergencies import FILE_NAME as EMERGENCIES_FILE
        from fhir_server.security.emergencies import SqliteEmergencies
        from fhir_server.security.store.sqlite import FILE_NAME as ACCOUNTS_FILE
        from fhir_server.security.store.sqlite import SqliteAccounts

        accounts = SqliteAccounts(settings.data / ACCOUNTS_FILE, clock)
        emergencies = SqliteEmergencies(settings.data / EMERGENCIES_FILE, clock)
    security = Security(settings, clock, accounts, named)
    await security.start()
    return security, emergencies


@contextlib.asynccontextmanager
async def opened_security(settings: Settings, clock: Clock = now) -> AsyncIterator[Security]:
    """Users and clients without a server on them."""
    connection = None
    if settings.mongodb_url:
        from fhir_server.storage.mongo.database import connect

        connection = await connect(settings.mongodb_url, settings.mongodb_database)
    try:
        security, emergencies = await secured(settings, clock, connection and connection.database)
        try:
            yield security
        finally:
            await security.close()
            await emergencies.close()
    finally:
        if connection is not None:
            await connection.close()


def check_policies(policies: Policies, definitions: Definitions) -> None:
    """FhirError "value" for rules that speak of what R4 does not have."""
    require_known(policies, definitions)
    require_elements(policies, definitions)
    named = policies.administration.keys() - {"hl7", "dicom", ALL_INTERFACES}
    if named:
        from fhir_server.subsystems.registry import NAMES

        wrong = sorted(named.difference(NAMES))
        if wrong:
            there = ", ".join(("hl7", "dicom", *NAMES, ALL_INTERFACES))
            raise error("value", f"The policies' administration names {wrong[0]!r}; it can name {there}.")
    require_expressions(policies, definitions)


async def keep_audit(environment: Environment, notes: Notes, opened: contextlib.AsyncExitStack) -> None:
    """Gives the environment its audit log, and what raises alerts from it; notes: those of the store.

    What requests commit has its event with it, as a note.
    """
    from fhir_server.interactions.alerting import Alerting
    from fhir_server.interactions.noted import NotedStore
    from fhir_server.security.audit import FILE_NAME as AUDIT_FILE
    from fhir_server.security.audit import AuditLog
    from fhir_server.security.audit.alerts import load as load_alert_rules
    from fhir_server.security.audit.lookout import Lookout, OwnLookout
    from fhir_server.security.audit.shared_notes import SharedNotes
    from fhir_server.security.encryption.opening import opened as opened_keys

    settings = environment.settings
    file = settings.data / AUDIT_FILE
    log: AuditLog | SharedAuditLog
    if settings.mongodb_url:
        shared_notes = SharedNotes(notes, sealed_by(settings))
        own = AuditLog(file, synchronous=settings.synchronous, notes=shared_notes)
        log = shared = _shared_with_all(settings, own, shared_notes)
        opened.push_async_callback(shared.stop)
        shared.start()
        lookout: Lookout = shared.lookout(environment.clock)
    else:
        keys = opened_keys(settings)
        if keys is not None:
            opened.callback(keys.close)
        log = AuditLog(file, synchronous=settings.synchronous, keys=keys, notes=notes)
        opened.callback(log.close)
        lookout = OwnLookout(log, settings.data, environment.clock)
    environment.audit = log
    environment.store = NotedStore(environment.store, log, environment.clock)  # type: ignore[assignment]
    environment.alerts = Alerting(environment, lookout, load_alert_rules(settings.alert_rules))
    environment.followers.append(environment.alerts)


@contextlib.contextmanager
def opened_audit(settings: Settings) -> Iterator[AuditLog]:
    """The audit log of settings.data without a server on it; others may write to it meanwhile."""
    from fhir_server.security.audit import FILE_NAME as AUDIT_FILE
    from fhir_server.security.audit import AuditLog
    from fhir_server.security.encryption.opening import opened as opened_keys
    from fhir_server.storage.sqlite.database import FILE_NAME as STORE_FILE
    from fhir_server.storage.sqlite.notes import SqliteNotes

    with contextlib.ExitStack() as opened:
        if settings.mongodb_url:
            own, _ = _own_of_machine(settings, opened)
            yield own
            return
        notes = SqliteNotes(settings.data / STORE_FILE)
        opened.callback(notes.close)
        keys = opened_keys(settings)
        if keys is not None:
            opened.callback(keys.close)
        log = AuditLog(settings.data / AUDIT_FILE, keys=keys, notes=notes)
        opened.callback(log.close)
        yield log


@contextlib.contextmanager
def opened_audit_of_all(settings: Settings) -> Iterator[AuditLog | SharedAuditLog]:
    """The same, beside those of all machines where there are several."""
    if not settings.mongodb_url:
        with opened_audit(settings) as log:
            yield log
        return
    with contextlib.ExitStack() as opened:
        shared = _shared_with_all(settings, *_own_of_machine(settings, opened))
        opened.callback(shared.disconnect)
        yield shared


def _own_of_machine(settings: Settings, opened: contextlib.ExitStack) -> tuple[AuditLog, SharedNotes]:
    """The log of this machine among others, and what it takes in from MongoDB."""
    from fhir_server.security.audit import FILE_NAME as AUDIT_FILE
    from fhir_server.security.audit import AuditLog
    from fhir_server.security.audit.shared_notes import SharedNotes
    from fhir_server.storage.mongo.notes import MongoNotes

    kept = MongoNotes(settings.mongodb_url, settings.mongodb_database, audited_as(settings), now)
    opened.callback(kept.close)
    notes = SharedNotes(kept, sealed_by(settings))
    log = AuditLog(settings.data / AUDIT_FILE, notes=notes)
    opened.callback(log.close)
    return log, notes


def _shared_with_all(settings: Settings, own: AuditLog, notes: SharedNotes) -> SharedAuditLog:
    """This machine's audit log beside those of all machines."""
    from fhir_server.security.audit.shared import SharedAuditLog
    from fhir_server.storage.mongo.database import connect_in_threads

    return SharedAuditLog(
        own,
        audited_as(settings),
        connect_in_threads(settings.mongodb_url),
        settings.mongodb_database,
        sealed_by(settings),
        notes,
        acknowledged=settings.audit_acknowledged == "mongodb",
    )
