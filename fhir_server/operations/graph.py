"""$graph: a resource with what a GraphDefinition says belongs to it.

https://hl7.org/fhir/R4/resource-operation-graph.html and https://hl7.org/fhir/R4/graphdefinition.html
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

from fhir_server.codec import bundles
from fhir_server.codec.json import decode
from fhir_server.codec.references import parse_reference
from fhir_server.core.errors import error
from fhir_server.core.keys import ResourceKey, StoredVersion
from fhir_server.fhirpath import compile_path
from fhir_server.interactions.environment import Environment
from fhir_server.interactions.operation import Call, OperationHandler
from fhir_server.interactions.read import current, referenced
from fhir_server.interactions.request import Request, Response

LIMIT = 5000  # resources in one graph


class Reached(NamedTuple):
    """What was found so far, and which targets of the definition were followed from which resources: one that is
    found twice may have other links at the second place."""

    found: dict[ResourceKey, StoredVersion]
    followed: set[tuple[int, ResourceKey]]


async def graph(environment: Environment, call: Call) -> Response:
    """A searchset-like collection: the start first, then everything that the links reach."""
    definition = await _definition(environment, call)
    start = await current(environment, call.request, call.type, call.id)
    found = await _reached(environment, call, definition, start)
    return Response(200, body=bundles.collection("collection", call.request.base, found))


async def of_graph(environment: Environment, call: Call, start: StoredVersion) -> Collection[StoredVersion]:
    """The start first, then everything that the links of the parameter graph's GraphDefinition reach."""
    return await _reached(environment, call, await _definition(environment, call), start)


async def _reached(
    environment: Environment, call: Call, definition: dict[str, Any], start: StoredVersion
) -> Collection[StoredVersion]:
    if definition.get("start") not in (start.type, "Resource", None):
        raise error("invalid", f"The graph starts at {definition['start']}, not at {start.type}.", location="graph")
    reached = Reached({start.key: start}, set())
    await _follow(environment, call, definition.get("link", []), start, reached)
    return reached.found.values()


async def _definition(environment: Environment, call: Call) -> dict[str, Any]:
    url = call.parameters.one("graph")
    if not url or not isinstance(url, str):
        raise error("required", "The parameter 'graph' must be the URL of a GraphDefinition.", location="graph")
    local = parse_reference(url, call.request.base)
    if local is not None and local.type == "GraphDefinition":
        return decode((await current(environment, call.request, local.type, local.id)).body)
    canonical, _, version = url.partition("|")
    query = [("url", canonical), *([("version", version)] if version else []), ("_sort", "-_lastUpdated")]
    asked = Request("GET", ("GraphDefinition",), query, base=call.request.base, caller=call.request.caller)
    page = await environment.index.search(await environment.searching.query("GraphDefinition", asked))
    if not page.matches:
        raise error("not-found", f"No GraphDefinition with the URL {url[:200]} is stored here.", location="graph")
    return decode(page.matches[0].body)


async def _follow(
    environment: Environment,
    call: Call,
    links: list[dict[str, Any]],
    source: StoredVersion,
    reached: Reached,
) -> None:
    for link in links:
        for target in link.get("target", ()):
            if "path" in link:
                versions = await _by_path(environment, call, link["path"], source, target["type"])
            else:
                versions = await _by_search(environment, call, target, source)
            for version in versions:
                if len(reached.found) >= LIMIT:
                    raise error("too-costly", f"The graph would have more than {LIMIT} resources.")
                reached.found.setdefault(version.key, version)
                if (id(target), version.key) not in reached.followed:
                    reached.followed.add((id(target), version.key))
                    await _follow(environment, call, target.get("link", []), version, reached)


async def _by_path(
    environment: Environment, call: Call, path: str, source: StoredVersion, type: str
) -> list[StoredVersion]:
    reached = []
    for name, value in compile_path(path, environment.definitions, source.type).values(decode(source.body)):
        text = value.get("reference") if name == "Reference" else value if name in ("uri", "canonical") else None
        local = parse_reference(text, call.request.base) if text else None
        if local is None or type not in (local.type, "Resource"):
            continue
        version = await referenced(environment, local)
        if version is not None:
            reached.append(version)
    return reached


async def _by_search(
    environment: Environment, call: Call, target: dict[str, Any], source: StoredVersion
) -> list[StoredVersion]:
    """target.params, a search in which {ref} stands for the source."""
    text = target.get("params", "").replace("{ref}", f"{source.type}/{source.id}")
    if not text:
        raise error("invalid", "A link of the graph has neither a path nor params.", location="graph")
    query = [*parse_qsl(text, keep_blank_values=True), ("_count", str(environment.settings.max_page_size))]
    asked = Request("GET", (target["type"],), query, base=call.request.base, caller=call.request.caller)
    page = await environment.index.search(await environment.searching.query(target["type"], asked))
    if page.next:
        raise error("too-costly", f"A link of the graph reaches more than {len(page.matches)} {target['type']}.")
    return page.matches


HANDLERS = (OperationHandler("graph", graph, instance=True),)
