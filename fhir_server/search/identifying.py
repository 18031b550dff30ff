"""Which fields identify: those of identifiers and of uris, by the official search parameters."""

from __future__ import annotations

import functools

from fhir_server.definitions import Definitions
from fhir_server.search.elements import types_at
from fhir_server.search.fields import Fields


class Identifying:
    """Tells it of a field of a resource type; custom parameters, which come and go, have none."""

    def __init__(self, definitions: Definitions) -> None:
        self._definitions = definitions.official
        self._fields = Fields(self._definitions)
        self._of = functools.cache(self._find)

    def __call__(self, type: str, field: str) -> bool:
        """Whether values of the field are identifiers or uris."""
        return field in self._of(type)

    def _find(self, type: str) -> frozenset[str]:
        if not self._definitions.is_resource(type):
            return frozenset()
        return frozenset(
            name
            for name, field in self._fields.of(type).fields.items()
            if field.kind == "uri" or (field.kind == "token" and self._identifiers(type, field.paths))
        )

    def _identifiers(self, type: str, paths: tuple[str, ...]) -> bool:
        return all(types_at(self._definitions, type, path.partition(".")[2]) == {"Identifier"} for path in paths)
