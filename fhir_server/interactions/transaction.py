"""transaction: a Bundle whose entries all take effect, or none (https://hl7.org/fhir/R4/http.html#trules).

First every entry is planned: which resource it will write, new ids included, so that references can be put right
before anything is stored. Then one commit writes: deletes, creates, updates and patches, in this order; reads come last
and see what was written. Where an entry or a reference has criteria, matching happens inside the commit, so that no
other writer comes between. Others wait for a commit, so entries are prepared before it, as if their criteria matched
nothing; what refers to one of which that was wrong is prepared again inside. A conditional reference can't be supposed.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from fhir_server.codec import bundles
from fhir_server.codec.bundles import EntryResponse
from fhir_server.codec.json import decode, serialize
from fhir_server.codec.references import references, rewrite
from fhir_server.core.errors import CATEGORIES, AfterCommitError, FhirError, Issue, error, operation_outcome
from fhir_server.core.keys import StoredVersion
from fhir_server.core.ports import Transaction
from fhir_server.core.query import Clause
from fhir_server.interactions.delete import remove, require_unreferenced
from fhir_server.interactions.entries import STATUS_TEXT, entry_response
from fhir_server.interactions.environment import Environment
from fhir_server.interactions.patch import change
from fhir_server.interactions.patching import PatchDocument, document_of
from fhir_server.interactions.preparing import Prepared, body_of, id_of, prepare, store
from fhir_server.interactions.request import Request, Response
from fhir_server.interactions.update import put_matched

PAUSE_EVERY = 25  # entries after which other requests get their turn
MANY = 1000  # entries from which what looks through all of them at once does so in a thread, beside the event loop
REST_URL = re.compile(r"https?://.*/([A-Za-z]+)/([A-Za-z0-9\-.]{1,64})\Z")
CONDITIONAL_REFERENCE = re.compile(r"([A-Z][A-Za-z]+)\?(.+)\Z", re.DOTALL)
# Spares looking through most Bundles: one without either has no conditional reference, written plainly or escaped.
CONDITIONAL_IN_JSON = re.compile(rb'"reference"\s*:\s*"[A-Z][A-Za-z]+\?|\\u00')
ORDER = {"DELETE": 0, "POST": 1, "PUT": 2, "PATCH": 3}

T = TypeVar("T")
Matches = Callable[[str, Clause, int], Awaitable[list[StoredVersion]]]


@dataclass
class Entry:
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


@dataclass
class Plan:
    """All entries and the conditional references in them: text -> (type, clause) and what each matches."""

    entries: list[Entry]
    conditional: dict[str, tuple[str, Clause]] = field(default_factory=dict)
    matched: dict[str, str] = field(default_factory=dict)

    @property
    def asks(self) -> bool:
        """Whether anything in it depends on what is stored."""
        return bool(self.conditional) or any(entry.where is not None for entry in self.entries)


async def transaction(
    environment: Environment, request: Request, listed: list[Any], requests: list[Request]
) -> Response:
    """Performs a transaction Bundle; requests: its entries, in order."""
    plan = await _plan(environment, request, listed, requests)
    came = request.body or serialize(request.resource) if plan.asks else b""
    if not plan.conditional:
        await _beside(plan.entries, _suppose, plan)
        await _prepare(environment, plan, request, ahead=plan.asks)
    attempts = 0

    async def work(inside: Transaction) -> dict[int, EntryResponse]:
        nonlocal attempts
        attempts += 1
        if plan.asks:
            if attempts > 1:  # the first attempt has put references right in place
                for entry, raw in zip(plan.entries, decode(came)["entry"], strict=True):
                    entry.request.resource = raw.get("resource")
                    entry.prepared, entry.supposed = None, ""
            await _match(plan, inside.matches)
            await _prepare(environment, plan, request)
        return await _write(environment, inside, plan, request)

    answers = await environment.store.commit(work)
    for entry in plan.entries:
        if entry.number not in answers:
            answers[entry.number] = await _answer_late(environment, entry, request)
    listing = [answers[number] for number in range(len(plan.entries))]
    return Response(200, body=await _beside(listing, bundles.responses, "transaction-response", listing))


async def _beside(entries: Sequence[Any], work: Callable[..., T], *given: Any) -> T:
    """What work returns; where there are many entries others get their turn meanwhile."""
    return await asyncio.to_thread(work, *given) if len(entries) > MANY else work(*given)


# ---------------------------------------------------------------------- planning
async def _plan(environment: Environment, outer: Request, listed: list[Any], requests: list[Request]) -> Plan:
    plan = Plan([])
    problems: list[Issue] = []
    for number, request in enumerate(requests):
        if number % PAUSE_EVERY == PAUSE_EVERY - 1:
            await asyncio.sleep(0)
        try:
            plan.entries.append(await _plan_entry(environment, number, request, listed[number].get("fullUrl", "")))
        except FhirError as problem:
            problems += _placed(problem, number, request)
    if problems:
        raise FhirError("invalid", problems)
    if outer.body and not CONDITIONAL_IN_JSON.search(outer.body):
        await _beside(plan.entries, _require_distinct, plan)
        return plan
    for entry in plan.entries:
        if entry.request.resource is not None and entry.writes:
            for path, text in references(entry.request.resource):
                match = CONDITIONAL_REFERENCE.match(text)
                if match and text not in plan.conditional:
                    try:
                        where = await environment.searching.criteria(match[1], match[2], outer)
                    except FhirError as problem:
                        raise FhirError(problem.category, _placed(problem, entry.number, entry.request, path)) from None
                    plan.conditional[text] = (match[1], where)
    await _beside(plan.entries, _require_distinct, plan)
    return plan


async def _plan_entry(environment: Environment, number: int, request: Request, full_url: Any) -> Entry:
    path = request.path
    entry = Entry(number, request, full_url if isinstance(full_url, str) else "", path[0] if path else "")
    entry.writes = request.method in ORDER and not any(segment[0] in "$_" for segment in path)
    if not entry.writes:
        return entry
    if not path or not environment.definitions.is_resource(path[0]) or len(path) > 2:
        raise error("invalid", f"{request.method} {'/'.join(path)[:100]} can't be part of a transaction.")
    method = request.method
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
    elif method != "POST":
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
        names = {f"{entry.type}/{entry.id}" if entry.id else ""}
        if entry.full_url.startswith("urn:"):
            names.add(entry.full_url)
        for name in names - {""}:
            if name in seen:
                raise error(
                    "invalid",
                    f"Entries {seen[name]} and {entry.number} are both about {name}; a transaction may write it once.",
                    expression=f"Bundle.entry[{entry.number}]",
                )
            seen[name] = entry.number


async def _match(plan: Plan, matches: Matches) -> None:
    """Finds what the criteria of entries and the conditional references stand for."""
    for entry in plan.entries:
        if entry.where is None:
            continue
        if entry.number % PAUSE_EVERY == PAUSE_EVERY - 1:
            await asyncio.sleep(0)
        found = await matches(entry.type, entry.where, 2)
        if len(found) > 1:
            raise FhirError(
                "multiple-matches",
                _placed(
                    error("multiple-matches", f"{entry.type}?{entry.criteria} matches more than one resource."),
                    entry.number,
                    entry.request,
                ),
            )
        entry.found = found[0] if found else None
        entry.id = entry.found.id if entry.found else _unmatched(entry)
    await _beside(plan.entries, _require_distinct, plan)
    for text, (type, where) in plan.conditional.items():
        found = await matches(type, where, 2)
        if len(found) != 1:
            how = "no resource" if not found else "more than one resource"
            raise error("precondition", f"The conditional reference {text} matches {how}; it must match exactly one.")
        plan.matched[text] = f"{type}/{found[0].id}"


# ---------------------------------------------------------------------- preparing
def _suppose(plan: Plan) -> None:
    """Gives the entries with criteria the ids that they have if these match nothing."""
    for entry in plan.entries:
        if entry.where is not None:
            entry.id = entry.supposed = _unmatched(entry)


def _unmatched(entry: Entry) -> str:
    stated = (entry.request.resource or {}).get("id") if entry.request.method == "PUT" else None
    return stated or entry.new_id


async def _prepare(environment: Environment, plan: Plan, outer: Request, ahead: bool = False) -> None:
    """Puts the references right, then checks and encodes what will be written; reports every bad entry.

    ahead: what its criteria match is not known yet; a bad entry is left for then.
    """
    moved, mapping = await _beside(plan.entries, _mapping, plan, outer.base)
    changed = [reference.encode() for reference in moved]
    problems: list[Issue] = []
    category = "unprocessable"
    for count, entry in enumerate(plan.entries):
        resource = entry.request.resource
        if not entry.writes or resource is None or entry.request.method not in ("POST", "PUT"):
            continue
        if count % PAUSE_EVERY == PAUSE_EVERY - 1:
            await asyncio.sleep(0)
        if entry.prepared is not None:
            written = entry.prepared.draft.meta + entry.prepared.draft.rest if changed else b""
            if not any(reference in written for reference in changed):
                continue
        if mapping:
            rewrite(resource, mapping)
        if entry.request.method == "POST" and entry.found is not None:
            continue
        try:
            entry.prepared = prepare(environment, resource)
            if b'"reference":"urn:' in entry.prepared.draft.rest:
                _require_resolved(resource)
        except FhirError as problem:
            entry.prepared = None
            if not ahead:
                problems += _placed(problem, entry.number, entry.request)
                category = problem.category
    if problems:
        raise FhirError(category, problems)


def _mapping(plan: Plan, base: str) -> tuple[dict[str, str], dict[str, str]]:
    """The references to ids that were supposed wrongly as they must be, and all that have to be put right."""
    moved = {f"{e.type}/{e.supposed}": f"{e.type}/{e.id}" for e in plan.entries if e.supposed and e.supposed != e.id}
    return moved, {**plan.matched, **_identities(plan, base), **moved}


def _identities(plan: Plan, base: str) -> dict[str, str]:
    """What each fullUrl stands for."""
    mapping = {}
    for entry in plan.entries:
        if not entry.full_url or not entry.writes or not entry.id or entry.request.method == "DELETE":
            continue
        identity = f"{entry.type}/{entry.id}"
        mapping[entry.full_url] = identity
        match = REST_URL.match(entry.full_url)
        if match and f"{match[1]}/{match[2]}" != identity:
            mapping[f"{match[1]}/{match[2]}"] = identity
    return {url: identity for url, identity in mapping.items() if url != identity}


def _require_resolved(resource: dict[str, Any]) -> None:
    for path, text in references(resource):
        if text.startswith(("urn:uuid:", "urn:oid:")):
            raise error(
                "unprocessable",
                f"{path} refers to {text[:100]}, which is the fullUrl of no entry of this transaction.",
                expression=path,
            )


# ---------------------------------------------------------------------- writing
async def _write(environment: Environment, inside: Transaction, plan: Plan, outer: Request) -> dict[int, EntryResponse]:
    """The answers by number; those of searches are missing that can't see yet what was written."""
    answers: dict[int, EntryResponse] = {}
    writing = sorted((e for e in plan.entries if e.writes), key=lambda e: ORDER[e.request.method])
    for count, entry in enumerate(writing):
        if count % PAUSE_EVERY == PAUSE_EVERY - 1:
            await asyncio.sleep(0)
        try:
            answer = await _write_one(environment, inside, entry)
        except FhirError as problem:
            raise FhirError(problem.category, _placed(problem, entry.number, entry.request)) from None
        answers[entry.number] = entry_response(outer, entry.request, answer)
    for entry in writing:
        if entry.request.method == "DELETE" and entry.id:
            await require_unreferenced(environment, inside, entry.type, [entry.id])
    reading = [entry for entry in plan.entries if not entry.writes]
    if reading:
        assert environment.perform is not None
        view = replace(environment, store=inside.reads, index=inside.index)
        for entry in reading:
            try:
                answer = await environment.perform(view, entry.request)
            except AfterCommitError:
                continue
            except FhirError as problem:
                raise FhirError(problem.category, _placed(problem, entry.number, entry.request)) from None
            answers[entry.number] = entry_response(outer, entry.request, answer)
    return answers


async def _answer_late(environment: Environment, entry: Entry, outer: Request) -> EntryResponse:
    """A search's answer after the commit; one that fails then is the entry's own failure."""
    assert environment.perform is not None
    try:
        return entry_response(outer, entry.request, await environment.perform(environment, entry.request))
    except FhirError as problem:
        return EntryResponse(STATUS_TEXT[problem.status], outcome=serialize(operation_outcome(problem.issues)))


async def _write_one(environment: Environment, inside: Transaction, entry: Entry) -> Response:
    request, type = entry.request, entry.type
    match request.method:
        case "DELETE":
            removed = await remove(inside, request, type, entry.id) if entry.found or not entry.where else None
            return Response(204, removed)
        case "PATCH":
            if entry.where is not None and entry.found is None:
                raise error("not-found", f"No {type} matches {entry.criteria}.")
            assert entry.document is not None
            version = await change(environment, inside, request, entry.document, type, entry.id)
        case "POST" if entry.found is not None:
            return Response(200, entry.found, entry.found.body, entry.found.key.reference)
        case "POST":
            assert entry.prepared is not None
            version = await store(inside, entry.prepared, type, entry.id, 1, "POST")
        case _:
            assert entry.prepared is not None and request.resource is not None
            found = entry.found
            if entry.where is None:
                found = await inside.read(type, entry.id)
            version = await put_matched(
                environment, inside, request, entry.prepared, type, found, request.resource.get("id"), entry.new_id
            )
    assert version is not None
    return Response(201 if version.version == 1 else 200, version, version.body, version.key.reference)


def _placed(problem: FhirError, number: int, request: Request, path: str = "") -> list[Issue]:
    """The issues with the entry that they are about."""
    placed = []
    for issue in problem.issues:
        below = (issue.expression or path).partition(".")[2]
        where = f"Bundle.entry[{number}]" + (f".resource.{below}" if below else "")
        what = f"{request.method} {'/'.join(request.path)}"
        placed.append(
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
    return placed
