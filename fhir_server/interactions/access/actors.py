"""As whom Consents may name a user: the user's record, roles, their organizations, and teams and groups with these."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from typing import Any

from fhir_server.codec.json import decode
from fhir_server.codec.references import parse_reference
from fhir_server.core.query import Query
from fhir_server.interactions.access.scoped import is_now
from fhir_server.interactions.environment import Environment
from fhir_server.interactions.search_pages import search_pages

ROLE = "PractitionerRole"
HIGHEST = 20  # organizations above one, so that a circle of them ends
# of what has members: where these stand
MEMBERS = {"CareTeam": ("participant", "member"), "Group": ("member", "entity")}
OVER = frozenset({"inactive", "entered-in-error"})  # CareTeam.status


async def actors_of(environment: Environment, fhir_user: str, named: Collection[str]) -> frozenset[str]:
    """What of these references (Type/id) names a user; fhir_user: the user's own reference, "" for nobody's."""
    if not (fhir_user and named):
        return frozenset()
    kinds = {each.partition("/")[0] for each in named}
    selves = {fhir_user, *[each async for each in _practitioners(environment, fhir_user)]}
    organizations: set[str] = set()
    if not kinds.isdisjoint({ROLE, "Organization", *MEMBERS}):
        async for reference, role in _roles(environment, selves.copy()):
            selves.add(reference)
            organizations.add(_named(role.get("organization")))
    if "Organization" in kinds:
        organizations |= {each for one in sorted(organizations) async for each in _above(environment, one)}
    found = (selves | organizations) - {""}
    having = [each for each in named if each.partition("/")[0] in MEMBERS]
    return frozenset(found | {each for each in having if await _has(environment, each, found)})


async def _practitioners(environment: Environment, fhir_user: str) -> AsyncIterator[str]:
    """Those that a user who signs in as a role, or a Person, is."""
    kind = fhir_user.partition("/")[0]
    if kind not in (ROLE, "Person"):
        return
    resource = await _stored(environment, fhir_user)
    links = [each.get("target") for each in resource.get("link", ())] if kind == "Person" else []
    for each in (resource.get("practitioner"), *links):
        if (name := _named(each)).startswith("Practitioner/"):
            yield name


async def _roles(environment: Environment, selves: Collection[str]) -> AsyncIterator[tuple[str, dict[str, Any]]]:
    """The roles that are now in force, by their references: those that the user is, and those of the practitioners."""
    found = {each: await _stored(environment, each) for each in selves if each.startswith(f"{ROLE}/")}
    for each in selves:
        kind, _, id = each.partition("/")
        where = environment.searching.about(ROLE, (kind, id)) if kind == "Practitioner" else None
        if where is not None:
            async for page in search_pages(environment.index, Query((ROLE,), where, count=100)):
                found |= {f"{ROLE}/{match.id}": decode(match.body) for match in page.matches}
    for reference, role in found.items():
        theirs = reference in selves or _named(role.get("practitioner")) in selves
        if theirs and role.get("active", True) and is_now(role.get("period", {}), environment.clock()):
            yield reference, role


async def _above(environment: Environment, organization: str) -> AsyncIterator[str]:
    """The organizations that one is a part of."""
    for _ in range(HIGHEST):
        organization = _named((await _stored(environment, organization)).get("partOf"))
        if not organization:
            return
        yield organization


async def _has(environment: Environment, reference: str, members: Collection[str]) -> bool:
    """Whether a team or group that is now in force has one of these as a member now."""
    group, now = await _stored(environment, reference), environment.clock()
    if not group.get("active", True) or group.get("status") in OVER or not is_now(group.get("period", {}), now):
        return False
    many, one = MEMBERS[reference.partition("/")[0]]
    return any(
        _named(each.get(one)) in members and not each.get("inactive") and is_now(each.get("period", {}), now)
        for each in group.get(many, ())
    )


async def _stored(environment: Environment, reference: str) -> dict[str, Any]:
    """The resource as it is stored; {} for none."""
    kind, _, id = reference.partition("/")
    version = await environment.store.read(kind, id) if id else None
    return decode(version.body) if version is not None and version.body else {}


def _named(reference: dict[str, Any] | None) -> str:
    """The Type/id that a reference names here; "" for none."""
    local = parse_reference((reference or {}).get("reference", ""))
    return f"{local.type}/{local.id}" if local is not None else ""
