"""As whom a Subscription is served: as whoever stored it, for as long as their access lasts.

An access token ends within the hour, and what it stands for goes on: what a person has let an application do, or an
application may do by itself. It is over when that is revoked, the person's account is closed, or the application's.
Of what an outside OpenID provider revokes or closes nothing is heard here: what stands on its word ends some days after
the token did, and goes on by being stored with another.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from fhir_server.api import FhirServer
from fhir_server.core.errors import error
from fhir_server.core.ports import OPEN, Caller
from fhir_server.interactions.access.visible import environment_of
from fhir_server.interactions.environment import Environment
from fhir_server.security.model import Access
from fhir_server.subscriptions.store.port import Maker

DAY = 86_400  # seconds


def access_of(caller: Caller) -> dict[str, Any] | None:
    """What the caller's access token says, as it is kept; None where the server is open."""
    return msgspec.to_builtins(caller.access) if caller.access is not None else None


def whose(access: Mapping[str, Any] | None) -> tuple[str, str] | None:
    """The application and the person, "" for none, that a kept access is of; None for no access."""
    return (access["client"], access.get("user", "")) if access is not None else None


def sees_alike(access: Mapping[str, Any] | None, other: Mapping[str, Any] | None) -> bool:
    """Whether two kept accesses are of one application and person, who may see the same by each."""
    return _seeing(access) == _seeing(other)


def _seeing(access: Mapping[str, Any] | None) -> Access | None:
    """What an access may see by."""
    known = msgspec.convert(access, Access) if access is not None else None
    return known and msgspec.structs.replace(known, family="", jti="", encounter="", expires=0)


async def as_maker(server: FhirServer, maker: Maker) -> Environment:
    """The server as the maker sees it now; FhirError "login" where the maker's access is over."""
    return await seen_with(server, maker.access)


async def seen_with(server: FhirServer, access: Mapping[str, Any] | None) -> Environment:
    """The server as whoever has a kept access sees it now; FhirError "login" where that is over."""
    following = server.environment.following
    if following is not None:
        await following.before()
    return environment_of(server.environment, await _caller(server, access))


async def _caller(server: FhirServer, kept: Mapping[str, Any] | None) -> Caller:
    if server.open:
        return OPEN
    if kept is None:
        raise error("login", "It was stored by nobody who has an access token; store it again with one.")
    access = await _lasting(server, msgspec.convert(kept, Access))
    callers: Any = server.environment.callers
    return await callers.of_access(access)


async def _lasting(server: FhirServer, access: Access) -> Access:
    """What the token said, with what the person's account says now."""
    from fhir_server.security.service import PAGE, TRYING  # an open server needs nothing of it

    security = server.security
    store = security.store
    if access.family and not await store.good(access.family, access.jti):
        raise error("login", "The access that it was stored with has been revoked; store it again with another.")
    if access.issuer not in security.providers and access.client not in (PAGE, TRYING):
        client = await store.client(access.client)
        if client is None or not client.active:
            raise error("login", "The application that stored it is closed here.")
    if not access.user:
        return access
    user = await store.user(access.user)
    issuers = (access.issuer, user.provider if user is not None else "")
    provider = next((security.providers[each] for each in issuers if each in security.providers), None)
    days = provider.settings.subscription_days if provider is not None else 0
    if days and access.expires + days * DAY <= security.clock() // 1_000_000:
        raise error("login", f"The token of an outside account that it was stored with has ended {days} days ago; "
                    "store it again with one of now.")  # fmt: skip
    if user is None and access.issuer in security.providers:
        return access
    if user is None or not user.active:
        raise error("login", "The account of whoever stored it is closed.")
    if access.issuer in security.providers:
        return access
    return msgspec.structs.replace(access, fhir_user=user.fhir_user, roles=user.roles)
