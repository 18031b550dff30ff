"""Whether a resource is right, and what to change where it is not (https://hl7.org/fhir/R4/validation.html)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fhir_server.core.errors import Issue
from fhir_server.definitions import Definitions
from profiles.structure import StructureCompiler
from profiles.structure.problems import ENOUGH

TOO_DEEP = Issue("error", "too-costly", "The resource is nested too deeply to be checked: flatten it.", rule="depth")


class Validator:
    """Checks resources against R4's definitions. Checks are compiled on first use; share one Validator in a process."""

    def __init__(self, definitions: Definitions, best_practice: bool = False) -> None:
        """best_practice: whether invariants that R4 only recommends (dom-6, con-3) are reported, as warnings."""
        self.definitions = definitions
        self._structure = StructureCompiler(definitions, best_practice)
        self._check = self._structure.check("Resource")

    def check(self, resource: dict[str, Any]) -> list[Issue]:
        """The issues by R4's definitions alone, structure and invariants; [] when fine. Only errors are a refusal."""
        try:
            found = self._check(resource)
        except RecursionError:
            return [TOO_DEEP]
        if found is None:
            return []
        root = resource.get("resourceType") if isinstance(resource, dict) else None
        known = isinstance(root, str) and self.definitions.is_resource(root)
        if len(found) > ENOUGH:  # an error is never hidden by warnings
            found.sort(key=lambda each: each.severity != "error")
        issues = [each.issue(str(root) if known else "Resource") for each in found[:ENOUGH]]
        if len(found) > ENOUGH:
            text = "There are more issues than these: put these right first."
            issues.append(Issue("information", "informational", text, rule="more"))
        return issues

    def validate(self, resource: dict[str, Any], profiles: Sequence[str] = ()) -> list[Issue]:
        """All the issues of a resource; [] when fine. profiles: canonical URLs that it is checked against as well."""
        issues = self.check(resource)
        issues.extend(
            Issue(
                "error",
                "not-found",
                f"The profile {url} is not known here: install its package.",
                rule="profile",
                profile=url,
            )
            for url in profiles
        )
        return issues
