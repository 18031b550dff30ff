"""Outside providers as data: a TOML file that the setting `openid` names (docs/how-to/openid.md).

[[provider]]
name = "hospital"
issuer = "https://login.example.org/realms/hospital"
client_id = "hms"                        # for signing in at this server; without it tokens are believed only
client_secret_file = "/run/secrets/hms"

[provider.roles]                         # a role of the provider = ours; others count for nothing
fhir-physician = "physician"

[provider.scopes]                        # our role = what its bearers get beside the scopes of the token
physician = "user/*.cruds"
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from fhir_server.core.errors import error
from fhir_server.security.scopes import known

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512")
Url = Annotated[str, Meta(pattern=r"^https?://[^\s?#]+$")]


class Claims(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where a token says what; a dot goes into an object: realm_access.roles."""

    user: str = "sub"
    name: str = "preferred_username"
    fhir_user: str = "fhirUser"
    patient: str = "patient"
    encounter: str = "encounter"
    scope: str = "scope"
    roles: tuple[str, ...] = ("roles", "realm_access.roles")


class Provider(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One provider. audience: what access tokens must be for, "" for the FHIR base URL; most_scopes: the most that any
    of its tokens may have; advertised: whether apps are sent there instead of to this server's own endpoints;
    authorities: PEM file of those that its certificate is of, "" for the system's; subscription_days: for how long a
    Subscription is served once the token that it was stored with has ended, 0 for no limit."""

    name: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{1,40}$")]
    issuer: Url
    title: str = ""
    audience: str = ""
    algorithms: tuple[str, ...] = ALGORITHMS
    client_id: str = ""
    client_secret: str = ""
    client_secret_file: str = ""
    asks: str = "openid profile"
    claims: Claims = Claims()
    roles: dict[str, str] = {}
    scopes: dict[str, str] = {}
    most_scopes: str = "openid fhirUser launch/patient launch/encounter patient/*.cruds user/*.cruds"
    advertised: bool = False
    authorities: str = ""
    subscription_days: Annotated[int, Meta(ge=0, le=36_500)] = 30

    @property
    def secret(self) -> str:
        """The secret of client_id there."""
        if self.client_secret_file:
            return Path(self.client_secret_file).read_text("utf-8").strip()
        return self.client_secret


class Providers(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file."""

    provider: tuple[Provider, ...] = ()


def load(path: str) -> tuple[Provider, ...]:
    """The providers of a file, none for ""; FhirError "value" that says what is wrong in it."""
    if not path:
        return ()
    try:
        found = msgspec.convert(tomllib.loads(Path(path).read_text("utf-8")), Providers).provider
        for each in found:
            _ = each.secret
    except (OSError, ValueError) as problem:
        raise error("value", f"The OpenID providers in {path} can't be used: {problem}.") from problem
    for each in found:
        wrong = _problem(each)
        if wrong:
            raise error("value", f"The OpenID provider {each.name} in {path} can't be used: {wrong}.")
    for name in ("name", "issuer"):
        if len({getattr(each, name) for each in found}) < len(found):
            raise error("value", f"Two OpenID providers in {path} have the same {name}.")
    if sum(each.advertised for each in found) > 1:
        raise error("value", f"Only one OpenID provider in {path} can be advertised.")
    return found


def _problem(provider: Provider) -> str:
    strange = [each for each in provider.algorithms if each not in ALGORITHMS]
    if strange or not provider.algorithms:
        return f"algorithms must be some of {', '.join(ALGORITHMS)}"
    local = provider.issuer.startswith(("http://127.0.0.1", "http://localhost", "http://[::1]"))
    if not (provider.issuer.startswith("https:") or local):
        return "issuer must be https"
    for text in (provider.most_scopes, *provider.scopes.values()):
        unknown = next((scope for scope in text.split() if not known(scope)), "")
        if unknown:
            return f"{unknown!r} is no SMART scope"
    return ""
