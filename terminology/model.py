"""What is known of a concept, and what may be asked of a code system."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

ABSTRACT, INACTIVE = 1, 2


class Concept(NamedTuple):
    """A concept of a code system; id: its number in its store; flags: ABSTRACT and INACTIVE."""

    id: int
    code: str
    display: str
    definition: str = ""
    flags: int = 0

    @property
    def abstract(self) -> bool:
        """Whether it only groups others and is not to be selected."""
        return bool(self.flags & ABSTRACT)

    @property
    def inactive(self) -> bool:
        """Whether it is no longer to be used."""
        return bool(self.flags & INACTIVE)


class Designation(NamedTuple):
    """Another text for a concept: language "" where it isn't said; use: a Coding, {} for none."""

    value: str
    language: str = ""
    use: Mapping[str, Any] = MappingProxyType({})


class Property(NamedTuple):
    """One property of a concept; type: code | Coding | string | integer | boolean | dateTime | decimal.

    value: as FHIR JSON has it; description: the display of a value that is a code of the same system, "" for none.
    """

    code: str
    type: str
    value: Any
    description: str = ""


class Details(NamedTuple):
    """All that is known of a concept besides its texts; related: its parents and children, as properties."""

    designations: tuple[Designation, ...] = ()
    properties: tuple[Property, ...] = ()
    related: tuple[Property, ...] = ()

    @property
    def parents(self) -> tuple[str, ...]:
        """The codes of the parents."""
        return tuple(each.value for each in self.related if each.code == "parent")

    @property
    def children(self) -> tuple[str, ...]:
        """The codes of the children."""
        return tuple(each.value for each in self.related if each.code == "child")


class Filter(NamedTuple):
    """A filter of a value set's compose (https://hl7.org/fhir/R4/valueset-filter-operator.html)."""

    property: str
    op: str
    value: str


class Record(NamedTuple):
    """A concept on its way into a store; parents: their codes."""

    code: str
    display: str = ""
    definition: str = ""
    flags: int = 0
    designations: tuple[Designation, ...] = ()
    properties: tuple[Property, ...] = ()
    parents: tuple[str, ...] = ()


class SystemInfo(NamedTuple):
    """What is known of a code system as a whole.

    content: not-present | example | fragment | complete | supplement; resource: the CodeSystem without its concepts;
    supplements: the canonical of what a supplement supplements.
    """

    url: str
    version: str = ""
    name: str = ""
    content: str = "complete"
    case_sensitive: bool = True
    supplements: str = ""
    resource: Mapping[str, Any] = MappingProxyType({})
