"""Reading and checking a GraphQL document, before anything is looked up."""

from __future__ import annotations

from typing import Any, NamedTuple

from graphql import (
    DocumentNode,
    FieldNode,
    FieldsOnCorrectTypeRule,
    FragmentDefinitionNode,
    GraphQLError,
    GraphQLSchema,
    OperationDefinitionNode,
    OperationType,
    VariablesInAllowedPositionRule,
    is_interface_type,
    parse,
    specified_rules,
    validate,
)
from graphql.type import GraphQLInterfaceType, GraphQLNonNull
from graphql.utilities import type_from_ast, value_from_ast_untyped

from fhir_server.core.errors import error

MOST_TOKENS = 10_000
DEEPEST = 64  # selections inside one another, fragments aside


class Asked(NamedTuple):
    """An operation of a document, with its fragments by name and the values of its variables."""

    document: DocumentNode
    operation: OperationDefinitionNode
    fragments: dict[str, FragmentDefinitionNode]
    variables: dict[str, Any]


class FieldsOfSomeResource(FieldsOnCorrectTypeRule):
    """Where any resource may stand, each field of some resource may be asked for: those that have none give none."""

    def enter_field(self, node: FieldNode, *others: Any) -> None:
        """Passes what some implementation of an interface has."""
        parent = self.context.get_parent_type()
        if is_interface_type(parent) and _has(self.context.schema, parent, node.name.value):
            return
        super().enter_field(node, *others)


def _has(schema: GraphQLSchema, parent: GraphQLInterfaceType, name: str) -> bool:
    return any(name in made.fields for made in schema.get_implementations(parent).objects)


RULES = [
    FieldsOfSomeResource if rule is FieldsOnCorrectTypeRule else rule
    for rule in specified_rules
    if rule is not VariablesInAllowedPositionRule  # texts stand for codes, dates and ids
]


def read(text: str, schema: GraphQLSchema, name: str | None, variables: dict[str, Any]) -> Asked:
    """The operation of this name, or the only one; GraphQLError for what is no GraphQL or asks what isn't there."""
    try:
        document = parse(text, max_tokens=MOST_TOKENS)
        _measure(document)
        problems = validate(schema, document, RULES, max_errors=20)
    except RecursionError:
        raise _too_deep() from None
    if problems:
        raise problems[0]
    operation = _operation(document, name)
    fragments = {each.name.value: each for each in document.definitions if isinstance(each, FragmentDefinitionNode)}
    return Asked(document, operation, fragments, _variables(operation, schema, variables))


def _measure(document: DocumentNode) -> None:
    waiting: list[tuple[Any, int]] = [(definition, 0) for definition in document.definitions]
    while waiting:
        node, depth = waiting.pop()
        if depth > DEEPEST:
            raise _too_deep()
        selections = getattr(node, "selection_set", None)
        waiting += [(each, depth + 1) for each in selections.selections] if selections is not None else []


def _too_deep() -> Exception:
    return error("too-costly", f"The query is nested deeper than {DEEPEST} selections.")


def _operation(document: DocumentNode, name: str | None) -> OperationDefinitionNode:
    found = [each for each in document.definitions if isinstance(each, OperationDefinitionNode)]
    if name:
        found = [each for each in found if each.name is not None and each.name.value == name]
    if not found:
        raise GraphQLError(f"There is no operation named '{name}' in the query." if name else "There is no operation.")
    if len(found) > 1:
        raise GraphQLError("The query has several operations; say which by operationName.")
    if found[0].operation is not OperationType.QUERY:
        raise GraphQLError("Queries are answered here only; write by create, update and delete.", found[0])
    return found[0]


def _variables(operation: OperationDefinitionNode, schema: GraphQLSchema, given: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for definition in operation.variable_definitions or ():
        name = definition.variable.name.value
        if name in given:
            found[name] = given[name]
        elif definition.default_value is not None:
            found[name] = value_from_ast_untyped(definition.default_value)
        if found.get(name) is None and isinstance(type_from_ast(schema, definition.type), GraphQLNonNull):
            raise GraphQLError(f"The variable ${name} must be given.", definition)
    return found
