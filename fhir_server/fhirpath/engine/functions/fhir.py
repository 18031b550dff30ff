"""FHIR's own functions on elements and references (https://hl7.org/fhir/R4/fhirpath.html#functions)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fhir_server.fhirpath import ast, references
from fhir_server.fhirpath.engine.conversion import only, single
from fhir_server.fhirpath.engine.frame import Frame
from fhir_server.fhirpath.engine.functions.function import ANY, Function
from fhir_server.fhirpath.engine.functions.utility import descendants
from fhir_server.fhirpath.engine.items import Item, Json, Node, describe, members, resource_node, system_value
from fhir_server.fhirpath.errors import FhirPathError
from fhir_server.fhirpath.model import Model
from fhir_server.fhirpath.xhtml import html_checks

Items = list[Item]
Closure = Callable[[Frame], Items]

STRUCTURE_BASE = "http://hl7.org/fhir/StructureDefinition/"


def _extension(model: Model, frame: Frame, items: Items, url: Items) -> Items:
    wanted = single(model, url, "String", "extension()")
    found: Items = []
    for item in items:
        if isinstance(item, Node):
            members(model, item, "extension", found)
    return [e for e in found if isinstance(e, Node) and e.value.get("url") == wanted]


def _has_value(model: Model, frame: Frame, items: Items) -> Items:
    item = items[0] if len(items) == 1 else None
    if isinstance(item, Node):
        return [model.is_primitive(item.type) and item.value is not None]
    return [item is not None]


def _get_value(model: Model, frame: Frame, items: Items) -> Items:
    item = items[0] if len(items) == 1 else None
    if isinstance(item, Node) and not model.is_primitive(item.type):
        return []
    value = system_value(model, item) if item is not None else None
    return [] if value is None else [value]


def _resolve(strict: bool) -> Callable[..., Items]:
    def resolve(model: Model, frame: Frame, items: Items) -> Items:
        found: Items = []
        for item in items:
            resource = _resolved(model, frame, item, strict)
            if resource is not None:
                found.append(resource)
        return found

    return resolve


def _resolved(model: Model, frame: Frame, item: Item, strict: bool) -> Node | None:
    reference = item.value if isinstance(item, Node) and item.type == "Reference" else None
    text = reference.get("reference", "") if reference is not None else _text_of(model, item)
    if not isinstance(text, str):
        return None
    if text.startswith("#"):
        return _contained(model, frame, text[1:])
    if text:
        found = _in_bundle(model, frame, text)
        if found is not None:
            return found
        resolve = frame.shared.environment.resolve
        resource = resolve(text) if resolve is not None else None
        if resource is not None:
            return resource_node(resource, text)
    if strict:
        return None
    declared = str(reference.get("type", "")).rpartition("/")[2] if reference is not None else ""
    type_name = references.type_in_text(text, model.is_resource) or declared
    return Node(type_name, {"resourceType": type_name}, name=text) if model.is_resource(type_name) else None


def _text_of(model: Model, item: Item) -> str:
    value = system_value(model, item)
    return value if isinstance(value, str) else ""


def _contained(model: Model, frame: Frame, identifier: str) -> Node | None:
    for holder in (frame.shared.container, frame.shared.resource):
        if holder is None:
            continue
        if not identifier:
            return holder
        found: Items = []
        members(model, holder, "contained", found)
        for node in found:
            if isinstance(node, Node) and node.value.get("id") == identifier:
                return node
    return None


def _in_bundle(model: Model, frame: Frame, text: str) -> Node | None:
    """The entry of the Bundle at the root whose fullUrl the reference names, or ends with where it is relative."""
    bundle = frame.shared.container or frame.shared.resource
    if bundle is None or bundle.type != "Bundle":
        return None
    entries: Items = []
    members(model, bundle, "entry", entries)
    frame.shared.budget.spend(len(entries))
    for entry in entries:
        url = entry.value.get("fullUrl", "") if isinstance(entry, Node) else ""
        if isinstance(entry, Node) and url and (url == text or ("://" not in text and url.endswith(f"/{text}"))):
            found: Items = []
            members(model, entry, "resource", found)
            if found and isinstance(found[0], Node):
                return found[0]
    return None


def _get_resource_key(model: Model, frame: Frame, items: Items) -> Items:
    """A resource's key, as getReferenceKey gives it: https://sql-on-fhir.org, required additional functions."""
    return [
        references.resource_key(item.value)
        for item in items
        if isinstance(item, Node) and model.is_resource(item.type) and item.value.get("id")
    ]


def _reference_key(compiler: Any, call: ast.Call) -> Callable[..., Items]:
    wanted = ast.type_specifier(call.arguments[0]) if call.arguments else ""
    if wanted is None or (wanted and not compiler.model.is_resource(wanted.removeprefix("FHIR."))):
        raise FhirPathError("semantic", "getReferenceKey() takes the name of a resource type", call.position)
    type_name = wanted.removeprefix("FHIR.")

    def run(model: Model, frame: Frame, items: Items, *arguments: Closure) -> Items:
        found = [
            references.reference_key(item.value, type_name, model.is_resource)
            for item in items
            if isinstance(item, Node) and item.type == "Reference"
        ]
        return [key for key in found if key]

    return run


def _conforms_to(model: Model, frame: Frame, items: Items, structure: Items) -> Items:
    item = only(items, "conformsTo()")
    url = single(model, structure, "String", "conformsTo()")
    if item is None or url is None:
        return []
    if not isinstance(item, Node):
        raise FhirPathError("execution", f"conformsTo() does not apply to {describe(items)}")
    canonical = url.partition("|")[0]
    name = canonical.removeprefix(STRUCTURE_BASE)
    if canonical.startswith(STRUCTURE_BASE) and model.is_type(name):
        return [model.is_subtype(item.type, name)]
    conforms = frame.shared.environment.conforms_to
    result = conforms(item.value, url) if conforms is not None else None
    if result is None:
        raise FhirPathError("execution", f"conformsTo() does not know the profile {url}")
    return [result]


def _html_checks(model: Model, frame: Frame, items: Items) -> Items:
    item = only(items, "htmlChecks()")
    if item is None:
        return []
    value = system_value(model, item)
    return [isinstance(value, str) and html_checks(value)]


def _check_modifiers(model: Model, frame: Frame, items: Items, *allowed: Items) -> Items:
    known = {single(model, url, "String", "checkModifiers()") for url in allowed}
    for item in [*items, *descendants(model, frame, items)]:
        if isinstance(item, Node) and item.name == "modifierExtension" and item.value.get("url") not in known:
            raise FhirPathError(
                "execution", f"{item.path} is the modifier extension {item.value.get('url')}, which is not understood"
            )
    return items


def _element_definition(model: Model, frame: Frame, items: Items) -> Items:
    found: Items = []
    for item in items:
        if isinstance(item, Node):
            definition = model.element_definition(item.parent.type if item.parent else "", item.name or item.type)
            if definition is not None:
                found.append(Node("ElementDefinition", definition, name="elementDefinition()"))
    return found


def _slice(model: Model, frame: Frame, items: Items, structure: Items, name: Items) -> Items:
    url = single(model, structure, "String", "slice()")
    slice_name = single(model, name, "String", "slice()")
    in_slice = frame.shared.environment.in_slice
    if url is None or slice_name is None:
        return []
    if in_slice is None:
        raise FhirPathError("execution", f"slice() does not know the profile {url}")
    return [item for item in items if isinstance(item, Node) and _is_in(in_slice, item, url, slice_name)]


def _is_in(in_slice: Callable[[str, Json, str, str], bool | None], item: Node, url: str, name: str) -> bool:
    result = in_slice(_definition_path(item), item.value, url, name)
    if result is None:
        raise FhirPathError("execution", f"slice() does not know the profile {url}, or no slice {name} in it")
    return result


def _definition_path(node: Node) -> str:
    if node.parent is None:
        return node.type
    return f"{_definition_path(node.parent)}.{node.name}"


FUNCTIONS = {
    "extension": Function(_extension, 1, 1),
    "hasValue": Function(_has_value),
    "getValue": Function(_get_value),
    "resolve": Function(_resolve(False), prepare=lambda compiler, call: _resolve(compiler.strict)),
    "getResourceKey": Function(_get_resource_key),
    # scoped: the argument is the name of a type, and not evaluated
    "getReferenceKey": Function(_get_resource_key, 0, 1, scoped=True, prepare=_reference_key),
    "conformsTo": Function(_conforms_to, 1, 1),
    "htmlChecks": Function(_html_checks),
    "checkModifiers": Function(_check_modifiers, 0, ANY),
    "elementDefinition": Function(_element_definition),
    "slice": Function(_slice, 2, 2),
}
