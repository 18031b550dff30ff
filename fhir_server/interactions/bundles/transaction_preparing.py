"""The entries of a transaction made ready: references put right, resources checked and encoded.

Others wait for a commit, so this is done before it, as if all criteria matched nothing; inside only what refers to one
of which that was wrong is prepared again.
"""

from __future__ import annotations

import asyncio
import re
from typing import Any, NamedTuple

from fhir_server.codec.references import references, rewrite, rewrite_plain
from fhir_server.core.errors import FhirError, Issue, error
from fhir_server.interactions.bundles.transaction_plan import PAUSE_EVERY, Plan, beside, placed
from fhir_server.interactions.environment import Environment
from fhir_server.interactions.preparing import Prepared, prepare
from fhir_server.interactions.request import Request

WIDE = 500  # items of a list in a resource that is prepared beside the event loop, as it alone would hold others up
URN = "urn:uuid:"
REST_URL = re.compile(r"https?://.*/([A-Za-z]+)/([A-Za-z0-9\-.]{1,64})\Z")


async def prepare_ahead(environment: Environment, plan: Plan, outer: Request) -> None:
    """Before the commit: with the ids that entries have if their criteria match nothing."""
    await beside(plan.entries, _suppose, plan)
    await prepare_all(environment, plan, outer, ahead=plan.asks)


def _suppose(plan: Plan) -> None:
    for entry in plan.entries:
        if entry.where is not None:
            entry.id = entry.supposed = entry.unmatched


async def prepare_all(environment: Environment, plan: Plan, outer: Request, ahead: bool = False) -> None:
    """Prepares what is not prepared as it must be, and reports every bad entry.

    ahead: what its criteria match is not known yet; a bad entry is left for then.
    """
    moved, mapping = await beside(plan.entries, _mapping, plan)
    links = _Links(mapping, _without_canonicals(plan, mapping), all(link.startswith(URN) for link in mapping))
    changed = [reference.encode() for reference in moved]
    problems: list[Issue] = []
    category = "unprocessable"
    for count, entry in enumerate(plan.entries):
        resource = entry.request.resource
        if not entry.writes or resource is None or entry.request.method not in ("POST", "PUT"):
            continue
        if entry.prepared is not None:
            written = entry.prepared.draft.meta + entry.prepared.draft.rest if changed else b""
            if not any(reference in written for reference in changed):
                continue
        if count % PAUSE_EVERY == PAUSE_EVERY - 1:
            await asyncio.sleep(0)
        if entry.request.method == "POST" and (entry.found is not None or entry.same is not None):
            continue
        try:
            if [item for item in resource.values() if type(item) is list and len(item) > WIDE]:
                entry.prepared = await asyncio.to_thread(_prepared, environment, resource, links)
            else:
                entry.prepared = _prepared(environment, resource, links)
        except FhirError as problem:
            entry.prepared = None
            if not ahead:
                problems += placed(problem, entry.number, entry.request)
                category = problem.category
    if problems:
        raise FhirError(category, problems)


_deeper: set[str] = set()  # types of which a resource was seen with such URLs where rewrite_plain does not look


class _Links(NamedTuple):
    """What is to be put right, of references and of other links; plain: whether all are URLs such as urn:uuid:…"""

    references: dict[str, str]
    others: dict[str, str]
    plain: bool

    def put_right(self, resource: dict[str, Any]) -> None:
        rewrite(resource, self.references, links=self.others)


def _prepared(environment: Environment, resource: dict[str, Any], links: _Links) -> Prepared:
    plain = links.plain and resource["resourceType"] not in _deeper
    if plain:
        rewrite_plain(resource, links.references)
    else:
        links.put_right(resource)
    prepared = prepare(environment, resource)
    if plain and URN.encode() in prepared.draft.meta + prepared.draft.rest:
        _deeper.add(resource["resourceType"])
        links.put_right(resource)
        prepared = prepare(environment, resource)
    if b'"reference":"urn:' in prepared.draft.rest:
        _require_resolved(resource)
    return prepared


def _mapping(plan: Plan) -> tuple[dict[str, str], dict[str, str]]:
    """The references to ids that were supposed wrongly as they must be, and all that have to be put right."""
    moved = {f"{e.type}/{e.supposed}": f"{e.type}/{e.id}" for e in plan.entries if e.supposed and e.supposed != e.id}
    return moved, {**plan.matched, **_identities(plan), **moved}


def _identities(plan: Plan) -> dict[str, str]:
    """What each fullUrl stands for."""
    mapping = {}
    for entry in plan.entries:
        url = entry.full_url
        if not url or not entry.writes or not entry.id or entry.request.method == "DELETE":
            continue
        identity = f"{entry.type}/{entry.id}"
        if url != identity:
            mapping[url] = identity
        match = REST_URL.match(url)
        if match and f"{match[1]}/{match[2]}" != identity:
            mapping[f"{match[1]}/{match[2]}"] = identity
    return mapping


def _without_canonicals(plan: Plan, mapping: dict[str, str]) -> dict[str, str]:
    """The mapping without the fullUrls that are the canonical URL of their definition, as packages have them: that
    names it wherever it stands (its url, the system of codes), so that only a Reference is put right."""
    named = {entry.full_url for entry in plan.entries if entry.full_url and _canonical(entry.request) == entry.full_url}
    return {link: new for link, new in mapping.items() if link not in named} if named else mapping


def _canonical(request: Request) -> object:
    return request.resource.get("url") if request.resource else None


def _require_resolved(resource: dict[str, Any]) -> None:
    for path, text in references(resource):
        if text.startswith(("urn:uuid:", "urn:oid:")):
            raise error(
                "unprocessable",
                f"{path} refers to {text[:100]}, which is the fullUrl of no entry of this transaction.",
                expression=path,
            )
