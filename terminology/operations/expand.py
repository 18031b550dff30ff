"""ValueSet/$expand (https://hl7.org/fhir/R4/valueset-operation-expand.html)."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

from fhir_server.core.errors import error
from fhir_server.core.keys import instant
from terminology.catalog import Catalog
from terminology.compose.compiled import CompiledSet
from terminology.compose.expansion import Expanded, Member, Wanted, expand
from terminology.language import all_designations, all_details, display, speaks
from terminology.model import Designation
from terminology.operations.arguments import Arguments
from terminology.operations.view import value_set, view
from terminology.service import Terminology
from terminology.versions import joined, split

# The parameters that shape an expansion, and are repeated in it.
_SHAPING = (
    "filter", "offset", "count", "includeDesignations", "designation", "activeOnly", "excludeNested",
    "excludeNotForUI", "excludePostCoordinated", "displayLanguage", "exclude-system", "system-version",
    "check-system-version", "force-system-version", "property",
)  # fmt: skip
_TYPES = {  # of those that are no strings: those of a GET come as text
    "offset": "Integer", "count": "Integer", "includeDesignations": "Boolean", "activeOnly": "Boolean",
    "excludeNested": "Boolean", "excludeNotForUI": "Boolean", "excludePostCoordinated": "Boolean",
    "displayLanguage": "Code", "exclude-system": "Uri", "system-version": "Uri", "check-system-version": "Uri",
    "force-system-version": "Uri",
}  # fmt: skip
_KEPT = (
    "url", "version", "name", "title", "status", "experimental", "date", "publisher", "description", "copyright",
    "identifier", "immutable", "jurisdiction", "contact", "useContext", "purpose",
)  # fmt: skip
_PROPERTY_EXTENSION = "http://hl7.org/fhir/5.0/StructureDefinition/extension-ValueSet.expansion.contains.property"

Json = dict[str, Any]


def expand_value_set(service: Terminology, arguments: Arguments, instance: Json | None = None) -> Json:
    """The ValueSet with its expansion.

    FhirError not-found where a code system or value set that it needs isn't known, too-costly where it is too large.
    """
    catalog = view(service, arguments)
    if arguments.text("contextDirection") not in ("", "incoming", "outgoing"):
        raise error("value", "contextDirection is incoming or outgoing.", location="contextDirection")
    compiled = value_set(service, catalog, arguments, instance)
    nested = arguments.flag("excludeNested") is False
    wanted = Wanted(
        text=arguments.text("filter").strip(),
        active=bool(arguments.flag("activeOnly")),
        selectable=bool(arguments.flag("excludeNotForUI")),
        exclude_systems=frozenset(split(canonical) for canonical in arguments.texts("exclude-system")),
        offset=arguments.whole("offset") or 0,
        count=arguments.whole("count"),
        limit=service.limit,
    )
    with service.store.limited(service.seconds):
        expanded = expand(catalog, compiled, wanted)
        contains = _contains(catalog, expanded, arguments, nested and wanted.count is None)
    return {
        "resourceType": "ValueSet",
        **_head(catalog, compiled, arguments, instance),
        "expansion": _expansion(service, compiled, arguments, expanded, contains, wanted),
    }


def _head(catalog: Catalog, compiled: CompiledSet, arguments: Arguments, instance: Json | None) -> Json:
    """The value set's own elements."""
    resource = (
        instance or arguments.resource("valueSet", "ValueSet") or catalog.value_set(compiled.url, compiled.version)
    )
    resource = resource or {"url": compiled.url, "status": "active"}
    kept = (*_KEPT, "compose") if arguments.flag("includeDefinition") else _KEPT
    return {"status": "active", **{key: resource[key] for key in kept if key in resource}}


def _expansion(
    service: Terminology,
    compiled: CompiledSet,
    arguments: Arguments,
    expanded: Expanded,
    contains: list[Json],
    wanted: Wanted,
) -> Json:
    used = [_used(name, value) for name in _SHAPING for value in arguments.all(name)]
    versions = dict.fromkeys((m.system, m.version) for m in expanded.members if m.version)
    used += [{"name": "version", "valueUri": joined(system, version)} for system, version in versions]
    # The same question to the same content is the same expansion.
    name = f"{compiled.canonical} {service.store.generation()} {used}"
    identifier = f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, name)}"
    expansion: Json = {"identifier": identifier, "timestamp": instant(service.clock())}
    if expanded.total is not None:
        expansion["total"] = expanded.total
    if wanted.count is not None or wanted.offset:
        expansion["offset"] = wanted.offset
    if used:
        expansion["parameter"] = used
    if contains:
        expansion["contains"] = contains
    return expansion


def _used(name: str, value: Any) -> Json:
    """A parameter as the expansion repeats it, with a value of its type."""
    type = _TYPES.get(name, "String")
    if type == "Integer":
        value = int(value)
    elif type == "Boolean":
        value = value in (True, "true")
    return {"name": name, f"value{type}": value}


def _contains(catalog: Catalog, expanded: Expanded, arguments: Arguments, nested: bool) -> list[Json]:
    language = arguments.text("displayLanguage")
    chosen = arguments.texts("designation")
    shown = bool(arguments.flag("includeDesignations")) or bool(chosen)
    properties = arguments.texts("property")
    found = [
        _entry(catalog, member, language, shown, chosen, properties)
        if language or shown or properties
        else _plain_entry(member)
        for member in expanded.members
    ]
    return _nested(expanded.members, found) if nested else found


def _plain_entry(member: Member) -> Json:
    concept = member.concept
    entry: Json = {"system": member.system}
    if member.version:
        entry["version"] = member.version
    if concept.flags:
        if concept.abstract:
            entry["abstract"] = True
        if concept.inactive:
            entry["inactive"] = True
    entry["code"] = concept.code
    if member.display:
        entry["display"] = member.display
    return entry


def _entry(
    catalog: Catalog, member: Member, language: str, shown: bool, chosen: Sequence[str], properties: Sequence[str]
) -> Json:
    entry = _plain_entry(member)
    designations: list[Designation] = list(member.listed.designations) if member.listed else []
    own = ""
    if member.provider:
        designations += all_designations(catalog, member.provider, member.concept)
        own = member.provider.info.resource.get("language", "")
    if language:
        entry["display"] = display(language, member.display, own, designations) or member.concept.code
    if shown:
        wanted = [d for d in designations if not chosen or any(_is_chosen(d, each) for each in chosen)]
        if wanted:
            entry["designation"] = [_designation(d) for d in wanted]
    if properties and member.provider:
        values = _properties(catalog, member, properties)
        if values:
            entry["extension"] = values
    return entry


def _is_chosen(designation: Designation, token: str) -> bool:
    """token: a use as system|code, or a language as urn:ietf:bcp:47|code; a bare code may be either."""
    system, _, code = token.rpartition("|")
    if system == "urn:ietf:bcp:47" or (not system and speaks(code.lower(), designation.language)):
        return speaks(code.lower(), designation.language)
    return designation.use.get("code") == code and system in ("", designation.use.get("system"))


def _designation(designation: Designation) -> Json:
    found: Json = {"language": designation.language, "use": dict(designation.use), "value": designation.value}
    return {key: value for key, value in found.items() if value}


def _properties(catalog: Catalog, member: Member, wanted: Sequence[str]) -> list[Json]:
    assert member.provider is not None
    details = all_details(catalog, member.provider, member.concept)
    known = [*(property for each in details for property in each.properties), *details[0].related]
    found = [(p.code, p.type, p.value) for p in known if p.code in wanted]
    if member.concept.definition and "definition" in wanted:
        found.append(("definition", "string", member.concept.definition))
    return [
        {
            "url": _PROPERTY_EXTENSION,
            "extension": [
                {"url": "code", "valueCode": code},
                {"url": "value", f"value{type[0].upper()}{type[1:]}": value},
            ],
        }
        for code, type, value in found
    ]


def _nested(members: list[Member], entries: list[Json]) -> list[Json]:
    """The entries as trees: each below the first of its parents that is in the expansion."""
    by_id = {(id(m.provider), m.concept.id): entry for m, entry in zip(members, entries, strict=True) if m.provider}
    roots: list[Json] = []
    for member, entry in zip(members, entries, strict=True):
        parents = member.provider.parents([member.concept]) if member.provider else {}
        above = (by_id.get((id(member.provider), parent)) for parent in parents.get(member.concept.id, ()))
        parent = next((found for found in above if found is not None and found is not entry), None)
        if parent is None:
            roots.append(entry)
        else:
            parent.setdefault("contains", []).append(entry)
    return roots
