"""What a transaction will do: its entries planned, and their criteria matched (https://hl7.org/fhir/R4/http.html#trules).

An entry's id is known before anything is stored, so that references can be put right: the one in its URL, a new one, or
that of what its criteria match.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import msgspec

from fhir_server.codec.references import references
from fhir_server.core.errors import CATEGORIES, FhirError, Issue, error
from fhir_server.core.keys import StoredVersion
from fhir_server.core.ports import Transaction
from fhir_server.core.query import Clause
from fhir_server.interactions.environment import Environment
from fhir_server.interactions.patching import PatchDocument, document_of
from fhir_server.interactions.preparing import Prepared, body_of, id_of
from fhir_server.interactions.request import Request

PAUSE_EVERY = 25  # entries after which other requests get their turn
MANY = 1000  # entries from which what looks through all of them at once does so in a thread, beside the event loop
CONDITIONAL_REFERENCE = re.compile(r"([A-Z][A-Za-z]+)\?(.+)\Z", re.DOTALL)
# Spares looking through most Bundles: one without has no conditional reference written plainly.
CONDITIONAL_IN_JSON = re.compile(rb'"reference"\s*:\s*"[A-Z][A-Za-z]+\?')
ESCAPED = b"\\u00"  # how one may be written otherwise
ORDER = {"DELETE": 0, "POST": 1, "PUT": 2, "PATCH": 3}

T = TypeVar("T")


class Entry(msgspec.Struct, gc=False):
    """One entry while it is planned: id "" where it is not known yet; found: what its criteria match.

    supposed: the id by which others refer to it already, before its criteria were matched.
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
    writes: bool = False  # whether it changes what is stored

    @property
    def unmatched(self) -> str:
        """Its id where its criteria match nothing."""
        stated = (self.request.resource or {}).get("id") if self.request.method == "PUT" else None
        return stated or self.new_id


class Plan:
    """All entries and the conditional references in them: text -> (type, clause) and what each matches."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.conditional: dict[str, tuple[str, Clause]] = {}
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
    for number, request in enumerate(requests):
        if number % PAUSE_EVERY == PAUSE_EVERY - 1:
            await asyncio.sleep(0)
        try:
            plan.entries.append(await _entry(environment, number, request, listed[number].get("fullUrl", "")))
        except FhirError as problem:
            problems += placed(problem, number, request)
    if problems:
        raise FhirError("invalid", problems)
    if not outer.body or ESCAPED in outer.body or CONDITIONAL_IN_JSON.search(outer.body):
        await _find_conditional(environment, outer, plan)
    await beside(plan.entries, _require_distinct, plan)
    return plan


async def _find_conditional(environment: Environment, outer: Request, plan: Plan) -> None:
    for entry in plan.entries:
        if entry.request.resource is None or not entry.writes:
            continue
        for path, text in references(entry.request.resource):
            match = CONDITIONAL_REFERENCE.match(text)
            if match and text not in plan.conditional:
                try:
                    where = await environment.searching.criteria(match[1], match[2], outer)
                except FhirError as problem:
                    raise FhirError(problem.category, placed(problem, entry.number, entry.request, path)) from None
                plan.conditional[text] = (match[1], where)


async def _entry(environment: Environment, number: int, request: Request, full_url: Any) -> Entry:
    path = request.path
    method = request.method
    entry = Entry(number, request, full_url if isinstance(full_url, str) else "", path[0] if path else "")
    entry.writes = method in ORDER and not any(segment[0] in "$_" for segment in path)
    if not entry.writes:
        return entry
    if not path or not environment.definitions.is_resource(path[0]) or len(path) > 2:
        raise error("invalid", f"{method} {'/'.join(path)[:100]} can't be part of a transaction.")
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
        return entry
    if method == "POST":
        entry.criteria = request.if_none_exist.removeprefix(f"{entry.type}?").removeprefix("?")
        if entry.criteria:
            entry.where = await environment.searching.criteria(entry.type, entry.criteria, request)
    elif request.query:
        entry.criteria = "&".join([f"{name}={value}" for name, value in request.query])
        entry.where = await environment.searching.criteria_of(entry.type, request.query, request)
    else:
        raise error("required", f"{method} {entry.type} needs an id or criteria.")
    entry.new_id = environment.new_id()
    if method == "POST" and entry.where is None:
        entry.id = entry.new_id
    return entry


def _require_distinct(plan: Plan) -> None:
    """No resource may be written by two entries, no fullUrl may stand for two."""
    seen: dict[str, int] = {}
    for entry in plan.entries:
        if not entry.writes:
            continue
        if entry.id:
            _only_once(seen, f"{entry.type}/{entry.id}", entry.number)
        if entry.full_url.startswith("urn:"):
            _only_once(seen, entry.full_url, entry.number)


def _only_once(seen: dict[str, int], name: str, number: int) -> None:
    before = seen.setdefault(name, number)
    if before != number:
        raise error(
            "invalid",
            f"Entries {before} and {number} are both about {name}; a transaction may write it once.",
            expression=f"Bundle.entry[{number}]",
        )


async def match_all(plan: Plan, inside: Transaction) -> None:
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
    await beside(plan.entries, _require_distinct, plan)
    for text, (type, where) in plan.conditional.items():
        found = await inside.matches(type, where, 2)
        if len(found) != 1:
            how = "no resource" if not found else "more than one resource"
            raise error("precondition", f"The conditional reference {text} matches {how}; it must match exactly one.")
        plan.matched[text] = f"{type}/{found[0].id}"


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
