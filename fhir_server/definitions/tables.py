"""The tables that R4's definitions are compiled to, and the lookups over them.

`load()` reads `r4.msgpack.zst` (made by compile.py) in some tens of milliseconds. A TypeDefinition exists for every
resource ("Patient"), data type ("HumanName", "string") and backbone element ("Patient.contact"); content references are
resolved to the type that they name. Specification: https://hl7.org/fhir/R4/elementdefinition.html
"""

from __future__ import annotations

import functools
from importlib import resources
from typing import NamedTuple

import msgspec
import zstandard

UNBOUNDED = -1


class Invariant(msgspec.Struct, frozen=True, omit_defaults=True):
    """A constraint: key, severity (error | warning), what it says, its FHIRPath, and whether it is best practice."""

    key: str
    severity: str
    human: str
    expression: str
    best_practice: bool = False


class Binding(msgspec.Struct, frozen=True, omit_defaults=True):
    """A binding: strength (required | extensible | preferred | example) and the canonical URL of its value set.

    maximum: that of the set outside of which no code may be, "" for none.
    """

    strength: str
    value_set: str
    maximum: str = ""


class TypeReference(msgspec.Struct, frozen=True, omit_defaults=True):
    """A type an element may have: code (a key of Definitions.types), reference targets, profiles of the type itself.

    targets: resource type names; () means any resource.
    """

    code: str
    targets: tuple[str, ...] = ()
    profiles: tuple[str, ...] = ()


class Element(msgspec.Struct, frozen=True, omit_defaults=True):
    """One element of a type.

    name: as in JSON, for a choice without the type ("value" of value[x]); max: UNBOUNDED for *;
    representation: "" | "attribute" (an XML attribute) | "xhtml".
    """

    name: str
    types: tuple[TypeReference, ...]
    min: int = 0
    max: int = 1
    choice: bool = False
    summary: bool = False
    modifier: bool = False
    representation: str = ""
    binding: Binding | None = None
    invariants: tuple[Invariant, ...] = ()
    short: str = ""

    @property
    def repeats(self) -> bool:
        """Whether JSON has it as an array."""
        return self.max != 1

    def property_name(self, type_code: str) -> str:
        """Its name in JSON when it has this type: valueQuantity of value[x]."""
        return self.name + type_code[0].upper() + type_code[1:] if self.choice else self.name


class TypeDefinition(msgspec.Struct, frozen=True, omit_defaults=True):
    """A type: kind is resource | complex | primitive | backbone; elements in the order of the definition.

    base: the type it specialises, "" for Element and Resource; pattern: a primitive's regular expression.
    """

    name: str
    kind: str
    elements: tuple[Element, ...] = ()
    base: str = ""
    abstract: bool = False
    pattern: str = ""
    invariants: tuple[Invariant, ...] = ()
    short: str = ""


class Component(msgspec.Struct, frozen=True):
    """One component of a composite search parameter: the parameter it is compared as, and its path from the base."""

    definition: str
    expression: str


class SearchParameter(msgspec.Struct, frozen=True, omit_defaults=True):
    """A search parameter (https://hl7.org/fhir/R4/searchparameter.html).

    branches: for each base type, the parts of the expression's union that start there.
    """

    url: str
    code: str
    type: str
    base: tuple[str, ...]
    branches: dict[str, tuple[str, ...]] = {}
    targets: tuple[str, ...] = ()
    components: tuple[Component, ...] = ()
    description: str = ""


class CompartmentDefinition(msgspec.Struct, frozen=True):
    """A compartment: its code (Patient) and, for each member type, the parameters that make membership.

    The parameter "{def}" means the compartment's own resource.
    """

    code: str
    members: dict[str, tuple[str, ...]]


class OperationParameter(msgspec.Struct, frozen=True, omit_defaults=True):
    """A parameter of an operation: use is in | out; max is UNBOUNDED for *; type "" where it has parts."""

    name: str
    use: str
    min: int
    max: int
    type: str = ""
    documentation: str = ""


class Operation(msgspec.Struct, frozen=True, omit_defaults=True):
    """An operation definition and where it may be called: system, type, instance level on these resources."""

    url: str
    code: str
    resources: tuple[str, ...] = ()
    system: bool = False
    type: bool = False
    instance: bool = False
    affects_state: bool = False
    parameters: tuple[OperationParameter, ...] = ()
    title: str = ""


class Tables(msgspec.Struct, frozen=True):
    """The file as it is stored. codes: required value set -> system -> codes, for the sets that can be listed."""

    version: str
    types: dict[str, TypeDefinition]
    search_parameters: tuple[SearchParameter, ...]
    compartments: dict[str, CompartmentDefinition]
    operations: tuple[Operation, ...]
    codes: dict[str, dict[str, tuple[str, ...]]]


class Property(NamedTuple):
    """What a JSON property of a type is: its element and, among the element's types, the one the name stands for."""

    element: Element
    type: TypeReference
    primitive: bool


class Definitions:
    """The lookups. Cheap to pass around; everything derived is made on first use and kept.

    Others come with each custom search parameter and go with the next: what is kept of the types for longer than a
    request is kept by `official`, whose types they share.
    """

    def __init__(self, tables: Tables) -> None:
        self.version = tables.version
        self.types = tables.types
        self.search_parameter_list = tables.search_parameters
        self.compartments = tables.compartments
        self.operations = tables.operations
        self._codes = tables.codes
        self.resource_types: tuple[str, ...] = tuple(
            sorted(t.name for t in tables.types.values() if t.kind == "resource" and not t.abstract)
        )
        self._resource_type_set = frozenset(self.resource_types)
        self._properties: dict[str, dict[str, Property]] = {}
        self._required: dict[str, dict[str, frozenset[str]]] = {}
        self._parameters: dict[str, dict[str, SearchParameter]] = {}
        self._by_url = {p.url: p for p in tables.search_parameters}
        self.official: Definitions = self  # those that with_search_parameters began with

    def is_resource(self, name: str) -> bool:
        """Whether this names a concrete resource type."""
        return name in self._resource_type_set

    def is_primitive(self, name: str) -> bool:
        """Whether this names a primitive data type."""
        definition = self.types.get(name)
        return definition is not None and definition.kind == "primitive"

    def properties(self, type_name: str) -> dict[str, Property]:
        """The JSON properties of a type in definition order, choices spelled out (valueQuantity); no `_name` twins.

        `resourceType` is not among them. KeyError for an unknown type.
        """
        found = self._properties.get(type_name)
        if found is None:
            found = self._properties[type_name] = {
                element.property_name(reference.code): Property(element, reference, self.is_primitive(reference.code))
                for element in self.types[type_name].elements
                for reference in (element.types if element.choice else element.types[:1])
            }
        return found

    def ancestors(self, type_name: str) -> tuple[str, ...]:
        """The type and what it specialises, nearest first: ("Patient", "DomainResource", "Resource")."""
        names = []
        while type_name:
            names.append(type_name)
            definition = self.types.get(type_name)
            type_name = definition.base if definition else ""
        return tuple(names)

    def search_parameters(self, type_name: str) -> dict[str, SearchParameter]:
        """The search parameters of a resource type by code, those of Resource and DomainResource included."""
        found = self._parameters.get(type_name)
        if found is None:
            found = {}
            for ancestor in reversed(self.ancestors(type_name)):
                found.update((p.code, p) for p in self.search_parameter_list if ancestor in p.base)
            self._parameters[type_name] = found
        return found

    def search_parameter(self, url: str) -> SearchParameter | None:
        """The search parameter with this canonical URL."""
        return self._by_url.get(url)

    def required_codes(self, value_set: str) -> dict[str, frozenset[str]] | None:
        """system -> codes of a value set that some element requires; None where the set can't be listed."""
        url = value_set.partition("|")[0]
        found = self._required.get(url)
        if found is None and url in self._codes:
            found = self._required[url] = {system: frozenset(codes) for system, codes in self._codes[url].items()}
        return found

    def with_search_parameters(self, custom: tuple[SearchParameter, ...]) -> Definitions:
        """The same definitions with these search parameters added, or put in place of those with the same URL."""
        urls = {p.url for p in custom}
        kept = tuple(p for p in self.search_parameter_list if p.url not in urls)
        changed = Definitions(
            Tables(self.version, self.types, kept + custom, self.compartments, self.operations, self._codes)
        )
        changed.official = self.official
        changed._properties, changed._required = self._properties, self._required
        return changed


@functools.cache
def load() -> Definitions:
    """R4's definitions, read once a process."""
    packed = resources.files("fhir_server.definitions").joinpath("r4.msgpack.zst").read_bytes()
    return Definitions(msgspec.msgpack.decode(zstandard.decompress(packed), type=Tables))
