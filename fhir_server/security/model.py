"""What security keeps: users, clients, sessions, grants. Times are microseconds since 1970 UTC."""

from __future__ import annotations

import re
from typing import Any

import msgspec

# https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html#launch-context-arrives-with-your-access_token
CONTEXT = ("patient", "encounter", "fhirContext", "intent", "need_patient_banner", "smart_style_url", "tenant")
# https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html#scopes-for-requesting-identity-data
FHIR_USER = re.compile(r"(Patient|Practitioner|PractitionerRole|RelatedPerson|Person|Device)/[A-Za-z0-9.-]{1,64}\Z")


class User(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who signs in. fhir_user: a reference such as Practitioner/1; roles: names that policies speak of;
    totp: the secret of an authenticator app; recovery: digests of its recovery codes; passkeys: id, key, count, name,
    added; provider: the issuer of the outside account that it is, "" for one of this server."""

    id: str
    name: str
    password: str = ""
    fhir_user: str = ""
    roles: tuple[str, ...] = ()
    totp: str = ""
    recovery: tuple[str, ...] = ()
    passkeys: tuple[dict[str, Any], ...] = ()
    provider: str = ""
    active: bool = True


class Client(msgspec.Struct, frozen=True, kw_only=True):
    """An application (https://hl7.org/fhir/smart-app-launch/STU2.2/conformance.html#client-types).

    secret: hashed, "" for a public client and for one with keys; jwks: its public keys, jwks_uri: where they are;
    scopes: the most that it can get; grants: authorization_code, refresh_token, client_credentials; resource_server:
    whether it may introspect tokens of other clients.
    """

    id: str
    name: str
    secret: str = ""
    jwks: dict[str, Any] | None = None
    jwks_uri: str = ""
    redirect_uris: tuple[str, ...] = ()
    launch_uri: str = ""
    scopes: str = ""
    grants: tuple[str, ...] = ("authorization_code", "refresh_token")
    logo_uri: str = ""
    resource_server: bool = False
    active: bool = True

    @property
    def public(self) -> bool:
        """Whether it can't prove who it is."""
        return not (self.secret or self.jwks or self.jwks_uri)


class Grant(msgspec.Struct, frozen=True, kw_only=True):
    """What a user has let a client do, or a client may do by itself (user "").

    family: what all tokens of one authorization have in common, to revoke them together; context: launch context, see
    CONTEXT; nonce: of OpenID Connect.
    """

    family: str
    client: str
    scope: str
    user: str = ""
    fhir_user: str = ""
    context: dict[str, Any] = {}
    nonce: str = ""
    authenticated: int = 0


class Code(msgspec.Struct, frozen=True, kw_only=True):
    """An authorization code's promise: good once, until expires, for this redirect URI and PKCE challenge."""

    grant: Grant
    redirect_uri: str
    challenge: str
    expires: int


class Refresh(msgspec.Struct, frozen=True, kw_only=True):
    """A refresh token: good once; session: the sign-in that it lives as long as (online_access), "" for none."""

    grant: Grant
    expires: int
    session: str = ""


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """A sign-in of a user at a browser; seen: its last request, to the minute; factors: password, totp, webauthn."""

    id: str
    user: str
    begun: int
    expires: int
    seen: int = 0
    address: str = ""
    agent: str = ""
    factors: tuple[str, ...] = ("password",)


class Access(msgspec.Struct, frozen=True, kw_only=True):
    """What an access token says; user "" for a client by itself; expires in seconds since 1970 UTC."""

    client: str
    scope: str
    user: str = ""
    fhir_user: str = ""
    patient: str = ""
    encounter: str = ""
    family: str = ""
    jti: str = ""
    issuer: str = ""
    roles: tuple[str, ...] = ()
    expires: int = 0
