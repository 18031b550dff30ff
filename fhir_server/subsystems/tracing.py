"""The trace of a result: back to the resources, rules and messages that made it, and forward to what was made of it.

Everything that writes says so by Provenance: `target` is what was made, `entity` what it was made of, `activity` the
rule, and an entity with an identifier the message. Where there is none, of what a client wrote, the trace ends. A
subsystem adds the links that only its own tables have, such as those of its journal.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple

from fhir_server.api import Request
from fhir_server.client import FhirClient
from fhir_server.codec.json import decode
from fhir_server.core.errors import FhirError, error
from fhir_server.subsystems.writing import stored

DEEPEST = 8
MOST = 500  # steps of one trace
PAGE = 50

Json = dict[str, Any]


class Step(NamedTuple):
    """One thing on the way, depth steps from the start; how: what links it to the one before; said: about it."""

    depth: int
    reference: str
    how: str
    said: str


class Trace(NamedTuple):
    """Both ways from one reference; more: whether there was more than is told."""

    reference: str
    back: Sequence[Step]
    forward: Sequence[Step]
    more: bool


class Link(NamedTuple):
    """One step on: to a reference; how and said as in Step."""

    reference: str
    how: str
    said: str


class Ways(NamedTuple):
    """The links of a reference, both ways."""

    back: Sequence[Link] = ()
    forward: Sequence[Link] = ()


OF_SUBSYSTEMS = ("journal/", "indicator/")  # references that only links know

Links = Callable[[str], Ways]
Follow = Callable[[FhirClient, str], Awaitable[list[Link]]]


async def trace(client: FhirClient, reference: str, links: Links = lambda _: Ways()) -> Trace:
    """The trace of Type/id, of what links knows, or of a message by its control id; FhirError "not-found" for others.

    links: of a subsystem, which may know references of its own, in small letters; asked in a thread.
    """
    once = functools.cache(links)

    async def known(reference: str) -> Ways:
        return await asyncio.to_thread(once, reference)

    async def back(client: FhirClient, reference: str) -> list[Link]:
        return [*await _back(client, reference), *(await known(reference)).back]

    async def forward(client: FhirClient, reference: str) -> list[Link]:
        return [*await _forward(client, reference), *(await known(reference)).forward]

    of_own = "/" in reference and not reference[:1].isupper() and any(await known(reference))
    return await _traced(client, reference, back, forward, of_own)


async def _traced(client: FhirClient, reference: str, back: Follow, forward: Follow, of_links: bool) -> Trace:
    type, _, id = reference.partition("/_history/")[0].partition("/")
    if of_links or (id and type[:1].isupper()):
        if (
            not of_links
            and await stored(client, type, id) is None
            and not await _provenances(client, "target", f"{type}/{id}")
        ):
            raise error("not-found", f"There is no {type[:64]}/{id[:64]}.")
        made_of, more_back = await _walk(client, f"{type}/{id}", back)
        became, more_forward = await _walk(client, f"{type}/{id}", forward)
        return Trace(f"{type}/{id}", made_of, became, more_back or more_forward)
    made = await _of_message(client, reference)
    if not made and reference.startswith(OF_SUBSYSTEMS):
        raise error(
            "not-found", f"There is no {reference[:80]} here: it is known where the subsystem runs that keeps it."
        )
    if not made:
        raise error("not-found", f"There is no message with the control id {reference[:80]!r} that made a resource.")
    became: list[Step] = []
    more = False
    seen = {each.reference for each in made}
    for step in made:
        became.append(step)
        found, cut = await _walk(client, step.reference, forward, 1, seen)
        became += found
        seen.update(each.reference for each in found)
        more = more or cut
    return Trace(reference, [], became, more)


async def _walk(
    client: FhirClient, start: str, step: Follow, depth: int = 0, known: set[str] | None = None
) -> tuple[list[Step], bool]:
    found: list[Step] = []
    seen = {start, *(known or ())}
    border = [start]
    while border and depth < DEEPEST:
        depth += 1
        following = []
        for reference in border:
            for next, how, said in await step(client, reference):
                if next in seen:
                    continue
                if len(found) == MOST:
                    return found, True
                seen.add(next)
                found.append(Step(depth, next, how, said))
                if not next.startswith("message "):
                    following.append(next)
        border = following
    return found, bool(border)


async def _back(client: FhirClient, reference: str) -> list[Link]:
    found = []
    for provenance in await _provenances(client, "target", reference):
        rule, who = _rule(provenance), _who(provenance)
        for entity in provenance.get("entity", ()):
            what = entity.get("what", {})
            if "reference" in what:
                source = _plain(what["reference"])
                found.append(Link(source, rule, f"{who}; version {_version(what['reference'])}".strip("; ")))
            elif "identifier" in what:
                found.append(Link(f"message {what['identifier'].get('value', '')}", rule, who))
        if not provenance.get("entity"):
            found.append(Link(f"Provenance/{provenance['id']}", rule, who))
    return found


async def _forward(client: FhirClient, reference: str) -> list[Link]:
    return [
        Link(_plain(target["reference"]), _rule(provenance), _who(provenance))
        for provenance in await _provenances(client, "entity", reference)
        for target in provenance.get("target", ())
        if "reference" in target
    ]


async def _of_message(client: FhirClient, control: str) -> list[Step]:
    query = [("entity:identifier", f"|{control}"), ("_count", str(PAGE))]
    made: dict[str, Step] = {}
    for provenance in await _search(client, query) or await _search(client, [("entity:identifier", control), query[1]]):
        for target in provenance.get("target", ()):
            reference = _plain(target.get("reference", ""))
            if reference:
                made[reference] = Step(1, reference, _rule(provenance), _who(provenance))
    return list(made.values())


async def _provenances(client: FhirClient, parameter: str, reference: str) -> list[Json]:
    if not reference[:1].isupper():  # of a subsystem's own tables
        return []
    return await _search(client, [(parameter, reference), ("_sort", "-_lastUpdated"), ("_count", str(PAGE))])


async def _search(client: FhirClient, query: list[tuple[str, str]]) -> list[Json]:
    try:
        bundle = decode((await client.perform(Request("GET", ("Provenance",), query))).body)
    except FhirError as problem:
        if problem.category in ("value", "invalid"):  # a reference that can't be searched for has no Provenance
            return []
        raise
    return [entry["resource"] for entry in bundle.get("entry", ())]


def _rule(provenance: Json) -> str:
    activity = provenance.get("activity", {})
    coded = next((each.get("display") or each.get("code") for each in activity.get("coding", ())), "")
    return activity.get("text") or coded or "made"


def _who(provenance: Json) -> str:
    agents = [
        each.get("who", {}).get("display") or each.get("who", {}).get("reference", "")
        for each in provenance.get("agent", ())
    ]
    reasons = [each.get("text", "") for each in provenance.get("reason", ())]
    return "; ".join(filter(None, [", ".join(filter(None, agents)), *reasons]))


def _plain(reference: str) -> str:
    return reference.partition("/_history/")[0]


def _version(reference: str) -> str:
    return reference.partition("/_history/")[2] or "now"
