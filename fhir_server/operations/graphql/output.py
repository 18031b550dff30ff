"""The object that a query gives, as fields are put into it one by one."""

from __future__ import annotations

from typing import Any

from graphql import FieldNode, GraphQLError


class Output:
    """Values by name, each with whether it is a list; what flattening puts under one name is collated."""

    def __init__(self) -> None:
        self._values: dict[str, tuple[str, list[Any], bool, FieldNode]] = {}

    def put(
        self, name: str, type: str, values: list[Any], node: FieldNode, *, repeats: bool, empty: bool = False
    ) -> None:
        """Adds values of a FHIR type; GraphQLError where others of another type have the name.

        empty: a list without values is told, too.
        """
        known = self._values.get(name)
        if known is None:
            if values or empty:
                self._values[name] = (type, values, repeats, node)
            return
        if known[0] != type:
            raise GraphQLError(f"'{name}' would be of type {known[0]} and of type {type}; give one an alias.", node)
        known[1].extend(values)

    def finish(self) -> dict[str, Any]:
        """As JSON; GraphQLError where there are several values of what is one."""
        found: dict[str, Any] = {}
        for name, (_, values, repeats, node) in self._values.items():
            if not repeats and len(values) > 1:
                raise GraphQLError(f"'{name}' has {len(values)} values, where one is asked for.", node)
            found[name] = values if repeats else values[0]
        return found
