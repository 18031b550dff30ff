"""The checks of a write, by the setting `validation`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fhir_server.core.errors import Issue
from fhir_server.definitions import Definitions
from profiles.validator import Validator


class Unchecked:
    """Takes every write that names a resource type; $validate still tells all."""

    def __init__(self, validator: Validator) -> None:
        self._validator = validator

    def check(self, resource: dict[str, Any]) -> list[Issue]:
        """Only that it is a resource."""
        type = resource.get("resourceType")
        if isinstance(type, str) and self._validator.definitions.is_resource(type):
            return []
        return [Issue("error", "structure", f"resourceType is {type!r}; it must be a type of R4.", "resourceType")]

    def validate(self, resource: dict[str, Any], profiles: Sequence[str] = ()) -> list[Issue]:
        """All the issues."""
        return self._validator.validate(resource, profiles)


def checker_for(validation: str, definitions: Definitions) -> Validator | Unchecked:
    """The validator that writes pass: "base", or "none" for what can be stored at all."""
    validator = Validator(definitions)
    return Unchecked(validator) if validation == "none" else validator
