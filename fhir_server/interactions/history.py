"""history of an instance, a type or the system (https://hl7.org/fhir/R4/http.html#history)."""

from __future__ import annotations

from urllib.parse import urlencode

from msgspec import structs

from fhir_server.codec import bundles
from fhir_server.codec.json import decode
from fhir_server.codec.references import parse_reference
from fhir_server.codec.summary import element_names, require_elements, subset
from fhir_server.core.errors import error
from fhir_server.interactions.environment import Environment
from fhir_server.interactions.preparing import id_of
from fhir_server.interactions.request import Request, Response
from fhir_server.search.dates import date_range
from fhir_server.search.parse.results import REPEATABLE, SUMMARIES

PARAMETERS = ("_count", "_since", "_at", "_list", "_cursor", "_format", "_pretty", "_summary", "_elements")


async def history(environment: Environment, request: Request, type: str = "", id: str = "") -> Response:
    """Versions newest first, paged."""
    asked = _asked(request)
    if id:
        id_of(id)
    summary, names = _shape(asked)
    if not request.lenient:
        require_elements(names, (type,) if type else environment.definitions.resource_types, environment.definitions)
    if summary == "count" and not id:
        text = "The history of a type or of the system is not counted, as all of it would be read; ask for pages of it."
        raise error("too-costly", text, location="_summary")
    counted = asked.get("_count", "") if summary != "count" else "0"
    page = await environment.store.history(
        type,
        id,
        since=_moment(asked, "_since")[0] if "_since" in asked else None,
        at=_moment(asked, "_at") if "_at" in asked else None,
        among=await _listed(environment, asked["_list"]) if "_list" in asked else None,
        cursor=asked.get("_cursor", ""),
        count=_count(counted, environment),
    )
    if id and not page.versions and await environment.store.read(type, id) is None:
        raise error("not-found", f"There is no {type}/{id} here.")
    url = "/".join(part for part in (request.base, type, id, "_history") if part)
    links = [bundles.Link("self", _with(url, asked))]
    if page.next:
        links.append(bundles.Link("next", _with(url, {**asked, "_cursor": page.next})))
    shown = page.versions
    if summary or names:
        shown = [
            version
            if version.deleted
            else structs.replace(version, body=subset(version.body, summary, names, environment.definitions))
            for version in shown
        ]
    body = bundles.history(request.base, shown, total=page.total, links=links, renewed=page.renewed)
    return Response(200, body=body, shown=page.versions)


def _asked(request: Request) -> dict[str, str]:
    """The parameters by name; FhirError for one that a history has not, or that is given twice."""
    asked: dict[str, str] = {}
    for name, value in request.query:
        if name not in PARAMETERS:
            if request.lenient:
                continue
            raise error(
                "unsupported-parameter",
                f"history has no parameter '{name}'; it has {', '.join(PARAMETERS[:5])}.",
                location=name,
            )
        if name in asked and name not in REPEATABLE:
            raise error("value", f"{name} is given more than once; give it once.", location=name)
        asked[name] = f"{asked[name]},{value}" if name in asked and name == "_elements" else value
    return asked


def _shape(asked: dict[str, str]) -> tuple[str, tuple[str, ...]]:
    """_summary, "" for all, and the names of _elements."""
    summary = asked.get("_summary", "false")
    if summary not in SUMMARIES:
        raise error("value", f"_summary must be one of {', '.join(SUMMARIES)}.", location="_summary")
    names = element_names(asked["_elements"]) if "_elements" in asked else ()
    return "" if summary == "false" else summary, names


async def _listed(environment: Environment, text: str) -> list[tuple[str, str, str]]:
    """What the items of a List refer to here."""
    id = id_of(text.removeprefix("List/"))
    stored = await environment.store.read("List", id)
    if stored is None or stored.deleted:
        raise error("value", f"_list names List/{id}, which is not here.", location="_list")
    items = [entry.get("item", {}).get("reference", "") for entry in decode(stored.body).get("entry", ())]
    return [(local.type, local.id, local.version) for text in items if (local := parse_reference(text))]


def _with(url: str, asked: dict[str, str]) -> str:
    return f"{url}?{urlencode(asked)}" if asked else url


def _count(text: str, environment: Environment) -> int:
    if not text:
        return environment.settings.default_page_size
    if not (text.isascii() and text.isdigit()) or len(text) > 18:
        raise error("value", f"_count must be a whole number, not '{text[:40]}'.", location="_count")
    return min(int(text), environment.settings.max_page_size)


def _moment(asked: dict[str, str], name: str) -> tuple[int, int]:
    found = date_range(asked[name])
    if found is None:
        raise error(
            "value",
            f"{name} must be a date or time such as 2026-11-24T08:00:00Z, not '{asked[name][:40]}'.",
            location=name,
        )
    return found
