"""The checks of a write, by the settings: what is checked, and what follows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from fhir_server.core.errors import Issue
from fhir_server.definitions import Definitions
from fhir_server.fhirpath import Terminology
from profiles.holdings import declared
from profiles.snapshot.registry import Source
from profiles.validator import Validator

Json = dict[str, Any]


class Unchecked:
    """Takes every write that names a resource type; $validate still tells all."""

    def __init__(self, validator: Validator) -> None:
        self._validator = validator

    def check(self, resource: Json) -> list[Issue]:
        """Only that it is a resource."""
        type = resource.get("resourceType")
        if isinstance(type, str) and self._validator.definitions.is_resource(type):
            return []
        return [Issue("error", "structure", f"resourceType is {type!r}; it must be a type of R4.", "resourceType")]

    def validate(self, resource: Json, profiles: Sequence[str] = ()) -> list[Issue]:
        """All the issues."""
        return self._validator.validate(resource, profiles)


class ProfileChecked:
    """Checks every write against R4 and against profiles.

    declared: whether those of meta.profile count; required: canonical URLs, each for all resources of its type;
    refuse: whether a broken profile refuses the write, else its errors become warnings.
    """

    def __init__(self, validator: Validator, declared: bool, required: Sequence[str], refuse: bool) -> None:
        self._validator = validator
        self._declared = declared
        self._required = tuple(required)
        self._refuse = refuse

    def check(self, resource: Json) -> list[Issue]:
        """The issues by R4, and where those have no error, by the profiles."""
        issues = self._validator.check(resource)
        if any(issue.severity == "error" for issue in issues):
            return issues
        profiles, unknown = self._profiles_of(str(resource["resourceType"]))
        issues += unknown
        if profiles or (
            self._declared and (declared(resource) or resource["resourceType"] in ("Bundle", "Parameters"))
        ):
            issues += self._judged(self._validator.conformance(resource, profiles, declared=self._declared))
        return issues

    def validate(self, resource: Json, profiles: Sequence[str] = ()) -> list[Issue]:
        """All the issues, by the profiles that are required too."""
        required, unknown = self._profiles_of(str(resource.get("resourceType", "")))
        return self._validator.validate(resource, tuple(dict.fromkeys((*profiles, *required)))) + unknown

    def _profiles_of(self, type_name: str) -> tuple[list[str], list[Issue]]:
        """The required profiles for a type, and a warning for each that is not installed."""
        registry = self._validator.registry if self._required else None
        profiles, unknown = [], []
        for url in self._required:
            constrained = registry.type_of(url) if registry else None
            if constrained is None:
                text = f"The required profile {url} is not known here, so nothing is checked against it."
                unknown.append(Issue("warning", "not-found", text, rule="profile-unknown", profile=url))
            elif constrained in self._validator.definitions.ancestors(type_name):
                profiles.append(url)
        return profiles, unknown

    def _judged(self, issues: list[Issue]) -> list[Issue]:
        if self._refuse:
            return issues
        return [msgspec.structs.replace(i, severity="warning") if i.severity == "error" else i for i in issues]


Checker = Validator | Unchecked | ProfileChecked


def checker_for(
    validation: str,
    definitions: Definitions,
    *,
    best_practice: bool = False,
    required_profiles: Sequence[str] = (),
    profile_violations: str = "refuse",
    sources: Sequence[Source] = (),
    terminology: Terminology | None = None,
    generation: Callable[[], object] | None = None,
) -> Checker:
    """What writes pass, by the settings of these names.

    validation: "base" (R4), "declared" (R4 and the profiles of meta.profile) or "none" (what can be stored at all).
    sources, terminology and generation are Validator's.
    """
    validator = Validator(definitions, best_practice, sources=sources, terminology=terminology, generation=generation)
    if validation == "none":
        return Unchecked(validator)
    if validation == "declared" or required_profiles:
        refuse = profile_violations == "refuse"
        return ProfileChecked(validator, validation == "declared", required_profiles, refuse)
    return validator
