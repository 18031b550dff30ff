"""What a transaction will do: its entries planned, and their criteria matched (https://hl7.org/fhir/R4/http.html#trules).

An entry's id is known before anything is stored, so that references can be put right: the one in its URL, a new one, or
that of what its criteria match.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, TypeVar
from urllib.parse import urlencode

import msgspec

from fhir_server.core.errors import CATEGORIES, FhirError, Issue, error
from fhir_server.core.keys import StoredVersion
from fhir_server.core.ports import Transaction
from fhir_server.core.query import Clause
from fhir_server.interactions.bundles.conditional_references import (
    ConditionalReference,
    conditional_references,
    may_have,
    the_one,
)
from fhir_server.interactions.environment import Environment
from fhir_server.interactions.parameters import criteria_of, require_general
from fhir_server.interactions.patching import PatchDocument, document_of
from fhir_server.interactions.preparing import Prepared, body_of, id_of
from fhir_server.interactions.request import Request
from fhir_server.interactions.shaping import Shape, shape_of
from fhir_server.search.holding import Version, holds

PAUSE_EVERY = 25  # entries after which other requests get their turn
ENOUGH = 2  # matches that show a conditional reference to be ambiguous
MANY = 1000  # entries from which what looks through all of them at once does so in a thread, beside the event loop
ORDER = {"DELETE": 0, "POST": 1, "PUT": 2, "PATCH": 3}

T = TypeVar("T")


class Entry(msgspec.Struct, gc=False):
    """One entry while it is planned: id "" where it is not known yet; found: what its criteria match.

    supposed: the id by which others refer to it already, before its criteria were matched. same: an earlier entry that
    creates what this one's criteria match.
    """

    number: int
    request: Request
    full_url: str
    type: str
    id: str = ""
    criteria: str = ""
    where: Clause | None = None
    found: StoredVersion | None = None
    new_id: str = ""
    supposed: str = ""
    prepared: Prepared | None = None
    document: PatchDocument | None = None
    same: Entry | None = None
    writes: bool = False  # whether it changes what is stored
    shape: Shape | None = None  # of its answer

    @property
    def met(self) -> bool:
        """Whether it creates nothing, as its criteria match what is there."""
        return self.request.method == "POST" and self.found is not None

    @property
    def unmatched(self) -> str:
        """Its id where its criteria match nothing."""
        stated = (self.request.resource or {}).get("id") if self.request.method == "PUT" else None
        return stated or self.new_id


class Plan:
    """All entries and the conditional references in them: text -> what it asks for, and what it matches."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.conditional: dict[str, ConditionalReference] = {}
        self.matched: dict[str, str] = {}

    @property
    def asks(self) -> bool:
        """Whether anything in it depends on what is stored."""
        return bool(self.conditional) or any(entry.where is not None for entry in self.entries)


async def beside(entries: Sequence[Any], work: Callable[..., T], *given: Any) -> T:
    """What work returns; where there are many entries others get their turn meanwhile."""
    return await asyncio.to_thread(work, *given) if len(entries) > MANY else work(*given)


async def plan_of(environment: Environment, outer: Request, listed: list[Any], requests: list[Request]) -> Plan:
    """The plan of a Bundle's entries, with the problems of all that can't be part of a transaction."""
    plan = Plan()
    problems: list[Issue] = []
    categories: set[str] = set()
    for number, request in enumerate(requests):
        if number % PAUSE_EVERY == PAUSE_EVERY - 1:
            await asyncio.sleep(0)
        try:
            plan.entries.append(await _entry(environment, number, request, listed[number].get("fullUrl", "")))
        except FhirError as problem:
            problems += placed(problem, number, request)
            categories.add(problem.category)
    if problems:
        raise FhirError("forbidden" if categories == {"forbidden"} else "invalid", problems)
    if may_have(outer.body):
        await _find_conditional(environment, outer, plan)
    await beside(plan.entries, _require_distinct, plan)
    return plan


async def _find_conditional(environment: Environment, outer: Request, plan: Plan) -> None:
    for entry in plan.entries:
        if entry.request.resource is None or not entry.writes:
            continue
        try:
            plan.conditional |= await conditional_references(
                environment, outer, entry.request.resource, entry.number, plan.conditional
            )
        except FhirError as problem:
            raise FhirError(problem.category, placed(problem, entry.number, entry.request)) from None


async def _entry(environment: Environment, number: int, request: Request, full_url: Any) -> Entry:
    path = request.path
    method = request.method
    entry = Entry(number, request, full_url if isinstance(full_url, str) else "", path[0] if path else "")
    entry.writes = method in ORDER and not [segment for segment in path if segment[0] in "$_"]
    if not entry.writes:
        return entry
    if not path or not environment.definitions.is_resource(path[0]) or len(path) > 2:
        raise error("invalid", f"{method} {'/'.join(path)[:100]} can't be part of a transaction.")
    pairs = criteria_of(request) if request.query else []
    if len(pairs) < len(request.query):
        entry.shape = shape_of(request, environment.definitions)
    if method in ("POST", "PUT"):
        body_of(entry.type, request.resource)
    elif method == "PATCH":
        entry.document = document_of(request.content_type, request.body, request.resource, environment.definitions)
    if len(path) == 2:
        if method == "POST":
            raise error("invalid", f"POST {'/'.join(path)} is not possible; create with POST {entry.type}.")
        entry.id = id_of(path[1])
        if method == "PUT" and (request.resource or {}).get("id") != entry.id:
            raise error("invalid", f"The URL says {entry.type}/{entry.id}, the resource has another id or none.")
        require_general(request)
        return entry
    if method == "POST":
        entry.criteria = request.if_none_exist.removeprefix(f"{entry.type}?").removeprefix("?") or urlencode(pairs)
        if entry.criteria:
            entry.where = await environment.searching.criteria(entry.type, entry.criteria, request)
    elif pairs:
        entry.criteria = "&".join([f"{name}={value}" for name, value in pairs])
        entry.where = await environment.searching.criteria_of(entry.type, pairs, request)
    else:
        raise error("required", f"{method} {entry.type} needs an id or criteria.")
    entry.new_id = environment.new_id()
    if method == "POST" and entry.where is None:
        entry.id = entry.new_id
    return entry


def _require_distinct(plan: Plan) -> None:
    """No resource may be written by two entries, no fullUrl may stand for two.

    Creates whose criteria match one resource do not write it: they may be several, but nothing else may write it then.
    """
    seen: dict[str, int] = {}
    for entry in plan.entries:
        if not entry.writes:
            continue
        names = []
        if entry.id and entry.same is None:
            names.append(f"{entry.type}/{entry.id}")
        if entry.where is not None and entry.request.method != "POST":
            names.append(f"{entry.type}?{entry.criteria}")
        if entry.full_url:
            names.append(f"the fullUrl {entry.full_url}")
        for name in names:
            before = seen.setdefault(name, entry.number)
            if before != entry.number and not (
                name == f"{entry.type}/{entry.id}" and entry.met and plan.entries[before].met
            ):
                raise error(
                    "invalid",
                    f"Entries {before} and {entry.number} are both about {name}; a transaction may write it once.",
                    expression=f"Bundle.entry[{entry.number}]",
                )


async def match_all(environment: Environment, plan: Plan, inside: Transaction) -> None:
    """Finds what the criteria of entries and the conditional references stand for."""
    asking = [entry for entry in plan.entries if entry.where is not None]
    for start in range(0, len(asking), PAUSE_EVERY):
        if start:
            await asyncio.sleep(0)
        some = asking[start : start + PAUSE_EVERY]
        asked = [(entry.type, entry.where) for entry in some if entry.where is not None]
        for entry, found in zip(some, await inside.matches_each(asked), strict=True):
            if len(found) > 1:
                problem = error("multiple-matches", f"{entry.type}?{entry.criteria} matches more than one resource.")
                raise FhirError("multiple-matches", placed(problem, entry.number, entry.request))
            entry.found = found[0] if found else None
            entry.id = entry.found.id if entry.found else entry.unmatched
    _join_same(environment, plan)
    await beside(plan.entries, _require_distinct, plan)
    for text, reference in plan.conditional.items():
        ids = await _ids_in_the_end(environment, plan, inside, reference)
        try:
            plan.matched[text] = the_one(text, reference, ids)
        except FhirError as problem:
            entry = plan.entries[reference.number]
            raise FhirError(problem.category, placed(problem, entry.number, entry.request)) from None


def _join_same(environment: Environment, plan: Plan) -> None:
    """Conditional creates with the same criteria make one resource, where it is one that the criteria match."""
    first: dict[tuple[str, str], Entry] = {}
    for entry in plan.entries:
        entry.same = None
        if entry.request.method != "POST" or entry.where is None or entry.found is not None:
            continue
        before = first.setdefault((entry.type, entry.criteria), entry)
        if before is not entry and _will_match(environment, before, entry.where):
            entry.same, entry.id = before, before.id


async def _ids_in_the_end(
    environment: Environment, plan: Plan, inside: Transaction, reference: ConditionalReference
) -> set[str]:
    """The ids of what the criteria will match when the transaction has written; two are enough."""
    written = [
        entry
        for entry in plan.entries
        if entry.writes and entry.type == reference.type and entry.request.method != "PATCH" and entry.same is None
        if entry.request.method != "POST" or entry.found is None
    ]
    replaced = {entry.id for entry in written}
    stored = await inside.matches(reference.type, reference.where, 2 + len(written))
    ids = {version.id for version in stored} - replaced
    if len(ids) < ENOUGH:
        ids |= {entry.id for entry in written if _will_match(environment, entry, reference.where)}
    return ids


def _will_match(environment: Environment, entry: Entry, where: Clause) -> bool:
    """Whether what an entry writes is matched by a clause; not where that takes other resources."""
    resource = entry.request.resource
    if resource is None or entry.request.method == "DELETE":
        return False
    values = environment.searching.extract(resource)
    return holds(where, Version(entry.type, entry.id, values)) is True


def placed(problem: FhirError, number: int, request: Request, path: str = "") -> list[Issue]:
    """The issues with the entry that they are about."""
    found = []
    for issue in problem.issues:
        below = (issue.expression or path).partition(".")[2]
        where = f"Bundle.entry[{number}]" + (f".resource.{below}" if below else "")
        what = f"{request.method} {'/'.join(request.path)}"
        found.append(
            Issue(
                issue.severity,
                issue.code or CATEGORIES[problem.category].code,
                f"Entry {number} ({what}): {issue.diagnostics}",
                where,
                issue.location,
                issue.rule,
                issue.profile,
            )
        )
    return found
