"""Authorizations that are over are forgotten, as each sign-in of an app and each token of a service begins one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection

import structlog

from fhir_server.core.errors import FhirError
from fhir_server.security.store import AccountStore

PAUSE = 3600 * 1_000_000  # microseconds between two times that a process does so

Named = Callable[[], Awaitable[Collection[str]]]

log = structlog.get_logger("authorization")


class EndedFamilies:
    """For one process. named: the families that somebody else speaks of, such as who stored a Subscription, which goes
    on until what it was stored with is revoked; None where that is not known, and nothing is forgotten."""

    def __init__(self, store: AccountStore, named: Named | None) -> None:
        self._store = store
        self._named = named
        self._not_before = 0

    async def forget(self) -> None:
        """Forgets them, where that was not done lately; what can't be forgotten now is next time."""
        now = self._store.clock()
        if self._named is None or now < self._not_before:
            return
        self._not_before = now + PAUSE
        try:
            await self._store.forget_families(await self._named())
        except FhirError as problem:
            log.warning("authorizations that are over are kept for now", problem=str(problem))
