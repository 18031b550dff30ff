"""What FHIRPath asks of the R4 definitions: elements by name, inheritance, and the types that a name can mean.

Type names are those of FHIR ("Patient", "HumanName", "Patient.contact", "string") or start with "System."; the
types of https://hl7.org/fhir/R4/fhirpath.html#types and https://hl7.org/fhirpath/#types-and-reflection
"""

from __future__ import annotations

from typing import Any, NamedTuple

from fhir_server.definitions import Definitions, Element, TypeReference
from fhir_server.definitions.tables import UNBOUNDED
from fhir_server.fhirpath.errors import FhirPathError

SYSTEM_TYPES = frozenset(
    {"Any", "Boolean", "String", "Integer", "Long", "Decimal", "Date", "DateTime", "Time", "Quantity"}
)

# FHIR primitive -> the System type that its value converts to implicitly; those not listed are strings
_IMPLICIT = {
    "boolean": "System.Boolean",
    "integer": "System.Integer",
    "positiveInt": "System.Integer",
    "unsignedInt": "System.Integer",
    "decimal": "System.Decimal",
    "date": "System.Date",
    "dateTime": "System.DateTime",
    "instant": "System.DateTime",
    "time": "System.Time",
}


class ChildElement(NamedTuple):
    """A child of a type by its FHIRPath name: for each type it can have, (type, JSON property); whether it repeats."""

    name: str
    alternatives: tuple[tuple[str, str], ...]
    repeats: bool
    choice: bool


class ComparableChild(NamedTuple):
    """A child of one type only, by which elements can be told apart: text a single string; complex an element."""

    name: str
    json_name: str
    type: str
    text: bool
    complex: bool


class Model:
    """The lookups of one set of definitions; use model_of() so that one is shared.

    paths: what compile_path keeps, by expression, context type and strictness.
    """

    def __init__(self, definitions: Definitions) -> None:
        self._types = definitions.types
        self._ancestors = definitions.ancestors
        self.is_resource = definitions.is_resource
        self.resource_types = definitions.resource_types
        self.required_codes = definitions.required_codes
        self.paths: dict[tuple[str, str, bool], Any] = {}
        self._children: dict[str, dict[str, ChildElement]] = {}
        self._comparable: dict[str, tuple[ComparableChild, ...]] = {}
        self._primitives = frozenset(n for n, t in definitions.types.items() if t.kind == "primitive")

    def is_type(self, name: str) -> bool:
        """Whether this is a FHIR type."""
        return name in self._types

    def starts_path(self, name: str) -> bool:
        """Whether a path may begin with this type: Patient.name; code and date are names of elements there."""
        return name in self._types and name not in self._primitives

    def is_resource_type(self, name: str) -> bool:
        """Whether this is a resource type, an abstract one too."""
        return self.is_subtype(name, "Resource")

    def is_primitive(self, name: str) -> bool:
        """Whether this is a FHIR primitive type."""
        return name in self._primitives

    def children(self, type_name: str) -> dict[str, ChildElement]:
        """The children of a FHIR type by FHIRPath name, in the order of the definition; {} for other types.

        Those of Resource, which stands for any resource, are those that every resource with that name agrees on.
        """
        found = self._children.get(type_name)
        if found is None:
            if type_name == "Resource":
                found = self._of_any_resource()
            else:
                definition = self._types.get(type_name)
                found = {e.name: self._child(e) for e in definition.elements} if definition else {}
            self._children[type_name] = found
        return found

    def child(self, type_name: str, name: str) -> ChildElement | None:
        """The child with this FHIRPath name."""
        return self.children(type_name).get(name)

    def comparable_children(self, type_name: str) -> tuple[ComparableChild, ...]:
        """The children of one type only that are single strings or elements, by name."""
        found = self._comparable.get(type_name)
        if found is None:
            children = []
            for child in sorted(self.children(type_name).values()):
                if len(child.alternatives) == 1:
                    of_type, json_name = child.alternatives[0]
                    text = not child.repeats and self.system_type(of_type) == "System.String"
                    element = not self.is_primitive(of_type) and not self.system_type(of_type)
                    children.append(ComparableChild(child.name, json_name, of_type, text, element))
            found = self._comparable[type_name] = tuple(c for c in children if c.text or c.complex)
        return found

    def _child(self, element: Element) -> ChildElement:
        types = element.types if element.choice else element.types[:1]
        alternatives = tuple((t.code, element.property_name(t.code)) for t in types)
        return ChildElement(element.name, alternatives, element.repeats, element.choice)

    def _of_any_resource(self) -> dict[str, ChildElement]:
        found: dict[str, ChildElement] = {}
        differing = set()
        for name in self.resource_types:
            for child in self.children(name).values():
                if found.setdefault(child.name, child) != child:
                    differing.add(child.name)
        return {name: child for name, child in found.items() if name not in differing}

    def is_subtype(self, type_name: str, ancestor: str) -> bool:
        """Whether a type is another or specialises it; System types are only themselves and Any."""
        return type_name == ancestor or ancestor in self._ancestors(type_name) or ancestor == "System.Any"

    def element_definition(self, owner: str, name: str) -> dict[str, Any] | None:
        """What the definitions say of a child of a type, or of a type itself (owner ""), as an ElementDefinition."""
        if not owner:
            definition = self._types.get(name)
            return {"path": name, "short": definition.short} if definition else None
        definition = self._types.get(owner)
        element = next((e for e in definition.elements if e.name == name), None) if definition else None
        if element is None:
            return None
        found: dict[str, Any] = {
            "path": f"{owner}.{name}{'[x]' if element.choice else ''}",
            "short": element.short,
            "min": element.min,
            "max": "*" if element.max == UNBOUNDED else str(element.max),
            "type": [_type_entry(reference) for reference in element.types],
            "isModifier": element.modifier,
            "isSummary": element.summary,
        }
        if element.binding is not None:
            found["binding"] = {"strength": element.binding.strength, "valueSet": element.binding.value_set}
        return found

    def base(self, type_name: str) -> str:
        """The type that this one specialises; "" for none."""
        definition = self._types.get(type_name)
        return definition.base if definition else ""

    def is_abstract(self, type_name: str) -> bool:
        """Whether no item has just this type: Resource, DomainResource, Element, BackboneElement."""
        definition = self._types.get(type_name)
        return definition is not None and (definition.abstract or type_name == "BackboneElement")

    def type_named(self, specifier: str, position: int = -1) -> str:
        """The type a specifier means, FHIR's before System's if not qualified. FhirPathError, kind semantic."""
        qualifier, _, name = specifier.rpartition(".")
        if qualifier in ("", "FHIR") and name in self._types:
            return name
        if qualifier in ("", "System") and name in SYSTEM_TYPES:
            return f"System.{name}"
        if not qualifier or qualifier == "FHIR":
            raise FhirPathError("semantic", f"There is no type `{specifier}` in R4", position)
        if specifier in self._types:
            return specifier
        if qualifier == "System" and name in self._types:
            return f"System.{name}"
        raise FhirPathError("semantic", f"There is no type `{specifier}`; qualify types with FHIR or System", position)

    def lenient_type(self, specifier: str, position: int = -1) -> str:
        """type_named, but an unqualified Boolean, DateTime… means the FHIR primitive, as in R4's own expressions."""
        found = self.type_named(specifier, position)
        if found.startswith("System.") and "." not in specifier:
            primitive = found[7].lower() + found[8:]
            return primitive if primitive in self._primitives else found
        return found

    def system_type(self, type_name: str) -> str:
        """The System type that values of a type convert to implicitly; "" for types without one."""
        if type_name.startswith("System."):
            return type_name
        if type_name in self._primitives:
            return _IMPLICIT.get(type_name, "System.String")
        return "System.Quantity" if self.is_subtype(type_name, "Quantity") else ""


def _type_entry(reference: TypeReference) -> dict[str, Any]:
    entry: dict[str, Any] = {"code": reference.code}
    if reference.targets:
        entry["targetProfile"] = [f"http://hl7.org/fhir/StructureDefinition/{target}" for target in reference.targets]
    return entry


# by the identity of the types, which search parameters that are added later share; a Model keeps its types alive
_models: dict[int, Model] = {}


def model_of(definitions: Definitions) -> Model:
    """The Model of these definitions, made once."""
    model = _models.get(id(definitions.types))
    if model is None:
        model = _models[id(definitions.types)] = Model(definitions)
    return model
