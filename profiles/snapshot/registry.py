"""Profiles by URL: where they come from, their trees, and the trees of the types that they constrain."""

from __future__ import annotations

import threading
from typing import Any, Protocol

from fhir_server.core.errors import FhirError, error
from fhir_server.definitions import Definitions, Element, Invariant
from fhir_server.definitions.tables import UNBOUNDED
from profiles import core
from profiles.snapshot.differential import apply
from profiles.snapshot.tree import Node, from_snapshot

Json = dict[str, Any]

BASE = "http://hl7.org/fhir/StructureDefinition/"


class Source(Protocol):
    """Where StructureDefinitions, and other conformance resources, are found."""

    def find(self, type: str, canonical: str) -> Json | None:
        """The resource behind `url` or `url|version`, None where it is not known."""


def profile_error(url: str, text: str) -> FhirError:
    """The error of a profile that can't be used."""
    return error("unprocessable", f"The profile {url} can't be used: {text}", code="processing")


class Registry:
    """Finds profiles, in sources first and then among R4's own, and makes their trees once."""

    def __init__(self, definitions: Definitions, *sources: Source) -> None:
        self.definitions = definitions
        self.sources = sources
        self._trees: dict[str, Node] = {}
        self._being_made = threading.local()

    def structure(self, canonical: str) -> Json | None:
        """The StructureDefinition of a profile; None where it is not known, or is one of R4's own types."""
        found = self.find("StructureDefinition", canonical)
        if found is None:
            url, _, version = canonical.partition("|")
            found = core.find(url) if version in ("", self.definitions.version) else None
        return found

    def find(self, type: str, canonical: str) -> Json | None:
        """A conformance resource of one of the sources."""
        for source in self.sources:
            found = source.find(type, canonical)
            if found is not None:
                return found
        return None

    def kinds(self, url: str) -> set[str]:
        """The types of the definitions of the sources and of R4 that have this canonical URL; set() where none has."""
        kinds = {type for source in self.sources if hasattr(source, "kinds") for type in source.kinds(url)}  # type: ignore
        if self.base_type(url) or core.find(url) is not None:
            kinds.add("StructureDefinition")
        if self.definitions.official.search_parameter(url) is not None:
            kinds.add("SearchParameter")
        return kinds

    def base_type(self, canonical: str) -> str:
        """The R4 type that a canonical names itself (http://hl7.org/fhir/StructureDefinition/Patient), "" for none."""
        url = canonical.partition("|")[0]
        name = url.removeprefix(BASE)
        return name if url != name and name in self.definitions.types else ""

    def type_of(self, canonical: str) -> str | None:
        """The type that a profile constrains, or that a canonical names itself; None where it is not known."""
        base = self.base_type(canonical)
        if base:
            return base
        structure = self.structure(canonical)
        return structure.get("type") if structure else None

    def builds_on(self, canonical: str, base: str) -> bool:
        """Whether a profile is this one or derived from it, as far as the profiles between are known."""
        seen: set[str] = set()
        while canonical and canonical not in seen:
            if canonical.partition("|")[0] == base:
                return True
            seen.add(canonical)
            structure = self.structure(canonical)
            canonical = str(structure.get("baseDefinition", "")) if structure else ""
        return False

    def tree(self, canonical: str) -> Node | None:
        """The tree of a profile or type, None where it is not known. FhirError unprocessable where it can't be made."""
        found = self._trees.get(canonical)
        if found is None:
            base = self.base_type(canonical)
            if base:
                found = self.type_tree(base)
            else:
                structure = self.structure(canonical)
                if structure is None:
                    return None
                found = self._make(canonical, structure)
            self._trees[canonical] = found
        return found

    def apply_differential(self, structure: Json) -> None:
        """Tries a profile that need not be known here; FhirError unprocessable where its base does not allow it."""
        self._make(str(structure.get("url")), {key: value for key, value in structure.items() if key != "snapshot"})

    def type_tree(self, type_name: str) -> Node:
        """The tree of an R4 type as it stands in the definitions, its children made when they are asked for."""
        definition = self.definitions.types[type_name]
        element = {"min": 0, "max": "*", "constraint": constraints(definition.invariants)}
        return Node(type_name, element, self.expand)

    def _make(self, canonical: str, structure: Json) -> Node:
        making: list[str] = self._being_made.__dict__.setdefault("urls", [])
        if canonical in making:
            raise profile_error(canonical, f"it builds on itself, by {' -> '.join([*making, canonical])}.")
        making.append(canonical)
        try:
            return self._tree_of(canonical, structure)
        finally:
            making.pop()

    def _tree_of(self, canonical: str, structure: Json) -> Node:
        if structure.get("kind") == "logical" or structure.get("type") not in self.definitions.types:
            raise profile_error(canonical, f"it constrains {structure.get('type')}, which is no type of R4.")
        try:
            snapshot = structure.get("snapshot", {}).get("element")
            if snapshot:
                return from_snapshot(_named_in_full(snapshot, structure), self.expand)
            base = structure.get("baseDefinition", "")
            inherited = self.tree(base)
            if inherited is None:
                raise profile_error(canonical, f"its base {base or '(none)'} is not known here: install its package.")
            root = inherited.copy(structure["type"])
            root.element = {key: value for key, value in root.element.items() if key not in ("id", "slicing")}
            return apply(root, _named_in_full(structure.get("differential", {}).get("element", []), structure))
        except (KeyError, TypeError, AttributeError, ValueError) as broken:
            raise profile_error(canonical, f"its elements are malformed ({broken}).") from None

    def contained(self, canonical: str) -> Json | None:
        """The resource that `url#id` names, which the StructureDefinition at the url contains."""
        url, _, name = canonical.partition("#")
        found = (self.structure(url) or {}).get("contained", ()) if name else ()
        return next((each for each in found if each.get("id") == name), None)

    def expand(self, node: Node) -> dict[str, Node]:
        """The children that a node's type gives it: those of its one profile, or of its type."""
        reference = node.element.get("contentReference")
        if reference is not None:
            return self._children_of_type(reference.partition("#")[2])
        types = node.types()
        code = types[0].get("code", "Element") if len(types) == 1 else "Element"
        if not types:  # the root of a type
            return self._children_of_type(node.name)
        profiles = types[0].get("profile", ()) if len(types) == 1 else ()
        if len(profiles) == 1:
            tree = self.tree(profiles[0])
            if tree is not None:
                return {name: child.copy() for name, child in tree.expanded().items()}
        return self._children_of_type(types[0].get("path", code) if types else code)

    def _children_of_type(self, type_name: str) -> dict[str, Node]:
        definition = self.definitions.types.get(type_name)
        if definition is None:
            raise ValueError(f"{type_name} is no type of R4")
        children = {}
        for element in definition.elements:
            made = self._element(element)
            code = element.types[0].code
            if "path" in made["type"][0] and code != f"{type_name}.{element.name}":
                del made["type"]
                made["contentReference"] = f"#{code}"
            node = Node(element.name + ("[x]" if element.choice else ""), made, self.expand)
            children[node.name] = node
        return children

    def _element(self, element: Element) -> Json:
        """An element of the definitions as an ElementDefinition."""
        types = []
        for reference in element.types:
            entry: Json = {"code": reference.code}
            definition = self.definitions.types[reference.code]
            if definition.kind == "backbone":  # its children stand under its own path
                entry = {"code": definition.base or "BackboneElement", "path": reference.code}
            if reference.targets:
                entry["targetProfile"] = [BASE + target for target in reference.targets]
            if reference.profiles:
                entry["profile"] = list(reference.profiles)
            types.append(entry)
        found: Json = {"min": element.min, "max": "*" if element.max == UNBOUNDED else str(element.max), "type": types}
        if element.binding:
            found["binding"] = {"strength": element.binding.strength, "valueSet": element.binding.value_set}
        if element.short:
            found["short"] = element.short
        definition = self.definitions.types[element.types[0].code]
        own = constraints(element.invariants + (definition.invariants if definition.kind == "backbone" else ()))
        if own:
            found["constraint"] = own
        return found


def _named_in_full(elements: list[Json], structure: Json) -> list[Json]:
    """Elements whose bindings name a contained value set by `url#id`, so that it is found from derived profiles too."""
    if not structure.get("contained"):
        return elements
    named = []
    for element in elements:
        binding = element.get("binding", {})
        if str(binding.get("valueSet", "")).startswith("#"):
            element = {**element, "binding": {**binding, "valueSet": structure["url"] + binding["valueSet"]}}
        named.append(element)
    return named


def constraints(invariants: tuple[Invariant, ...]) -> list[Json]:
    """Invariants as ElementDefinition.constraint."""
    return [{"key": i.key, "severity": i.severity, "human": i.human, "expression": i.expression} for i in invariants]
