"""Extensions: their definitions, where they may stand, and modifiers that are not understood.

https://hl7.org/fhir/R4/extensibility.html, https://hl7.org/fhir/R4/defining-extensions.html#context and #cardinality
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from fhir_server.core.errors import FhirError
from fhir_server.core.uris import is_absolute
from fhir_server.fhirpath import FhirPathError, compile_path
from profiles import core
from profiles.conformance import paths
from profiles.conformance.context import Context
from profiles.structure.problems import Problem, Problems, listed, nearest, shown, under

if TYPE_CHECKING:
    from profiles.conformance.compiler import Profile, ProfileCompiler

Json = dict[str, Any]

MAX_OWNERS = 10_000
ARRAYS = ("extension", "modifierExtension")
CORE = "http://hl7.org/fhir/StructureDefinition/"

# contexts of definitions that are made for later releases: what these mean by them are resources with these elements
CANONICAL = ("CanonicalResource", "MetadataResource")
IDENTIFIED = {"url", "version", "status"}

# R4's own resources use these elsewhere than their definitions say, R5's definitions say so
_WIDER = {
    CORE + "structuredefinition-fhir-type": ("element", "ElementDefinition.type"),
    CORE + "structuredefinition-normative-version": ("element", "Element"),
    CORE + "regex": ("element", "ElementDefinition.type"),
}


Trail = tuple[Any, str, int] | None  # (what is around, property, position or -1); None for the resource itself


class Owner(NamedTuple):
    """What has extensions: its type, the names by which a context may mean it, the url of an extension or "".

    around: the url of the extension whose value it is: what stands on a primitive value stands on that extension.
    """

    type: str
    names: tuple[str, ...]
    url: str
    around: str = ""


UNKNOWN = Owner("", (), "")


class Definition(NamedTuple):
    """An extension's definition: its profile, (type, expression) of the contexts, invariants, whether it modifies.

    maximum: how often it may be on one element; parts: the urls of the extensions that it defines inside of it.
    """

    profile: Profile
    contexts: tuple[tuple[str, str], ...]
    invariants: tuple[str, ...]
    modifier: bool
    maximum: float
    parts: frozenset[str]


class ExtensionChecks:
    """Checks all the extensions in a resource."""

    def __init__(self, compiler: ProfileCompiler) -> None:
        self.compiler = compiler
        self._definitions = compiler.definitions
        self._known: dict[str, Definition | None] = {}
        self._owners: dict[tuple[str, tuple[str, ...]], Owner] = {}

    def check(self, resource: Json, context: Context) -> Problems | None:
        """The problems of the extensions in a resource, those of the resources that it holds not among them."""
        name = resource.get("resourceType")
        if not isinstance(name, str) or not self._definitions.is_resource(name):
            return None
        places: list[tuple[Trail, Json, str]] = []
        _find(resource, None, places)
        found: Problems | None = None
        for trail, value, around in places:
            owner = self._owner(name, trail, value)
            if owner is None:
                continue
            if around:
                owner = owner._replace(around=around)
            for key in ARRAYS:
                values = value.get(key)
                if not isinstance(values, list):
                    continue
                counts: dict[str, int] = {}
                for position, extension in enumerate(values):
                    if isinstance(extension, dict) and isinstance(extension.get("url"), str):
                        more = self._one(extension, key, owner, value, context)
                        if len(values) > 1:
                            more += self._once_more(extension["url"], counts)
                        if more:
                            found = under(found, f"{self._path(name, trail)}.{key}[{position}]", more)
        return found

    def _once_more(self, url: str, counts: dict[str, int]) -> Problems:
        """The problem of an extension that is on its element more often than it is defined to be; told once."""
        count = counts[url] = counts.get(url, 0) + 1
        definition = self._definition(url) if count > 1 else None
        if definition is None or count != definition.maximum + 1:
            return []
        text = f"{url} may be here {int(definition.maximum)} time(s) only, as its definition says"
        return [Problem("extension-max", "structure", text)]

    def _one(self, extension: Json, key: str, owner: Owner, value: Json, context: Context) -> Problems:
        url = extension["url"]
        if owner.url and not is_absolute(url):
            return self._part(url, owner.url)
        definition = self._definition(url)
        if definition is None:
            return _unknown(url, key)
        found: Problems = []
        if definition.modifier != (key == "modifierExtension"):
            right = "modifierExtension" if definition.modifier else "extension"
            found.append(Problem("extension-modifier", "structure", f"{url} belongs into {right}"))
        if definition.contexts and not self._fits(definition, owner, context):
            allowed = listed(expression for _, expression in definition.contexts)
            text = f"{url} may not be used here, on {owner.names[0]}: only on {allowed}"
            found.append(Problem("extension-context", "structure", text))
        for expression in definition.invariants:
            text = f"{url} may be used only where {expression}"
            if self._true(expression, value, owner.type, context) is False:
                found.append(Problem("extension-context", "invariant", text))
        try:
            found.extend(self.compiler.run(definition.profile, extension, None, "Extension", context) or ())
        except FhirError as failure:
            found.append(Problem("profile-unusable", "processing", str(failure), severity="warning"))
        return found

    def _part(self, url: str, outer: str) -> Problems:
        """The problems of a part of an extension, which is defined with it."""
        definition = self._definition(outer)
        if definition is None or not definition.parts or url in definition.parts:
            return []
        text = f"{outer} has no part {shown(url)}{nearest(url, definition.parts)}"
        return [Problem("extension-part", "extension", text, ".url")]

    def _definition(self, url: str) -> Definition | None:
        if url not in self._known:
            structure = self.compiler.registry.structure(url)
            profile = self.compiler.profile(url) if structure and structure.get("type") == "Extension" else None
            self._known[url] = _read(structure, profile, self._parts(url)) if structure and profile else None
            if len(self._known) > 10_000:
                self._known = {url: self._known[url]}
        return self._known[url]

    def _parts(self, url: str) -> frozenset[str]:
        """The urls of the parts that an extension defines, those of its base among them; none where that is unclear."""
        try:
            tree = self.compiler.registry.tree(url)
        except FhirError:  # its profile tells
            return frozenset()
        inner = (tree.children or {}).get("extension") if tree else None
        urls = frozenset(paths.extension_url(each) for each in inner.slices.values()) if inner else frozenset()
        return frozenset() if "" in urls else urls

    def _fits(self, definition: Definition, owner: Owner, context: Context) -> bool:
        for kind, expression in definition.contexts:
            if kind == "element" and ("#" in expression or ":" in expression or expression in owner.names):
                return True
            if kind == "extension" and expression.partition("|")[0] in (owner.url, owner.around):
                return True
            if kind == "fhirpath":
                root = str(context.resource.get("resourceType", ""))
                if self._true(expression, context.resource, root, context) is not False:
                    return True
        return False

    def _true(self, expression: str, value: Any, type_name: str, context: Context) -> bool | None:
        """Whether an expression gives something other than false; None where it can't be evaluated."""
        try:
            values = compile_path(expression, self._definitions, type_name).values(
                value, context.resource, context.environment
            )
        except FhirPathError:
            return None
        return bool(values) and values != [("boolean", False)]

    def _owner(self, root: str, trail: Trail, value: Json) -> Owner | None:
        keys = _keys(trail)
        known = self._owners.get((root, keys))
        if known is None:
            if len(self._owners) > MAX_OWNERS:
                self._owners.clear()
            known = self._owners[root, keys] = self._name(root, keys)
        if known is UNKNOWN:
            return None
        return known if known.type != "Extension" else known._replace(url=str(value.get("url", "")) or "-")

    def _name(self, root: str, keys: tuple[str, ...]) -> Owner:
        """The type and names of what stands at these properties of a resource; UNKNOWN where R4 has no such."""
        interfaces = CANONICAL if self._definitions.properties(root).keys() >= IDENTIFIED else ()
        owner = Owner(root, (*self._definitions.ancestors(root), *interfaces, "Element"), "")
        for key in keys:
            properties = self._definitions.properties(owner.type)
            found = properties.get(key) or (properties.get(key[1:]) if key[:1] == "_" else None)
            if found is None:
                return UNKNOWN
            literal = tuple(f"{outer}.{found.element.name}" for outer in owner.names)
            choices = tuple(f"{each}[x]" for each in literal) if found.element.choice else ()
            owner = Owner(found.type.code, (*literal, *choices, *self._definitions.ancestors(found.type.code)), "")
        return owner

    def _path(self, root: str, trail: Trail) -> str:
        """The FHIRPath of a place, from the resource."""
        parts = []
        while trail is not None:
            trail, key, position = trail
            parts.append((key, position))
        path, type_name = "", root
        for key, position in reversed(parts):
            properties = self._definitions.properties(type_name)
            found = properties[key] if key in properties else properties[key[1:]]
            path += f".{found.element.name}" + (f"[{position}]" if position >= 0 else "")
            type_name = found.type.code
        return path


def _find(value: Json, trail: Trail, places: list[tuple[Trail, Json, str]], around: str = "") -> None:
    """Lists every object that has extensions, but for those in resources that this one holds.

    around: the url of the extension whose value it is.
    """
    if "extension" in value or "modifierExtension" in value:
        places.append((trail, value, around))
    url = str(value.get("url", "")) if trail is not None and trail[1] in ARRAYS else ""
    for key, item in value.items():
        kind = type(item)
        if kind is dict:
            if "resourceType" not in item:
                _find(item, (trail, key, -1), places, url)
        elif kind is list and key != "contained":
            for position, each in enumerate(item):
                if type(each) is dict:
                    _find(each, (trail, key, position), places)


def _keys(trail: Trail) -> tuple[str, ...]:
    keys = []
    while trail is not None:
        trail, key, _ = trail
        keys.append(key)
    return tuple(reversed(keys))


def _read(structure: Json, profile: Profile, parts: frozenset[str]) -> Definition:
    elements = (structure.get("snapshot") or structure.get("differential") or {}).get("element", [])
    contexts = [(str(c.get("type")), str(c.get("expression"))) for c in structure.get("context", ())]
    if structure["url"] in _WIDER:
        contexts.append(_WIDER[structure["url"]])
    return Definition(
        profile,
        tuple(contexts),
        tuple(structure.get("contextInvariant", ())),
        bool(elements and elements[0].get("isModifier", False)),
        _maximum(elements),
        parts,
    )


def _maximum(elements: list[Json]) -> float:
    """How often an extension may be on one element: max of the root of its definition."""
    most = elements[0].get("max", "*") if elements and elements[0].get("path") == "Extension" else "*"
    return int(most) if str(most).isdecimal() else float("inf")


def _unknown(url: str, key: str) -> Problems:
    if not is_absolute(url):
        return [Problem("extension-url", "value", f"the url {shown(url)} of an extension must be absolute", ".url")]
    if key == "modifierExtension":
        text = f"the modifier {url} is not understood here: what it changes in the meaning is unknown"
        return [Problem("modifier-unknown", "extension", text, severity="warning")]
    if url.startswith(CORE) and core.find(url) is None:
        hint = nearest(url.removeprefix(CORE), [known.removeprefix(CORE) for known in core.urls()])
        return [Problem("extension-unknown", "extension", f"R4 defines no extension {url}{hint}", severity="warning")]
    return []
