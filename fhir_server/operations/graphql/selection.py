"""What a query selects of a type: fields with their arguments, fragments, and the directives skip and include."""

from __future__ import annotations

from typing import Any

from graphql import DirectiveNode, FieldNode, FragmentSpreadNode, GraphQLError, SelectionSetNode
from graphql.utilities import value_from_ast_untyped

from fhir_server.core.errors import error
from fhir_server.definitions import Definitions
from fhir_server.operations.graphql.document import Asked
from fhir_server.operations.graphql.schema import type_name

MOST_FIELDS = 200_000  # looked at for one answer

Selections = list[SelectionSetNode]


class Selection:
    """Reads the selections of one query, once for each object; FhirError "too-costly" for very many."""

    def __init__(self, asked: Asked, definitions: Definitions) -> None:
        self._asked = asked
        self._definitions = definitions
        self._looked_at = 0

    def fields(self, type: str, selections: Selections) -> dict[str, list[FieldNode]]:
        """The fields that are selected of a type, by the names that they are to have, those of fragments included."""
        found: dict[str, list[FieldNode]] = {}
        spread: set[str] = set()
        waiting: list[Any] = [node for each in reversed(selections) for node in reversed(each.selections)]
        while waiting:
            node = waiting.pop()
            self._looked_at += 1
            if not self._included(node):
                continue
            if isinstance(node, FieldNode):
                found.setdefault(node.alias.value if node.alias else node.name.value, []).append(node)
                continue
            if isinstance(node, FragmentSpreadNode):
                if node.name.value in spread:
                    continue
                spread.add(node.name.value)
                node = self._asked.fragments[node.name.value]
            condition = node.type_condition
            if condition is None or self._is(type, condition.name.value):
                waiting += reversed(node.selection_set.selections)
        if self._looked_at > MOST_FIELDS:
            raise error("too-costly", f"The answer would have more than {MOST_FIELDS} fields.")
        return found

    def arguments(self, node: FieldNode | DirectiveNode) -> dict[str, Any]:
        """The arguments of a field or a directive that have a value, be it by a variable."""
        variables = self._asked.variables
        found = {each.name.value: value_from_ast_untyped(each.value, variables) for each in node.arguments or ()}
        return {name: value for name, value in found.items() if value is not None}

    def whole(self, node: FieldNode, value: Any) -> int | None:
        """An argument that is a whole number, not negative, or None; variables may have brought anything."""
        if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 0):
            raise GraphQLError(f"{node.name.value} takes whole numbers from 0 on as _count and _offset.", node)
        return value

    def _is(self, type: str, condition: str) -> bool:
        return condition == type_name(type) or (condition == "Resource" and self._definitions.is_resource(type))

    def _included(self, node: Any) -> bool:
        for directive in node.directives or ():
            name = directive.name.value
            if name in ("skip", "include") and bool(self.arguments(directive).get("if")) != (name == "include"):
                return False
        return True


def below(nodes: list[FieldNode]) -> Selections:
    """What is selected of the values of fields with one name."""
    return [node.selection_set for node in nodes if node.selection_set is not None]


def has(node: FieldNode, directive: str) -> bool:
    """Whether a field has a directive."""
    return any(each.name.value == directive for each in node.directives or ())


def text_of(value: Any) -> str:
    """A primitive value as FHIR writes it."""
    return str(value).lower() if isinstance(value, bool) else str(value)
