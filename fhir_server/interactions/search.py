"""search in a type, a compartment or the system (https://hl7.org/fhir/R4/http.html#search)."""

from __future__ import annotations

from dataclasses import replace

from msgspec import structs

from fhir_server.codec import bundles
from fhir_server.codec.json import serialize
from fhir_server.codec.summary import subset
from fhir_server.core.errors import error, operation_outcome
from fhir_server.core.keys import StoredVersion
from fhir_server.core.query import IdIn, Page, Query, RefersTo
from fhir_server.interactions.environment import Environment
from fhir_server.interactions.request import Request, Response
from fhir_server.search.rewrite.walk import every
from fhir_server.search.selflink import self_link

PATIENT = "Patient"
SUBJECT = "subject"


async def search(environment: Environment, request: Request, type: str | None = None) -> Response:
    """A searchset of one type, or with type None of all types."""
    asked = await environment.searching.query(type, request, blank=True)
    return await answer(environment, request, asked, type or "")


async def search_compartment(
    environment: Environment, request: Request, compartment: str, id: str, type: str
) -> Response:
    """A searchset of what a compartment has of a type; type "*" for all its types."""
    if compartment not in environment.definitions.compartments:
        known = ", ".join(sorted(environment.definitions.compartments))
        raise error("not-found", f"{compartment} has no compartment; these have: {known}.")
    asked = await environment.searching.query(None if type == "*" else type, request, (compartment, id), blank=True)
    return await answer(environment, request, asked, f"{compartment}/{id}/{type}")


async def answer(environment: Environment, request: Request, asked: Query, path: str) -> Response:
    """Runs the query and makes the Bundle."""
    return answer_page(environment, request, asked, path, await environment.index.search(asked))


def answer_page(environment: Environment, request: Request, asked: Query, path: str, page: Page) -> Response:
    """The Bundle of a page of the query."""
    shown = [*page.matches, *page.included]
    if asked.summary or asked.elements:
        page = _shaped(environment, asked, page)
    url = f"{request.base}/{path}" if path else request.base
    warnings = [*asked.warnings, *page.warnings]
    body = bundles.searchset(
        request.base,
        page.matches,
        page.included,
        total=page.total,
        links=_links(url, asked, page),
        outcome=serialize(operation_outcome(warnings)) if warnings else b"",
    )
    about = _patients(asked) if environment.audit is not None else ()
    return Response(200, body=body, shown=shown, about=about)


def _patients(asked: Query) -> tuple[str, ...]:
    """Ids of the patients whom the criteria name: how many of something they have, or that there is none, is told."""
    found: dict[str, None] = {}
    for clause in every(asked.where):
        if isinstance(clause, RefersTo):
            types = {type for type, _ in clause.targets}
            if types == {PATIENT} or SUBJECT in clause.fields:  # else an id alone may be a practitioner's
                found |= dict.fromkeys(id for type, id in clause.targets if type == PATIENT)
        elif isinstance(clause, IdIn) and asked.types == (PATIENT,):
            found |= dict.fromkeys(clause.ids)
    return tuple(found)


def _links(url: str, asked: Query, page: Page) -> list[bundles.Link]:
    links = [bundles.Link("self", self_link(url, asked))]
    if asked.cursor:
        links.append(bundles.Link("first", self_link(url, asked, "")))
    for relation, cursor in (("previous", page.previous), ("next", page.next), ("last", page.last)):
        if cursor:
            links.append(bundles.Link(relation, self_link(url, asked, cursor)))
    return links


def _shaped(environment: Environment, asked: Query, page: Page) -> Page:
    """The page with _summary or _elements applied; _elements speaks of the matches only."""

    def shape(version: StoredVersion, match: bool) -> StoredVersion:
        names = asked.elements if match else ()
        return structs.replace(version, body=subset(version.body, asked.summary, names, environment.definitions))

    return replace(
        page,
        matches=[shape(version, True) for version in page.matches],
        included=[shape(version, False) for version in page.included],
    )
