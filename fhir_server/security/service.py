"""The parts of security that work together, as one object."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec

from fhir_server.core.errors import error
from fhir_server.core.ports import Clock
from fhir_server.core.settings import Settings
from fhir_server.security import passwords, second_factor, unverified
from fhir_server.security.brands import load as load_brands
from fhir_server.security.client_keys import ClientKeys
from fhir_server.security.ended_families import EndedFamilies, Named
from fhir_server.security.granting import Granting
from fhir_server.security.keys import SigningKeys
from fhir_server.security.model import Access, Client, Session, User
from fhir_server.security.places import Places
from fhir_server.security.rate import Rate
from fhir_server.security.store import AccountStore
from fhir_server.security.throttle import Throttle
from fhir_server.security.tokens import Tokens, refused

if TYPE_CHECKING:
    from fhir_server.security.openid.provider import OpenIdProvider

SECOND = 1_000_000
SEEN_EACH = 60 * SECOND  # how closely it is kept when a sign-in was last seen
PAGE = "hms-page"  # the client that the server's own pages are
TRYING = "hms-token"  # the client that `hms token` makes tokens for, which is none that is kept
PAGE_SCOPE = "user/*.cruds"  # what its pages do for whoever is signed in: all that this user may
LAUNCH_LIFE = 5 * 60 * 1_000_000


class Security:
    """Users, clients and tokens of one server; started before it is used. named: see `EndedFamilies`."""

    def __init__(self, settings: Settings, clock: Clock, store: AccountStore, named: Named | None = None) -> None:
        self.settings = settings
        self.store = store
        self.keys = SigningKeys(self.store)
        self.tokens = Tokens(self.store, self.keys, settings.token_seconds)
        self.granting = Granting(self.store, self.tokens, EndedFamilies(self.store, named))
        self.throttle = Throttle(self.store)
        self.places = Places(self.store)
        self.rate = Rate(settings.sign_in_rate, store)
        self.client_keys = ClientKeys(settings.jwks_networks, clock)
        self.clock = clock
        self.brands = load_brands(settings.brands, settings.brand) if settings.brands else None
        self.providers: dict[str, OpenIdProvider] = {}
        if settings.openid:
            from fhir_server.security.openid.configuration import load
            from fhir_server.security.openid.provider import OpenIdProvider

            self.providers = {each.issuer: OpenIdProvider(each, clock) for each in load(settings.openid)}

    async def start(self) -> None:
        """Makes the signing keys of a first start."""
        await self.keys.start()

    async def access(self, token: str, fhir_base: str) -> Access:
        """What an access token says, one of this server's or of an outside provider's; FhirError "login"."""
        provider = self.providers.get(unverified.issuer(token)) if self.providers else None
        if provider is None:
            return await self.tokens.read(token, fhir_base.removesuffix("/fhir"), fhir_base)
        access = await provider.read(token, fhir_base)
        known = await self.store.user(access.user)
        if known is not None and not known.active:
            raise refused("its user is closed here")
        return access

    def provider_named(self, name: str) -> OpenIdProvider:
        """A provider that people sign in with; FhirError "not-found"."""
        found = next((each for each in self.providers.values() if each.settings.name == name), None)
        if found is None or not found.settings.client_id:
            raise error("not-found", "There is no such provider to sign in with here.")
        return found

    async def put_outside_user(self, user: User) -> User:
        """Keeps a user of an outside provider as the provider says; FhirError "login" for one who is closed here."""

        def renewed(known: User) -> User:
            if not known.active:
                raise error("login", "Your account is closed here.")
            return msgspec.structs.replace(user, passkeys=known.passkeys)

        if await self.store.user(user.id) is not None:
            return await self.store.change_user(user.id, renewed)
        await self.store.put_user(user)
        return user

    async def close(self) -> None:
        """Closes its store and its connections."""
        await self.client_keys.close()
        await self.store.close()

    async def add_user(self, name: str, password: str, fhir_user: str = "", roles: tuple[str, ...] = ()) -> User:
        """A new user; FhirError "value" where the password is too weak or the name none to type, "conflict" where it is
        taken."""
        if not name.strip() or name != name.strip() or not name.isprintable():
            raise error(
                "value", f"A name has characters that can be read, and no blanks at its ends; {name!r} has not."
            )
        wrong = passwords.problem(password, name)
        if wrong:
            raise error("value", wrong)
        if await self.store.user_named(name):
            raise error("conflict", f"There is a user {name} already.")
        kept = await passwords.hashed_aside(password)
        user = User(id=secrets.token_hex(8), name=name, password=kept, fhir_user=fhir_user, roles=roles)
        await self.store.put_user(user)
        return user

    async def change_user(self, user: User, changes: Mapping[str, object], password: str = "") -> None:
        """Keeps what has changed of a user, with a new password unless it is "", and ends what was given before.

        FhirError "value" where the password is too weak, or the user is of an outside provider, which keeps it.
        """
        if password:
            wrong = passwords.problem(password, user.name)
            if user.provider:
                wrong = f"The password of {user.name} is kept by {user.provider}; change it there."
            if wrong:
                raise error("value", wrong)
            changes = {**changes, "password": await passwords.hashed_aside(password)}
        await self.store.change_user(user.id, lambda kept: msgspec.structs.replace(kept, **changes))
        if password:
            await self.store.forget_places(user.id)  # whoever knew the one of before is to guess as anybody
        for session in await self.store.sessions(user.id):
            await self.store.end_session(user.id, session.id)
        for family in await self.store.families(user.id):
            await self.store.revoke_family(family.id)

    async def add_client(self, client: Client, confidential: bool) -> tuple[Client, str]:
        """A new client, and its secret, which is kept as a hash only ("" for a public client and one with keys)."""
        if await self.store.client(client.id):
            raise error("conflict", f"There is a client {client.id} already.")
        secret = secrets.token_urlsafe(32) if confidential else ""
        if secret:
            client = msgspec.structs.replace(client, secret=await passwords.hashed_aside(secret))
        await self.store.put_client(client)
        return client, secret

    async def sign_in(
        self, name: str, password: str, code: str, address: str, agent: str, browser: str = ""
    ) -> tuple[str, Session]:
        """A session and the secret of its cookie. browser: what that is known by; see `Places`.

        FhirError "login" where name, password or code is wrong, without saying which; "throttled" after too many.
        """
        user = await self.store.user_named(name)
        subjects = await self.places.subjects(name, user, address, browser)
        await self.throttle.require(*subjects)
        good = await passwords.matches_aside(password, user.password if user else "")
        await self.throttle.require(*subjects)  # guesses that come at once are no more than those one after the other
        factors: tuple[str, ...] = ("password",)
        if user is not None and good and user.totp:
            good = await second_factor.accepted(self.store, user, code)
            factors = ("password", "totp")
        kept = await self.store.user(user.id) if user is not None and good else None  # changed while it was hashed?
        if user is None or kept is None or not passwords.is_same(kept.password, user.password) or not kept.active:
            await self.throttle.failed(*subjects)
            raise error("login", "The name, the password or the code is wrong.")
        await self.throttle.succeeded(*subjects)
        return await self.begin_session(kept, address, agent, factors, browser)

    async def begin_session(
        self, user: User, address: str, agent: str, factors: tuple[str, ...], browser: str = ""
    ) -> tuple[str, Session]:
        """A session of a user who has been recognised, and the secret of its cookie."""
        await self.places.signed_in(user, address, browser)
        now = self.clock()
        session = Session(
            id=secrets.token_hex(8), user=user.id, begun=now, expires=now + self.settings.session_seconds * SECOND,
            seen=now, address=address, agent=agent[:200], factors=factors,
        )  # fmt: skip
        secret = secrets.token_urlsafe(32)
        await self.store.put_session(secret, session)
        return secret, session

    async def signed_in(self, secret: str) -> tuple[Session, User] | None:
        """The sign-in that a cookie stands for, and whose it is; None where it has ended or was idle for too long."""
        session = await self.store.session(secret) if secret else None
        user = await self.store.user(session.user) if session else None
        if session is None or user is None or not user.active:
            return None
        now = self.clock()
        if now - session.seen > self.settings.session_idle_seconds * SECOND:
            await self.store.end_session(user.id, session.id)
            return None
        if now - session.seen > SEEN_EACH:
            session = msgspec.structs.replace(session, seen=now)
            await self.store.saw_session(secret, session)
        return session, user

    def page_access(self, session: Session, user: User) -> Access:
        """What whoever is signed in may do at this server's own pages."""
        return Access(
            client=PAGE, scope=PAGE_SCOPE, user=user.id, fhir_user=user.fhir_user, jti=session.id, roles=user.roles,
            expires=session.expires // SECOND,
        )  # fmt: skip

    async def launch(self, context: dict[str, object]) -> str:
        """A launch parameter for an app, good for five minutes, that stands for this context."""
        id = secrets.token_urlsafe(24)
        await self.store.put_launch(id, dict(context), self.clock() + LAUNCH_LIFE)
        return id
