"""What a query asks of the schema itself (https://spec.graphql.org/October2021/#sec-Introspection).

The same few hundred searches, with all their arguments, stand in most resources: what is selected of a field, an
argument or a type is looked at once for each place in the query, and the answer has it wherever it stands.
"""

from __future__ import annotations

from typing import Any

from graphql import DocumentNode, GraphQLSchema
from graphql.execution import Executor, execute_sync


def introspected(schema: GraphQLSchema, document: DocumentNode, operation: str | None, variables: Any, key: str) -> Any:
    """What a query of this document asks of the schema under a key of its answer; GraphQLError for what it can't."""
    answer = execute_sync(
        schema, document, variable_values=variables, operation_name=operation, executor_class=_Remembering
    )
    if answer.errors:
        raise answer.errors[0]
    return (answer.data or {}).get(key)


class _Remembering(Executor[Any]):
    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._known: dict[tuple[Any, ...], Any] = {}

    def complete_object_value(
        self, return_type: Any, field_details_list: Any, info: Any, path: Any, result: Any, position_context: Any
    ) -> Any:
        name, thing = (
            result if isinstance(result, tuple) else ("", result)
        )  # fields and arguments come with their names
        key = (name, id(thing), *[id(details.node) for details in field_details_list])
        if key not in self._known:
            self._known[key] = super().complete_object_value(
                return_type, field_details_list, info, path, result, position_context
            )
        return self._known[key]
