"""The checks of a write, by the settings: what is checked, and what follows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import msgspec

from fhir_server.core.errors import Issue, error
from fhir_server.definitions import Definitions
from fhir_server.fhirpath import Terminology
from profiles.holdings import declared
from profiles.snapshot.registry import Source
from profiles.validator import NOTHING_STORED, Validator

Json = dict[str, Any]

HOLDERS = ("Bundle", "Parameters")  # what they hold may declare profiles of its own
ASKING = ("Questionnaire", "QuestionnaireResponse")  # these have rules of their own beyond R4's structure

__all__ = ["Checker", "Source"]


class Settings(Protocol):
    """The settings of these names, see core.settings."""

    @property
    def validation(self) -> str:
        """What a write is checked against: none | base | declared."""
        ...

    @property
    def required_profiles(self) -> Sequence[str]:
        """Canonical URLs of profiles, each for every resource of its type."""
        ...

    @property
    def profile_violations(self) -> str:
        """What follows where a profile is broken but not R4: refuse | warn."""
        ...

    @property
    def best_practice(self) -> bool:
        """Whether invariants that are only recommended are told."""
        ...


class Checker:
    """Checks what is to be stored by the settings, and for $validate always all.

    sources, terminology and generation are Validator's.
    """

    def __init__(
        self,
        settings: Settings,
        definitions: Definitions,
        sources: Sequence[Source] = (),
        terminology: Terminology | None = None,
        generation: Callable[[], object] | None = None,
    ) -> None:
        self._settings = settings
        self.validator = Validator(
            definitions, settings.best_practice, sources=sources, terminology=terminology, generation=generation
        )
        self._declared = settings.validation == "declared"

    def generation(self) -> tuple[object, ...]:
        """Something else whenever there may be other profiles."""
        return self.validator.generation()

    def supported_profiles(self) -> dict[str, list[str]]:
        """The URLs of the profiles that are known here beside R4's own, by resource type."""
        return self.validator.supported_profiles()

    def require_known(self) -> None:
        """FhirError not-found where a required profile is not known, unprocessable where it can't be used."""
        for url in self._settings.required_profiles:
            if self.validator.registry.tree(url) is None:
                where = "which is not known here: install its package by hms packages install"
                raise error("not-found", f"The setting required_profiles names {url}, {where}.")

    def check(self, resource: Json) -> list[Issue]:
        """The issues of a resource that is to be stored, [] for none; one of severity error is a refusal."""
        if self._settings.validation == "none":
            return self._nameless(resource)
        issues = self.validator.check(resource)
        if (not self._declared and not self._settings.required_profiles) or any(i.severity == "error" for i in issues):
            return issues
        profiles, unknown = self._required(resource["resourceType"])
        issues += unknown
        if profiles or (self._declared and (declared(resource) or resource["resourceType"] in HOLDERS + ASKING)):
            issues += self._judged(self.validator.conformance(resource, profiles, declared=self._declared))
        return issues

    def validate(
        self, resource: Json, profiles: Sequence[str] = (), stored: Mapping[str, Json] = NOTHING_STORED
    ) -> list[Issue]:
        """All its issues: by R4, by the profiles that it declares, by those that are required here, and by these.

        stored: resources that its references name, by the text of the reference.
        """
        name = resource.get("resourceType") if isinstance(resource, dict) else None
        required, unknown = self._required(name if isinstance(name, str) else "")
        return self.validator.validate(resource, tuple(dict.fromkeys((*profiles, *required))), stored=stored) + unknown

    def _nameless(self, resource: Json) -> list[Issue]:
        name = resource.get("resourceType")
        if isinstance(name, str) and self.validator.definitions.is_resource(name):
            return []
        text = f"resourceType is {str(name)[:60]!r}; it must be a type of R4."
        return [Issue("error", "structure", text, "resourceType", rule="resource-type")]

    def _required(self, type_name: str) -> tuple[list[str], list[Issue]]:
        """The required profiles for a type, and a warning for each that is not known any more."""
        profiles: list[str] = []
        unknown: list[Issue] = []
        for url in self._settings.required_profiles:
            constrained = self.validator.registry.type_of(url)
            if constrained is None:
                text = f"The required profile {url} is not known here, so nothing is checked against it."
                unknown.append(Issue("warning", "not-found", text, rule="profile-unknown", profile=url))
            elif constrained in self.validator.definitions.ancestors(type_name):
                profiles.append(url)
        return profiles, unknown

    def _judged(self, issues: list[Issue]) -> list[Issue]:
        if self._settings.profile_violations == "refuse":
            return issues
        return [msgspec.structs.replace(i, severity="warning") if i.severity == "error" else i for i in issues]
