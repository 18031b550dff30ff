"""The GraphQL schema of R4, made from the definitions (https://hl7.org/fhir/R4/graphql.html).

A type for each resource, data type and backbone element ("PatientContact"), with the JSON names of its elements;
`_name` beside a primitive holds its extensions. Resources have, beside their elements, a List and a Connection for each
type whose search parameters may refer to them.
"""

from __future__ import annotations

import re
import threading
from functools import lru_cache
from typing import Any

from graphql import (
    GraphQLArgument,
    GraphQLBoolean,
    GraphQLDirective,
    GraphQLField,
    GraphQLFloat,
    GraphQLID,
    GraphQLInt,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLSchema,
    GraphQLString,
    ValueNode,
    specified_directives,
)
from graphql.language import DirectiveLocation
from graphql.utilities import value_from_ast_untyped

from fhir_server.definitions import Definitions, SearchParameter
from fhir_server.definitions.tables import Property

QUERY = "Query"
LIST, CONNECTION = "List", "Connection"
SCHEMAS = 8  # kept, one for each type that was asked at an instance
NOT_SEARCHED = frozenset({"_include", "_revinclude", "_contained", "_containedType", "_query"})
_MAKING = threading.Lock()  # schemas have their types in common, and two of one name are none
_NAME = re.compile(r"[_A-Za-z][_0-9A-Za-z]*\Z")
_SPECIFIED = {
    "boolean": GraphQLBoolean,
    "string": GraphQLString,
    "integer": GraphQLInt,
    "decimal": GraphQLFloat,
    "id": GraphQLID,
}


def _literal(node: ValueNode, variables: dict[str, Any] | None = None) -> Any:
    return value_from_ast_untyped(node, variables)


def _value(value: Any) -> Any:
    return value


Text = GraphQLScalarType(
    "Text",
    description="A text, a number, true, false, or a code as it is: official.",
    parse_value=_value,
    parse_literal=_literal,
)
DIRECTIVES = (
    GraphQLDirective(
        "flatten", [DirectiveLocation.FIELD], description="Its children stand in its place; of a list each is a list."
    ),
    GraphQLDirective("first", [DirectiveLocation.FIELD], description="Only the first of a list."),
    GraphQLDirective(
        "singleton", [DirectiveLocation.FIELD], description="One value where flattening made a list; more are an error."
    ),
    GraphQLDirective(
        "slice",
        [DirectiveLocation.FIELD],
        {"path": GraphQLArgument(GraphQLNonNull(GraphQLString))},
        description="What the FHIRPath gives of each, or $index, is put behind its name.",
    ),
)


def type_name(name: str) -> str:
    """The GraphQL name of a type of the definitions: PatientContact of Patient.contact."""
    return "".join(part[0].upper() + part[1:] for part in name.split(".")) if "." in name else name


def argument_name(code: str) -> str:
    """The name of a search parameter as an argument: clinical_status of clinical-status."""
    return code.replace("-", "_")


def search_parameters(definitions: Definitions, type: str) -> dict[str, SearchParameter]:
    """The search parameters of a type by their names as arguments."""
    return {
        argument_name(code): found
        for code, found in definitions.search_parameters(type).items()
        if code not in NOT_SEARCHED and _NAME.match(argument_name(code))
    }


def search_of(name: str, definitions: Definitions) -> tuple[str, str] | None:
    """(type, LIST or CONNECTION) that a field's name asks for; None for any other name."""
    for kind in (LIST, CONNECTION):
        type = name.removesuffix(kind)
        if type != name and definitions.is_resource(type):
            return type, kind
    return None


def refers(parameter: SearchParameter, type: str) -> bool:
    """Whether a search parameter's references may name a resource of a type."""
    return parameter.type == "reference" and (type in parameter.targets or "Resource" in parameter.targets)


def schema_of(definitions: Definitions, root: str = QUERY) -> GraphQLSchema:
    """The schema whose queries begin at the system, or at a resource of a type; for threads, one of which makes it."""
    with _MAKING:
        return _types(definitions).schema(root)


@lru_cache(maxsize=1)
def _types(definitions: Definitions) -> _Types:
    return _Types(definitions)


class _Types:
    """The types of the schemas by the definitions in force, each made when it is first named."""

    def __init__(self, definitions: Definitions) -> None:
        self._definitions = definitions
        self._schemas: dict[str, GraphQLSchema] = {}
        self._scalars: dict[str, GraphQLScalarType] = {**_SPECIFIED}
        self._objects: dict[str, GraphQLObjectType] = {}
        self._filters: dict[str, dict[str, GraphQLArgument]] = {}
        self._searches: dict[str, tuple[GraphQLField, GraphQLField]] = {}
        self._resource = GraphQLInterfaceType("Resource", self._of_any)
        self._referring = {
            target: [
                type
                for type in definitions.resource_types
                if any(refers(found, target) for found in definitions.search_parameters(type).values())
            ]
            for target in definitions.resource_types
        }

    def schema(self, root: str) -> GraphQLSchema:
        found = self._schemas.get(root)
        if found is None:
            if len(self._schemas) >= SCHEMAS:
                self._schemas.clear()
            found = self._schemas[root] = self._made(root)
        return found

    def _made(self, root: str) -> GraphQLSchema:
        query = GraphQLObjectType(QUERY, self._queries) if root == QUERY else self._object(root)
        every = [self._object(type) for type in self._definitions.resource_types]
        return GraphQLSchema(query, types=every, directives=(*specified_directives, *DIRECTIVES), assume_valid=True)

    def _queries(self) -> dict[str, GraphQLField]:
        found: dict[str, GraphQLField] = {}
        for type in self._definitions.resource_types:
            by_id = {name: GraphQLArgument(Text) for name in ("id", "_id")}
            found[type] = GraphQLField(self._object(type), by_id)
            for kind, field in zip((LIST, CONNECTION), self._search(type), strict=True):
                more = {name: GraphQLArgument(Text) for name in ("_cursor", "cursor")} if kind == CONNECTION else {}
                found[type + kind] = GraphQLField(field.type, {**field.args, **more})
        return found

    def _object(self, name: str) -> GraphQLObjectType:
        found = self._objects.get(name)
        if found is None:
            interfaces = [self._resource] if self._definitions.is_resource(name) else []
            found = GraphQLObjectType(type_name(name), lambda: self._fields(name), interfaces)
            self._objects[name] = found
        return found

    def _fields(self, name: str) -> dict[str, GraphQLField]:
        definition = self._definitions.types[name]
        found: dict[str, GraphQLField] = {}
        for key, property in self._definitions.properties(name).items():
            found[key] = self._field(property)
            if property.primitive and key != "id":
                twin = self._object("Element")
                found[f"_{key}"] = GraphQLField(GraphQLList(twin) if property.element.repeats else twin)
        if name == "Reference":
            asked = {"optional": GraphQLArgument(GraphQLBoolean), "type": GraphQLArgument(Text)}
            found["resource"] = GraphQLField(self._resource, asked)
        if definition.kind == "resource":
            found["resourceType"] = GraphQLField(GraphQLString)
            for type in self._referring.get(name, ()):
                for kind, field in zip((LIST, CONNECTION), self._search(type), strict=True):
                    found[type + kind] = field
        return found

    def _field(self, property: Property) -> GraphQLField:
        element, code = property.element, property.type.code
        if property.primitive or code not in self._definitions.types:
            scalar = self._scalar(code)
            return GraphQLField(GraphQLList(scalar) if element.repeats else scalar, description=element.short)
        made = self._resource if code == "Resource" else self._object(code)
        if not element.repeats:
            return GraphQLField(made, description=element.short)
        return GraphQLField(GraphQLList(made), self._filters_of(code), description=element.short)

    def _filters_of(self, code: str) -> dict[str, GraphQLArgument]:
        """What a list of a data type is filtered by."""
        found = self._filters.get(code)
        if found is None:
            found = self._filters[code] = {"fhirpath": GraphQLArgument(GraphQLString)}
            found |= {name: GraphQLArgument(GraphQLInt) for name in ("_count", "_offset")}
            found |= {
                key: GraphQLArgument(Text)
                for key, child in self._definitions.properties(code).items()
                if child.primitive and not child.element.repeats
            }
        return found

    def _scalar(self, code: str) -> GraphQLScalarType:
        found = self._scalars.get(code)
        if found is None:
            found = self._scalars[code] = GraphQLScalarType(code.rpartition(".")[2].replace("/", "_"))
        return found

    def _search(self, type: str) -> tuple[GraphQLField, GraphQLField]:
        """The fields that search a type: of a List and of a Connection."""
        found = self._searches.get(type)
        if found is None:
            arguments = {name: GraphQLArgument(GraphQLList(Text)) for name in self._parameter_names(type)}
            arguments |= {"_reference": GraphQLArgument(Text), "fhirpath": GraphQLArgument(GraphQLString)}
            arguments |= {"_count": GraphQLArgument(GraphQLInt)}
            made = self._object(type)
            edge = GraphQLObjectType(
                f"{type}Edge",
                {
                    "mode": GraphQLField(self._scalar("code")),
                    "score": GraphQLField(GraphQLFloat),
                    "resource": GraphQLField(made),
                },
            )
            connection = GraphQLObjectType(
                f"{type}{CONNECTION}",
                {name: GraphQLField(GraphQLInt) for name in ("count", "offset", "pagesize")}
                | {"edges": GraphQLField(GraphQLList(edge))}
                | {name: GraphQLField(GraphQLID) for name in ("first", "previous", "next", "last")},
            )
            found = GraphQLField(GraphQLList(made), arguments), GraphQLField(connection, arguments)
            self._searches[type] = found
        return found

    def _parameter_names(self, type: str) -> list[str]:
        return [*search_parameters(self._definitions, type), "_filter", "_sort"]

    def _of_any(self) -> dict[str, GraphQLField]:
        properties = self._definitions.properties("Resource")
        found = {key: self._field(property) for key, property in properties.items()}
        return {**found, "resourceType": GraphQLField(GraphQLString)}
