"""What grammars have in common: each concept stands alone, and nobody can list them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NoReturn

from fhir_server.core.errors import FhirError, error
from terminology.model import Concept, Designation, Details, Filter, Property, SystemInfo


class Grammar:
    """A code system whose find() parses; a subclass says which codes there are and what properties they have."""

    hierarchical = False
    count = 0
    info: SystemInfo

    def find(self, code: str) -> Concept | None:
        """The concept, made from its code; None where the grammar does not allow it."""
        raise NotImplementedError

    def why_not(self, code: str) -> str:
        """Why the grammar does not allow the code, "" where there is no more to say."""
        return ""

    def properties(self, concept: Concept) -> tuple[Property, ...]:
        """What can be read off the code."""
        return ()

    def details(self, concept: Concept) -> Details:
        """The properties; there is nothing else."""
        return Details(properties=self.properties(concept))

    def designations(self, concept: Concept) -> tuple[Designation, ...]:
        """None."""
        return ()

    def subsumes(self, general: Concept, special: Concept) -> bool:
        """A concept subsumes itself only."""
        return general.code == special.code

    def below(self, concept: Concept) -> tuple[str, ...]:
        """The concept itself."""
        return (concept.code,)

    above = below

    def parents(self, concepts: Sequence[Concept]) -> dict[int, list[int]]:
        """None."""
        return {}

    def matches(self, concept: Concept, filters: Sequence[Filter]) -> bool:
        """Whether all filters hold, of those on the code and on what can be read off it."""
        return all(self._holds(concept, filter) for filter in filters)

    def _holds(self, concept: Concept, filter: Filter) -> bool:
        found = [str(p.value) for p in self.properties(concept) if p.code == filter.property]
        if filter.property in ("concept", "code"):
            found = [concept.code]
        elif filter.property not in self.property_codes():
            raise error("unprocessable", self._unknown(filter.property))
        if filter.op == "=" or (filter.op in ("is-a", "generalizes") and filter.property in ("concept", "code")):
            return filter.value in found
        if filter.op == "exists":
            return bool(found) == (filter.value == "true")
        if filter.op in ("in", "not-in"):
            inside = any(value.strip() in found for value in filter.value.split(","))
            return inside == (filter.op == "in")
        raise error(
            "not-supported", f"{self.info.name} can't be filtered with '{filter.op}', but with = in not-in exists."
        )

    def _unknown(self, name: str) -> str:
        return f"{self.info.name} has no property '{name}' to filter by; it has: {', '.join(self.property_codes())}."

    def property_codes(self) -> list[str]:
        """The properties that codes can have."""
        return []

    def too_costly(self) -> FhirError:
        """The error of who wants to list it."""
        return error(
            "too-costly",
            f"{self.info.name} ({self.info.url}) is a grammar: its codes can be checked but not listed.",
        )

    def select(self, *_: object, **__: object) -> Iterator[Concept]:
        """FhirError too-costly."""
        self._refuse()

    def count_of(self, *_: object, **__: object) -> int:
        """FhirError too-costly."""
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise self.too_costly()
