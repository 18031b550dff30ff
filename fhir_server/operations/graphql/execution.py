"""Answering a GraphQL query from what is stored, as the caller may see it (https://hl7.org/fhir/R4/graphql.html)."""

from __future__ import annotations

import asyncio
from typing import Any, NamedTuple

from graphql import FieldNode, GraphQLError, GraphQLSchema

from fhir_server.codec.json import decode
from fhir_server.codec.references import parse_reference
from fhir_server.core.errors import error
from fhir_server.core.keys import StoredVersion
from fhir_server.core.pace import Pace
from fhir_server.fhirpath import compile_path
from fhir_server.interactions.environment import Environment
from fhir_server.interactions.read import current, referenced
from fhir_server.interactions.request import Request
from fhir_server.interactions.required import require
from fhir_server.operations.graphql.document import Asked
from fhir_server.operations.graphql.introspection import introspected
from fhir_server.operations.graphql.output import Output
from fhir_server.operations.graphql.schema import CONNECTION, QUERY, search_of, type_name
from fhir_server.operations.graphql.searches import Found, Searches
from fhir_server.operations.graphql.selection import Selection, Selections, below, has, text_of

MOST_RESOURCES = 5000  # read for one answer

Json = dict[str, Any]


class Place(NamedTuple):
    """Where an element is: the resource, with what it contains, and its version; None inside another or of a query."""

    resource: Json
    version: StoredVersion | None


class Flat(NamedTuple):
    """What flattening has made of the names around: lists, with a suffix."""

    lists: bool = False
    suffix: str = ""

    def collates(self, node: FieldNode) -> bool:
        """Whether a single value is one of a list."""
        return self.lists and not has(node, "singleton")


class Execution:
    """One query; shown: the stored versions that its answer tells of."""

    def __init__(self, environment: Environment, request: Request, asked: Asked, schema: GraphQLSchema) -> None:
        self.shown: list[StoredVersion] = []
        self._environment = environment
        self._definitions = environment.searching.definitions
        self._request = request
        self._asked = asked
        self._selection = Selection(asked, self._definitions)
        self._schema = schema
        self._searches = Searches(environment, request)
        self._pace = Pace()

    async def run(self, version: StoredVersion | None) -> Json:
        """The data of a query at a resource, or with None at the system."""
        selections = [self._asked.operation.selection_set]
        if version is not None:
            return await self._resource(version, selections)
        return await self._object(QUERY, {}, selections, Place({}, None))

    # ------------------------------------------------------------------ resources
    async def _resource(self, version: StoredVersion, selections: Selections) -> Json:
        self.shown.append(version)
        if len(self.shown) > MOST_RESOURCES:
            raise error("too-costly", f"The answer would take more than {MOST_RESOURCES} resources.")
        resource = decode(version.body)
        return await self._object(version.type, resource, selections, Place(resource, version))

    async def _read(self, node: FieldNode, selections: Selections) -> Json:
        arguments = self._selection.arguments(node)
        type, id = node.name.value, arguments.get("id", arguments.get("_id"))
        if not isinstance(id, str | int) or isinstance(id, bool):
            raise GraphQLError(f"{type} needs an id: {type}(id: …); to search, ask for {type}List.", node)
        require(self._request.caller, "r", type)
        return await self._resource(await current(self._environment, self._request, type, str(id)), selections)

    async def _referenced(self, reference: Json, node: FieldNode, place: Place, inner: Selections) -> tuple[str, Json]:
        """The type and the object of what a Reference names; ("", {}) where it is left out."""
        arguments = self._selection.arguments(node)
        wanted = arguments.get("type")
        types = wanted if isinstance(wanted, list) else [wanted] if wanted else []
        text = str(reference.get("reference", ""))
        if text.startswith("#"):
            for contained in place.resource.get("contained", ()):
                type = contained.get("resourceType", "")
                if contained.get("id") == text[1:] and (not types or type in types):
                    return type, await self._object(type, contained, inner, Place(place.resource, None))
        local = parse_reference(text, self._request.base)
        if local is not None and types and local.type not in types:
            return "", {}
        version = None
        if local is not None and self._definitions.is_resource(local.type):
            version = await referenced(self._environment, local)
        if version is not None:
            return version.type, await self._resource(version, inner)
        if arguments.get("optional") or (types and local is None):
            return "", {}
        raise error(
            "not-found",
            f"The reference {text[:200] or 'without a reference'} can't be resolved here; "
            "ask for resource(optional: true) where that may be so.",
        )

    async def _search(self, out: Output, key: str, nodes: list[FieldNode], place: Place | None, flat: Flat) -> None:
        node, inner = nodes[0], below(nodes)
        type, kind = search_of(node.name.value, self._definitions) or ("", "")
        about = place.version if place is not None else None
        if place is not None and about is None:
            raise GraphQLError("What is contained in a resource is referred to by nothing else.", node)
        arguments = self._selection.arguments(node)
        condition = arguments.get("fhirpath")
        if kind == CONNECTION:
            fields = self._selection.fields(f"{type}{CONNECTION}", inner)
            counted = any(each[0].name.value in ("count", "last") for each in fields.values())
            found = await self._searches.page(type, arguments, about, counted=counted)
            page = Output()
            for name, asked in fields.items():
                await self._of_page(page, name, asked, type, found, condition)
            out.put(key + flat.suffix, f"{type}{CONNECTION}", [page.finish()], node, repeats=flat.collates(node))
            return
        versions = await self._searches.listed(type, arguments, about)
        versions = await self._holding(condition, type, versions)
        if has(node, "first"):
            versions = versions[:1]
        if has(node, "flatten"):
            for number, version in enumerate(versions):
                self.shown.append(version)
                resource = decode(version.body)
                suffix = flat.suffix + self._slice(node, type, resource, number)
                await self._fill(out, type, resource, inner, Place(resource, version), Flat(True, suffix))
            return
        values = [await self._resource(version, inner) for version in versions]
        singleton = has(node, "singleton")
        out.put(key + flat.suffix, type, values, node, repeats=not singleton, empty=not singleton)

    async def _of_page(
        self, out: Output, key: str, nodes: list[FieldNode], type: str, found: Found, condition: Any
    ) -> None:
        node = nodes[0]
        name = node.name.value
        if name != "edges":
            value = found.counts().get(name, found.cursors().get(name))
            out.put(key, name, [] if value is None else [value], node, repeats=False)
            return
        edges = []
        for version in await self._holding(condition, type, found.page.matches):
            edge = Output()
            for own, asked in self._selection.fields(f"{type}Edge", below(nodes)).items():
                if asked[0].name.value == "mode":
                    edge.put(own, "code", ["match"], asked[0], repeats=False)
                elif asked[0].name.value == "resource":
                    edge.put(own, type, [await self._resource(version, below(asked))], asked[0], repeats=False)
            edges.append(edge.finish())
        out.put(key, "edge", edges, node, repeats=True)

    async def _holding(self, condition: Any, type: str, versions: list[StoredVersion]) -> list[StoredVersion]:
        if not condition:
            return versions
        resources = [decode(version.body) for version in versions]
        holds = await asyncio.to_thread(self._true_of, str(condition), type, resources, None)
        return [version for version, held in zip(versions, holds, strict=True) if held]

    def _true_of(self, condition: str, type: str, items: list[Any], root: Json | None) -> list[bool]:
        path = compile_path(condition, self._definitions, type, strict=True)
        return [path.is_true(item, root or item) for item in items]

    # ------------------------------------------------------------------ elements
    async def _object(self, type: str, value: Json, selections: Selections, place: Place) -> Json:
        await self._pace()
        out = Output()
        await self._fill(out, type, value, selections, place, Flat())
        return out.finish()

    async def _fill(
        self, out: Output, type: str, value: Json, selections: Selections, place: Place, flat: Flat
    ) -> None:
        """Puts what is selected of a value of a type, under names with the suffixes that slices have given."""
        for key, nodes in self._selection.fields(type, selections).items():
            node, name = nodes[0], nodes[0].name.value
            if name in ("__schema", "__type"):
                out.put(key, name, [await asyncio.to_thread(self._introspected, key)], node, repeats=False)
            elif name == "__typename":
                out.put(key + flat.suffix, "", [type_name(type)], node, repeats=flat.collates(node))
            elif name == "resourceType":
                out.put(key + flat.suffix, "code", [type], node, repeats=flat.collates(node))
            elif search_of(name, self._definitions):
                await self._search(out, key, nodes, None if type == QUERY else place, flat)
            elif type == QUERY:
                out.put(key, name, [await self._read(node, below(nodes))], node, repeats=False)
            elif type == "Reference" and name == "resource":
                found, resource = await self._referenced(value, node, place, below(nodes))
                out.put(key + flat.suffix, found, [resource] if found else [], node, repeats=flat.collates(node))
            else:
                await self._element(out, key, nodes, type, value, place, flat)

    async def _element(
        self, out: Output, key: str, nodes: list[FieldNode], type: str, value: Json, place: Place, flat: Flat
    ) -> None:
        node, name = nodes[0], nodes[0].name.value
        property = self._definitions.properties(type).get(name.removeprefix("_"))
        if property is None:  # of another resource that may stand here
            return
        repeats = property.element.repeats
        twin = name.startswith("_") and property.primitive
        code = "Element" if twin else property.type.code
        values = value.get(name, [])
        values = values if isinstance(values, list) else [values]
        if node.selection_set is not None:
            values = await self._filtered(node, code, values, place)
        if has(node, "first"):
            values = values[:1]
        if node.selection_set is None:
            if flat.lists:
                values = [each for each in values if each is not None]
            out.put(
                key + flat.suffix, code, values, node, repeats=(repeats or flat.lists) and not has(node, "singleton")
            )
            return
        inner = below(nodes)
        for number, each in enumerate(values):
            own = each.get("resourceType", code) if code == "Resource" and isinstance(each, dict) else code
            inside = place
            if code == "Resource":
                inside = Place(place.resource if name == "contained" else each, None)
            sliced = flat.suffix + (self._slice(node, own, each, number) if each is not None else "")
            if has(node, "flatten"):
                if each is not None:
                    await self._fill(out, own, each, inner, inside, Flat(flat.lists or repeats, sliced))
                continue
            made = None if each is None else await self._object(own, each, inner, inside)
            collated = (repeats or flat.lists) and not has(node, "singleton")
            out.put(key + sliced, code, [made], node, repeats=collated)

    async def _filtered(self, node: FieldNode, code: str, values: list[Any], place: Place) -> list[Any]:
        arguments = self._selection.arguments(node)
        if not arguments:
            return values
        condition = arguments.pop("fhirpath", None)
        offset, count = (self._selection.whole(node, arguments.pop(name, None)) for name in ("_offset", "_count"))
        for name, wanted in arguments.items():
            values = [each for each in values if each is not None and text_of(each.get(name)) == text_of(wanted)]
        if condition:
            present = [each for each in values if each is not None]
            holds = await asyncio.to_thread(self._true_of, str(condition), code, present, place.resource)
            values = [each for each, held in zip(present, holds, strict=True) if held]
        values = values[offset or 0 :]
        return values if count is None else values[:count]

    def _slice(self, node: FieldNode, type: str, value: Any, number: int) -> str:
        directive = next((each for each in node.directives or () if each.name.value == "slice"), None)
        if directive is None:
            return ""
        path = str(self._selection.arguments(directive).get("path"))
        if path.strip() == "$index":
            return f".{number}"
        found = compile_path(path, self._definitions, type, strict=True).values(value)
        return f".{text_of(found[0][1])}" if found else ""

    def _introspected(self, key: str) -> Any:
        name = self._asked.operation.name
        asked = self._asked
        return introspected(self._schema, asked.document, name.value if name else None, asked.variables, key)
