"""What a provider's claims mean here: user, roles, record, context and scopes."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from typing import Any

from fhir_server.security.model import FHIR_USER, Access, User
from fhir_server.security.openid.configuration import Provider
from fhir_server.security.scopes import granted
from fhir_server.security.tokens import refused

OF_A_PATIENT = re.compile(
    r"(?:.*/)?(?:patient|relatedperson|person)/[^/]*(?:/_history/.*)?\Z", re.IGNORECASE | re.DOTALL
)
ID = re.compile(r"[A-Za-z0-9.-]{1,64}\Z")

Said = dict[str, Any]


def at(said: Said, place: str) -> Any:
    """The value of a claim; None where it is not there. A claim whose own name has dots is found too."""
    if place in said:
        return said[place]
    found: Any = said
    for part in place.split("."):
        if not isinstance(found, dict) or part not in found:
            return None
        found = found[part]
    return found


def text(said: Said, place: str) -> str:
    """A claim that must be text, "" for any other."""
    found = at(said, place)
    return found if isinstance(found, str) else ""


def user_id(provider: Provider, said: Said) -> str:
    """The id that an account of a provider has here: no other account of any provider has it."""
    subject = text(said, provider.claims.user)
    return hashlib.sha256(f"{provider.issuer}\n{subject}".encode()).hexdigest()[:32] if subject else ""


def roles(provider: Provider, said: Said) -> tuple[str, ...]:
    """Our roles, of those that the provider gives."""
    given: list[str] = []
    for place in provider.claims.roles:
        found = at(said, place)
        each: Iterable[Any] = found.split() if isinstance(found, str) else found if isinstance(found, list) else ()
        given += [role for role in each if isinstance(role, str)]
    return tuple(dict.fromkeys(provider.roles[role] for role in given if role in provider.roles))


def fhir_user(provider: Provider, said: Said, fhir_base: str) -> str:
    """The person's record on this server, "" for none.

    FhirError "login" for a patient whose record is elsewhere: without it nothing would keep them within one.
    """
    found = text(said, provider.claims.fhir_user).removeprefix(f"{fhir_base}/")
    if FHIR_USER.match(found):
        return found
    if OF_A_PATIENT.match(found):
        raise refused(f"its {provider.claims.fhir_user} is of a patient, and no record of this server")
    return ""


def access(provider: Provider, said: Said, fhir_base: str) -> Access:
    """What an access token with these claims, whose signature holds, lets its bearer do."""
    own = roles(provider, said)
    asked = at(said, provider.claims.scope)
    scope = granted(" ".join(asked) if isinstance(asked, list) else str(asked or ""), provider.most_scopes)
    by_role = [provider.scopes[role] for role in own if role in provider.scopes]
    patient = text(said, provider.claims.patient).removeprefix("Patient/")
    encounter = text(said, provider.claims.encounter).removeprefix("Encounter/")
    return Access(
        client=str(said.get("azp") or said.get("client_id") or provider.name),
        scope=" ".join([*scope.split(), *by_role]),
        user=user_id(provider, said),
        fhir_user=fhir_user(provider, said, fhir_base),
        patient=patient if ID.match(patient) else "",
        encounter=encounter if ID.match(encounter) else "",
        jti=text(said, "jti"),
        issuer=provider.issuer,
        roles=own,
        expires=int(said["exp"]),
    )


def user(provider: Provider, said: Said, fhir_base: str) -> User | None:
    """The user that an account is here; None for one whom nobody has given a role or a record here."""
    own, record, id = roles(provider, said), fhir_user(provider, said, fhir_base), user_id(provider, said)
    if not id or not (own or record):
        return None
    name = text(said, provider.claims.name) or id
    return User(id=id, name=f"{name[:80]}@{provider.name}", fhir_user=record, roles=own, provider=provider.issuer)
