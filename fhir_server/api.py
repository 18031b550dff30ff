"""The facade that everything outside uses: REST, interfaces, subsystems, the command line.

server = await bootstrap.start(settings)
version = await server.read("Patient", "1")
response = await server.perform(Request("GET", ("Patient",), [("name", "smith")]))
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

from fhir_server.codec.asgi import text_of
from fhir_server.codec.json import decode
from fhir_server.core.at_once import at_once
from fhir_server.core.errors import error
from fhir_server.core.keys import StoredVersion
from fhir_server.core.ports import OPEN, Caller, Change, Finding
from fhir_server.core.settings import Settings
from fhir_server.definitions import Definitions
from fhir_server.interactions.access.callers import Callers, lasts
from fhir_server.interactions.access.recognised import Recognised
from fhir_server.interactions.access.visible import environment_of, sees_all
from fhir_server.interactions.dispatch import perform
from fhir_server.interactions.environment import Environment
from fhir_server.interactions.followers.custom_parameters import Progress
from fhir_server.interactions.followers.reindexing import reindex_all
from fhir_server.interactions.history import history
from fhir_server.interactions.identified import identified
from fhir_server.interactions.read import current
from fhir_server.interactions.request import Request, Response
from fhir_server.interactions.required import require
from fhir_server.interactions.search import search
from fhir_server.search.holding import Version, holds
from fhir_server.security.credentials import PAGE_COOKIE, REALM, bearer, cookie, require_own_page

if TYPE_CHECKING:
    from fhir_server.security.model import User
    from fhir_server.security.service import Security

__all__ = ["FhirServer", "Request", "Response"]


class FhirServer:
    """One server in this process: an Environment and what has to be stopped with it, the last opened first.

    indexing() gives the custom search parameters that are still being indexed, each with its progress; immediate:
    whether no read of the store waits for anything, so that read_at_once and found_at_once are possible.
    """

    def __init__(
        self,
        environment: Environment,
        check: Callable[[bool], Awaitable[list[Finding]]],
        indexing: Callable[[], list[Progress]],
        opened: AsyncExitStack,
        security: Security | None = None,
    ) -> None:
        environment.perform = perform
        self.environment = environment
        self._check = check
        self.indexing = indexing
        self._security = security
        self._callers: Callers = environment.callers
        self._recognised = (
            Recognised(security.store, self._callers, environment.clock) if security is not None else None
        )
        self._opened = opened
        self._store_read = environment.store.read
        self.immediate = environment.store.immediate

    @property
    def settings(self) -> Settings:
        """What it was started with."""
        return self.environment.settings

    @property
    def definitions(self) -> Definitions:
        """R4, with the custom search parameters in force."""
        return self.environment.searching.definitions

    @property
    def security(self) -> Security:
        """Users, clients and tokens; FhirError "not-supported" in open mode."""
        if self._security is None:
            raise error("not-supported", "This server is open: it has no users. Start it with security = smart.")
        return self._security

    @property
    def audit(self) -> Any:
        """The audit log, None where none is kept."""
        return self.environment.audit

    @property
    def open(self) -> bool:
        """Whether everybody may do everything."""
        return self._security is None

    @property
    def behind(self) -> bool:
        """Whether others have stored something that shapes answers and is not taken in here yet."""
        following = self.environment.following
        return following is not None and following.behind

    def recognised(self, headers: Mapping[str, str], base: str) -> Caller | None:
        """Who makes a request, where that is told at once by an access token that was shown lately; see caller_of.

        Only while not `behind`.
        """
        if self._recognised is None:
            return None
        shown = headers.get("authorization")
        if shown is None or "x-purpose" in headers or "x-purpose-reason" in headers:  # of an emergency
            return None
        return self._recognised.get(shown, base)

    async def caller_of(self, method: str, headers: Mapping[str, str], base: str) -> Caller:
        """Who makes a request with these headers (lower-case names) of what belongs to a FHIR base URL.

        By an access token, or by the cookie of a sign-in at the server's own pages; everybody in open mode.
        FhirError "login" for nobody, "forbidden" where break-glass is not for its user, or another site's page asks.
        """
        if self.open:
            return OPEN
        if self.environment.following is not None:
            await self.environment.following.before()
        if (known := self.recognised(headers, base)) is not None:
            return known
        token = bearer(headers)
        purpose, reason = headers.get("x-purpose", ""), text_of(headers.get("x-purpose-reason", ""))
        if token:
            access = await self.security.access(token, base)
        else:
            signed = await self.security.signed_in(cookie(headers, PAGE_COOKIE))
            if signed is None:
                raise error("login", "Sign in, or send an access token: Authorization: Bearer …", headers=REALM)
            require_own_page(method, headers)
            access = self.security.page_access(*signed)
        made_of = self._callers.made_of()
        caller = await self._callers.of_access(access, purpose, reason[:500])
        plain = token and not purpose and not reason and access.issuer not in self.security.providers
        if self._recognised is not None and plain and lasts(access):
            self._recognised.keep(headers["authorization"], base, caller, made_of)
        return caller

    async def caller_of_user(self, user: User) -> Caller:
        """Who is signed in at the server's own pages."""
        if self.environment.following is not None:
            await self.environment.following.before()
        return await self._callers.of_user(user)

    async def require_scopes(self, scopes: str) -> None:
        """FhirError "forbidden" for a scope whose criteria mean nothing here: a token that has it opens nothing."""
        if self.environment.following is not None:
            await self.environment.following.before()
        await self._callers.require_scopes(scopes)

    async def perform(self, request: Request) -> Response:
        """Any interaction or operation; FhirError for every answer that is no success."""
        return await perform(self.environment, request)

    async def holds(self, resource: dict[str, Any], criteria: str) -> bool | None:
        """Whether criteria hold for a resource as it is given, stored or not; None where that takes other resources."""
        searching, type = self.environment.searching, resource["resourceType"]
        where = await searching.criteria(type, criteria, Request("GET", (type,)))
        return holds(where, Version(type, resource["id"], searching.extract(resource)))

    async def read(self, type: str, id: str, caller: Caller = OPEN) -> StoredVersion:
        """The current version of a resource; FhirError "not-found", "deleted", "unknown-type"."""
        version = await self._store_read(type, id)
        if version is not None and version.body and caller.restriction is None and id not in caller.own:
            return version
        require(caller, "r", type)
        if version is not None and version.body and sees_all(caller, type):
            return version
        if not self.environment.definitions.is_resource(type):
            await self.perform(Request("GET", (type, id), caller=caller))
        seen = environment_of(self.environment, caller)
        return await current(seen, Request("GET", (type, id), caller=caller), type, id)

    def read_at_once(self, type: str, id: str, caller: Caller = OPEN) -> StoredVersion | None:
        """The current version for who sees all of the type, else None.

        None, too, where there is none: read tells why. FhirError of the store, "forbidden".
        """
        if caller is not OPEN:
            require(caller, "r", type)
            if not sees_all(caller, type):
                return None
        version = at_once(self._store_read(type, id))
        return version if version is not None and version.body else None

    def found_at_once(
        self, path: tuple[str, ...], query: list[tuple[str, str]], base: str, caller: Caller = OPEN
    ) -> Response | None:
        """What perform gives for a search of a type, or a history, to who sees all of the type, else None.

        FhirError, RuntimeError for one that fails or must be waited for: perform tells why. Only for what is found
        quickly: where that takes long it has been in vain; and while not `behind`.
        """
        environment, type = self.environment, path[0]
        if caller is not OPEN:
            interaction = "r" if len(path) == 3 else "s"
            require(caller, interaction, type)
            if not sees_all(caller, type, interaction):
                return None
        if not environment.definitions.is_resource(type):
            return None
        request = Request("GET", path, query, lenient=self.settings.lenient, base=base, caller=caller)
        if len(path) == 1:
            return at_once(search(environment, request, type))
        return at_once(history(environment, request, *path[:-1]))

    async def identified(
        self, wanted: Mapping[str, Sequence[tuple[str, str]]], caller: Caller = OPEN
    ) -> list[dict[str, Any]]:
        """The current resources that have any of the identifiers (system, value) wanted of their type.

        Others may be among them, that have what is wanted of another type.
        """
        environment = self.environment
        if environment.following is not None:
            await environment.following.before()
        for type in wanted:
            require(caller, "s", type)
        return [decode(version.body) for version in await identified(environment_of(environment, caller), wanted)]

    async def changes(self, after: int = 0, limit: int = 1000) -> list[Change]:
        """The change feed past a position, oldest first."""
        return await self.environment.feed.changes(after, limit)

    async def check(self, repair: bool = False) -> list[Finding]:
        """What is not as it should be in the store, [] for a whole one; with repair what can be is put right.

        Custom search parameters are indexed everywhere first. Where an audit log is kept, it is verified.
        """
        while self.indexing():
            await asyncio.sleep(0.05)
        found = await self._check(repair)
        if (log := self.environment.audit) is not None and (problem := (await asyncio.to_thread(log.verify)).problem):
            found = [*found, Finding("audit log", problem, False)]
        return found

    async def reindex(self, progress: Callable[[int, int], None] = lambda done, of: None) -> int:
        """Makes all index values anew beside live traffic; progress(position, head). Returns the feed position."""
        if self.environment.rebuild is not None:
            return await self.environment.rebuild(progress)
        return await reindex_all(self.environment, progress)

    def stop_first(self, stop: Callable[[], Awaitable[None]]) -> None:
        """Has something stopped, that works on this server, before the stores are closed."""
        self._opened.push_async_callback(stop)

    async def close(self) -> None:
        """Finishes what is under way and closes the stores."""
        await self._opened.aclose()
