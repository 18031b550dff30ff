"""Compiles the official R4 definition bundles to `r4.msgpack.zst`.

    python -m fhir_server.definitions.compile [ARCHIVE] [OUTPUT]

ARCHIVE is a tar.zst with HL7's JSON bundles (profiles-types, profiles-resources, search-parameters, valuesets,
v2-tables, v3-codesystems); by default the one beside this file.
"""

from __future__ import annotations

import io
import json
import re
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import zstandard

from fhir_server.definitions.expressions import root_of, split_union
from fhir_server.definitions.tables import (
    UNBOUNDED,
    Binding,
    CompartmentDefinition,
    Component,
    Element,
    Invariant,
    Operation,
    OperationParameter,
    SearchParameter,
    Tables,
    TypeDefinition,
    TypeReference,
)
from fhir_server.definitions.valuesets import ValueSetExpander

HERE = Path(__file__).parent
STRUCTURE_BASE = "http://hl7.org/fhir/StructureDefinition/"
EXTENSION_FHIR_TYPE = STRUCTURE_BASE + "structuredefinition-fhir-type"
EXTENSION_REGEX = STRUCTURE_BASE + "regex"
EXTENSION_BEST_PRACTICE = STRUCTURE_BASE + "elementdefinition-bestpractice"
MAX_VALUE_SET = STRUCTURE_BASE + "elementdefinition-maxValueSet"
ROOT_TYPES = ("Resource", "DomainResource")
ROOTS = r"\b(Domain)?Resource\b"
INHERITED_INVARIANTS = {"ele-1", "ext-1"}  # every snapshot element repeats them; they stand on Element and Extension

Json = dict[str, Any]


def read_bundles(archive: Path) -> dict[str, list[Json]]:
    """File name without ending -> the resources of its Bundle."""
    bundles = {}
    with archive.open("rb") as packed:
        unpacked = io.BytesIO(zstandard.ZstdDecompressor().stream_reader(packed).read())
    with tarfile.open(fileobj=unpacked) as tar:
        for member in tar:
            if member.name.endswith(".json"):
                content = tar.extractfile(member)
                assert content is not None
                bundles[Path(member.name).stem] = [entry["resource"] for entry in json.load(content)["entry"]]
    return bundles


def extension_value(holder: Json, url: str) -> Any:
    """The value of the extension with this URL, None where there is none."""
    for extension in holder.get("extension", ()):
        if extension["url"] == url:
            return next(value for key, value in extension.items() if key.startswith("value"))
    return None


def invariants(element: Json, without: set[str]) -> tuple[Invariant, ...]:
    """The constraints of an element, but for those that its type has anyway."""
    return tuple(
        Invariant(
            c["key"], c["severity"], c["human"], c["expression"], bool(extension_value(c, EXTENSION_BEST_PRACTICE))
        )
        for c in element.get("constraint", ())
        if "expression" in c and c["key"] not in without
    )


def type_references(element: Json, path: str, has_children: bool) -> tuple[TypeReference, ...]:
    """The types of an element; a backbone element's type is its own path."""
    if "contentReference" in element:
        return (TypeReference(element["contentReference"].partition("#")[2]),)
    references = []
    for entry in element["type"]:
        code = entry["code"]
        if code.startswith("http://hl7.org/fhirpath/"):
            code = extension_value(entry, EXTENSION_FHIR_TYPE) or "string"
            if (
                path.count(".") == 1
                and path.endswith(".id")
                and path[0].isupper()
                and "Resource.id" in element["base"]["path"]
            ):
                code = "id"
        if has_children and code in ("BackboneElement", "Element"):
            code = path
        targets = tuple(sorted(t.rpartition("/")[2] for t in entry.get("targetProfile", ())))
        if "Resource" in targets:
            targets = ()
        references.append(TypeReference(code, targets, tuple(entry.get("profile", ()))))
    return tuple(references)


def compile_binding(raw: Json) -> Binding:
    """The binding of an ElementDefinition."""
    stated = [e.get("valueCanonical", "") for e in raw.get("extension", ()) if e["url"] == MAX_VALUE_SET]
    return Binding(raw["strength"], raw["valueSet"], next((url for url in stated if "/ValueSet/" in url), ""))


def compile_element(raw: Json, has_children: bool) -> Element:
    """One ElementDefinition as a row."""
    path = raw["path"]
    name = path.rpartition(".")[2]
    choice = name.endswith("[x]")
    binding = raw.get("binding")
    representation = {"xmlAttr": "attribute", "xhtml": "xhtml"}.get((raw.get("representation") or [""])[0], "")
    return Element(
        name=name.removesuffix("[x]"),
        types=type_references(raw, path, has_children),
        min=raw["min"],
        max=UNBOUNDED if raw["max"] == "*" else int(raw["max"]),
        choice=choice,
        summary=raw.get("isSummary", False),
        modifier=raw.get("isModifier", False),
        representation=representation,
        binding=compile_binding(binding) if binding and "valueSet" in binding else None,
        invariants=() if has_children else invariants(raw, INHERITED_INVARIANTS),
        short=raw.get("short", ""),
    )


def compile_structure(structure: Json) -> Iterator[TypeDefinition]:
    """A StructureDefinition as its own type and one for each backbone element."""
    raws = [e for e in structure["snapshot"]["element"] if e.get("max") != "0"]
    parents = {e["path"].rpartition(".")[0] for e in raws}
    kind = {"resource": "resource", "primitive-type": "primitive"}.get(structure["kind"], "complex")
    pattern = ""
    if kind == "primitive":
        value = next(e for e in raws if e["path"].endswith(".value")) if structure["id"] != "xhtml" else {"type": [{}]}
        pattern = extension_value(value["type"][0], EXTENSION_REGEX) or ""
    for owner in raws:
        path = owner["path"]
        root = path == structure["type"]
        if not root and path not in parents:
            continue
        children = [e for e in raws if e["path"].rpartition(".")[0] == path]
        base = structure.get("baseDefinition", "").rpartition("/")[2] if root else owner["type"][0]["code"]
        yield TypeDefinition(
            name=path,
            kind=kind if root else "backbone",
            elements=tuple(compile_element(e, e["path"] in parents) for e in children),
            base=base,
            abstract=structure["abstract"] and root,
            pattern=pattern if root else "",
            invariants=invariants(owner, set()),
            short=owner.get("short", ""),
        )


def compile_search_parameter(raw: Json) -> SearchParameter:
    """A SearchParameter with its expression split by base type."""
    parts = split_union(raw.get("expression", ""))
    branches: dict[str, tuple[str, ...]] = {}
    for base in raw["base"]:
        # one base and a path without a type in front (InsurancePlan-name) is a path from that base
        relative = len(raw["base"]) == 1 and parts and not any(root_of(part)[:1].isupper() for part in parts)
        if relative:
            mine = tuple(f"{base}.{part}" for part in parts)
        else:  # a path of every resource (US Core's _id of a Patient) is one of this base
            own = [re.sub(ROOTS, base, part, count=1) if root_of(part) in ROOT_TYPES else part for part in parts]
            mine = tuple(part for part in own if root_of(part) == base)
        if mine:
            branches[base] = mine
    return SearchParameter(
        url=raw["url"],
        code=raw["code"],
        type=raw["type"],
        base=tuple(raw["base"]),
        branches=branches,
        targets=tuple(raw.get("target", ())),
        components=tuple(Component(c["definition"], c["expression"]) for c in raw.get("component", ())),
        description=raw.get("description", ""),
    )


def compile_compartment(raw: Json) -> CompartmentDefinition:
    """A CompartmentDefinition: only the types that can be members."""
    members = {r["code"]: tuple(r["param"]) for r in raw["resource"] if r.get("param")}
    return CompartmentDefinition(raw["code"], members)


def compile_operation(raw: Json) -> Operation:
    """An OperationDefinition."""
    parameters = tuple(
        OperationParameter(
            p["name"],
            p["use"],
            p["min"],
            UNBOUNDED if p["max"] == "*" else int(p["max"]),
            p.get("type", ""),
            p.get("documentation", ""),
        )
        for p in raw.get("parameter", ())
    )
    return Operation(
        url=raw["url"],
        code=raw["code"],
        resources=tuple(raw.get("resource", ())),
        system=raw["system"],
        type=raw["type"],
        instance=raw["instance"],
        affects_state=raw.get("affectsState", False),
        parameters=parameters,
        title=raw.get("name", ""),
    )


def required_value_sets(types: dict[str, TypeDefinition]) -> set[str]:
    """The value sets that some element is bound to with strength required."""
    return {
        element.binding.value_set.partition("|")[0]
        for definition in types.values()
        for element in definition.elements
        if element.binding and element.binding.strength == "required"
    }


def compile_tables(bundles: dict[str, list[Json]]) -> Tables:
    """All the tables from the bundles."""
    types: dict[str, TypeDefinition] = {}
    for raw in bundles["profiles-types"] + bundles["profiles-resources"]:
        if (
            raw["resourceType"] == "StructureDefinition"
            and raw.get("derivation") != "constraint"
            and raw["kind"] != "logical"
        ):
            types.update((definition.name, definition) for definition in compile_structure(raw))
    others = bundles["profiles-resources"]
    expander = ValueSetExpander(bundles["valuesets"] + bundles["v2-tables"] + bundles["v3-codesystems"])
    codes = {}
    for url in sorted(required_value_sets(types)):
        expansion = expander.expand(url)
        if expansion is not None:
            codes[url] = {system: tuple(sorted(found)) for system, found in sorted(expansion.items())}
    return Tables(
        version="4.0.1",
        types=types,
        search_parameters=tuple(compile_search_parameter(raw) for raw in bundles["search-parameters"]),
        compartments={
            r["code"]: compile_compartment(r) for r in others if r["resourceType"] == "CompartmentDefinition"
        },
        operations=tuple(compile_operation(r) for r in others if r["resourceType"] == "OperationDefinition"),
        codes=codes,
    )


def main(archive: Path = HERE / "source" / "r4-bundles.tar.zst", output: Path = HERE / "r4.msgpack.zst") -> None:
    """Compiles and says what came of it."""
    tables = compile_tables(read_bundles(archive))
    packed = zstandard.compress(msgspec.msgpack.encode(tables), 19)
    output.write_bytes(packed)
    print(
        f"{output}: {len(tables.types)} types, {len(tables.search_parameters)} search parameters, "
        f"{len(tables.codes)} value sets, {len(packed) // 1024} KiB"
    )


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:3]))
