"""$everything of a Patient, of all Patients, or of an Encounter.

https://hl7.org/fhir/R4/patient-operation-everything.html and
https://hl7.org/fhir/R4/encounter-operation-everything.html
"""

from __future__ import annotations

from dataclasses import replace

from fhir_server.core.errors import error
from fhir_server.core.query import (
    EVERYTHING,
    All,
    Any,
    Clause,
    DateIs,
    IdIn,
    Missing,
    Page,
    Query,
    RefersTo,
    TypeIn,
    UpdatedIs,
)
from fhir_server.interactions.access.refusals import CARE_DATE
from fhir_server.interactions.environment import Environment
from fhir_server.interactions.operation import Call, OperationHandler
from fhir_server.interactions.read import current
from fhir_server.interactions.request import Request, Response
from fhir_server.interactions.search import answer_page
from fhir_server.search.dates import date_range
from fhir_server.search.rewrite.walk import with_children

TYPES = ("Patient", "Encounter")
DEFAULT_COUNT = 100
EMPTY_PAGES = 20  # passed over for one answer
PASSED_ON = ("_cursor", "_summary", "_elements")  # to the search that it is
ANY_ID = "-"  # stands for the id of every one until the clause is made


async def everything(environment: Environment, call: Call) -> Response:
    """The resource, all of its compartment, and what these refer to; without an id that of every one; paged."""
    count = call.parameters.whole("_count", DEFAULT_COUNT)
    query = [("_include", "*"), ("_count", str(count))]
    query += [(name, str(value)) for name, value, _ in call.parameters.entries if name in PASSED_ON]
    inner = Request("GET", call.request.path, query, base=call.request.base, caller=call.request.caller)
    asked = await environment.searching.query(None, inner, (call.type, call.id or ANY_ID))
    itself: Clause = All((TypeIn((call.type,)), IdIn((call.id,))))
    if not call.id:
        itself = TypeIn((call.type,))
        asked = replace(asked, where=of_any(asked.where, call.type))
    every = asked.types if call.type in asked.types else (call.type, *asked.types)
    asked = replace(asked, types=every, where=Any((itself, asked.where)), matches_once=True)
    types = tuple(call.parameters.texts("_type"))
    for type in types:
        if not environment.definitions.is_resource(type):
            raise error("value", f"_type names '{type[:80]}', which is no resource type.", location="_type")
    limits = [clause for clause in (_since(call), _care_dates(environment, call, asked.types)) if clause]
    if types:
        asked = replace(asked, includes=tuple([replace(include, target_types=types) for include in asked.includes]))
    by_reference = set(types).difference(asked.types) and not asked.only_count  # any member may lead to those
    if types and not by_reference:
        limits.append(TypeIn(types))
    if limits:
        asked = replace(asked, where=All((asked.where, *limits)))
    shown = [(name, value) for name, value in _given(call) if name != "_cursor"]
    asked = replace(asked, used=tuple(shown))
    path = f"{call.type}/{call.id}" if call.id else call.type
    page = await environment.index.search(asked)
    if by_reference:
        page = await _of_types(environment, asked, page, types)
    answered = answer_page(environment, call.request, asked, f"{path}/$everything", page)
    if call.id and not any((found.type, found.id) == (call.type, call.id) for found in answered.shown or ()):
        await current(environment, call.request, call.type, call.id)  # on another page, or not there at all
    return answered


async def _of_types(environment: Environment, asked: Query, page: Page, types: tuple[str, ...]) -> Page:
    """A page without members of other types, which were found for what they refer to; empty ones are passed over."""
    looked_at = 1
    while True:
        page = replace(page, matches=[version for version in page.matches if version.type in types], total=None)
        if page.matches or page.included or not page.next or looked_at == EMPTY_PAGES:
            return page
        page = await environment.index.search(replace(asked, cursor=page.next))
        looked_at += 1


def of_any(clause: Clause, type: str) -> Clause:
    """The clause of one compartment, of every compartment of its kind."""
    if isinstance(clause, RefersTo):
        return Missing(clause.fields, False, (type,))
    if isinstance(clause, IdIn):
        return EVERYTHING
    return with_children(clause, lambda inner: of_any(inner, type))


def _given(call: Call) -> list[tuple[str, str]]:
    return [(name, str(value)) for name, value, _ in call.parameters.entries]


def _since(call: Call) -> Clause | None:
    text = call.parameters.one("_since")
    return UpdatedIs("ge", *_span("_since", text)) if text else None


def _span(name: str, text: str) -> tuple[int, int]:
    found = date_range(str(text))
    if found is None:
        raise error("value", f"{name} must be a date or time, not '{str(text)[:40]}'.", location=name)
    return found


def _care_dates(environment: Environment, call: Call, types: tuple[str, ...]) -> Clause | None:
    """start and end: types without a care date, and resources that don't state theirs, are kept."""
    start, end = call.parameters.one("start"), call.parameters.one("end")
    if not start and not end:
        return None
    dated = tuple(t for t in types if CARE_DATE in environment.definitions.search_parameters(t))
    inside: list[Clause] = []
    if start:
        inside.append(DateIs((CARE_DATE,), "ge", *_span("start", start)))
    if end:
        inside.append(DateIs((CARE_DATE,), "le", *_span("end", end)))
    others = tuple(t for t in types if t not in dated)
    return Any(
        (
            *([TypeIn(others)] if others else []),
            All((TypeIn(dated), Any((All(tuple(inside)), Missing((CARE_DATE,), True))))),
        )
    )


HANDLERS = tuple(
    OperationHandler(
        "everything",
        everything,
        type=type == "Patient",
        instance=True,
        types=(type,),
        parameters=("_cursor", "_since", "_type", "_count"),
    )
    for type in TYPES
)
