"""$lastn: the newest observations of each code (https://hl7.org/fhir/R4/observation-operation-lastn.html)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

from fhir_server.codec.json import decode
from fhir_server.core.errors import error
from fhir_server.core.query import IdIn
from fhir_server.interactions.environment import Environment
from fhir_server.interactions.operation import Call, OperationHandler
from fhir_server.interactions.request import Request, Response
from fhir_server.interactions.search import answer
from fhir_server.interactions.search_pages import search_pages
from fhir_server.search.dates import date_range

PAGE = 500
NOT_SEARCHED = ("max", "_format", "_pretty")
OWN = ("_sort", "_count", "_cursor")  # what it asks the search for itself
SUBJECTS = ("patient", "subject", "patient.identifier", "subject.identifier")

Code = tuple[str, ...]  # system and code, or a text alone
Kind = dict[Code, Code]  # a code that is equal to another -> that one


class Seen(NamedTuple):
    """Of an observation: one of its codes, and when it was, None where that is not said."""

    id: str
    code: Code
    start: int | None


async def lastn(environment: Environment, call: Call) -> Response:
    """Runs the search newest first and gives `max` (default 1) of each code, and those of the same time as the last."""
    wanted = call.parameters.whole("max", 1)
    if wanted < 1:
        raise error("value", "max must be 1 or more.", location="max")
    search = [(name, str(value)) for name, value, _ in call.parameters.entries if name not in NOT_SEARCHED]
    if own := next((name for name, _ in search if name in OWN), None):
        raise error(
            "value", f"$lastn answers newest first, in one page: leave {own} out; limit it by max.", location=own
        )
    if not any(name.partition(":")[0] in SUBJECTS for name, _ in search):
        raise error("required", "$lastn needs a subject: patient=… or subject=….", location="patient")
    inner = Request(
        "GET", ("Observation",), [*search, ("_sort", "-date"), ("_count", str(PAGE))],
        lenient=call.request.lenient, base=call.request.base, caller=call.request.caller,
    )  # fmt: skip
    asked = await environment.searching.query("Observation", inner)
    kinds: Kind = {}
    seen: list[Seen] = []
    async for page in search_pages(environment.index, replace(asked, includes=(), only_count=False)):
        seen += [_seen(version.id, decode(version.body), kinds) for version in page.matches]
    kept = _newest(seen, kinds, wanted)
    used = [pair for pair in asked.used if pair[0] not in OWN]
    found = replace(asked, where=IdIn(kept), count=len(kept), used=(*used, ("max", str(wanted))))
    return await answer(environment, call.request, found, "Observation/$lastn")


def _seen(id: str, observation: dict[str, Any], kinds: Kind) -> Seen:
    """The observation, whose codes are equal from now on: each is a translation of the others."""
    code = observation.get("code", {})
    codes: list[Code] = [(c.get("system", ""), c["code"]) for c in code.get("coding", ()) if c.get("code")]
    codes = codes or [(code.get("text", ""),)]
    for other in codes[1:]:
        first, same = _kind(codes[0], kinds), _kind(other, kinds)
        if first != same:
            kinds[same] = first
    start = observation.get("effectiveDateTime") or observation.get("effectiveInstant")
    times = date_range(start or observation.get("effectivePeriod", {}).get("start", ""))
    return Seen(id, codes[0], times[0] if times else None)


def _kind(code: Code, kinds: Kind) -> Code:
    """The code that stands for all that are equal to this one."""
    while code in kinds:
        parent = kinds[code]
        if parent in kinds:
            kinds[code] = kinds[parent]  # long chains become short
        code = parent
    return code


def _newest(seen: list[Seen], kinds: Kind, wanted: int) -> tuple[str, ...]:
    """Ids of the first of each kind."""
    counts: dict[Code, int] = {}
    last: dict[Code, int | None] = {}
    kept: list[str] = []
    for id, code, start in seen:
        kind = _kind(code, kinds)
        if counts.get(kind, 0) < wanted:
            counts[kind] = counts.get(kind, 0) + 1
            last[kind] = start
        elif start is None or start != last[kind]:
            continue
        kept.append(id)
    return tuple(kept)


HANDLERS = (OperationHandler("lastn", lastn, type=True, types=("Observation",), searches=True),)
