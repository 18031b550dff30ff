"""Compiles packs from what HL7 publishes.

    python -m terminology.packs.compile r4  [fhir_server/definitions/source/r4-bundles.tar.zst]
    python -m terminology.packs.compile tho ARCHIVE
    python -m terminology.packs.compile registries SUBTAGS MEDIA-TYPES CURRENCIES COUNTRIES CVX MVX

ARCHIVE is HL7's terminology, either as its source (a tar of the UTG repository: XML and JSON files of one resource
each) or as the FHIR package hl7.terminology.r4 (.tgz); .tar.zst and .tgz are read.
The registries are the files that the loaders bcp47, mime, currencies, countries, cvx and mvx read.
"""

from __future__ import annotations

import io
import json
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import zstandard
from lxml import etree  # pyright: ignore[reportAttributeAccessIssue]

from fhir_server import definitions
from fhir_server.codec import xml
from fhir_server.core.errors import FhirError
from terminology.loaders import as_resource, countries, currencies, cvx, language_tags, media_types, mvx
from terminology.packs import pack

HERE = Path(__file__).parent
R4_SOURCE = Path(definitions.__file__).parent / "source" / "r4-bundles.tar.zst"
R4_BUNDLES = ("valuesets", "v3-codesystems", "v2-tables", "conceptmaps")
TYPES = ("CodeSystem", "ValueSet", "ConceptMap")
# What no answer of a terminology service shows, and what makes most of the source's size.
LEFT_OUT = ("text", "meta", "contact", "implicitRules", "purpose", "useContext", "jurisdiction")
# The histories of HL7's source are bundles of changes, and its listings of versions are no content.
NOT_CONTENT = ("/history/", "/control-manifests/", "/release-tracking/", "/namingSystems/")
# The Global Patient Set is SNOMED International's, under terms of its own.
NOT_OURS = ("ValueSet-snomed-intl-gps.json",)

Json = dict[str, Any]


def files(archive: Path) -> Iterator[tuple[str, bytes]]:
    """(path, content) of each file of a .tar.zst or .tgz."""
    content = archive.read_bytes()
    if archive.name.endswith(".zst"):
        content = zstandard.ZstdDecompressor().stream_reader(content).read()
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:*") as tar:
        for member in tar:
            file = tar.extractfile(member)
            if file is not None:
                yield member.name, file.read()


def in_order(content: bytes, r4: definitions.Definitions) -> bytes:
    """The document as R4 wants it; some of HL7's own files have elements in another order, or single ones twice."""
    root = etree.fromstring(content)
    _put_in_order(root, etree.QName(root).localname, r4)
    return etree.tostring(root)


def _put_in_order(element: etree._Element, type: str, r4: definitions.Definitions) -> None:
    properties = r4.properties(type)
    order = list(properties)
    kept: dict[int, etree._Element] = {}
    for child in element:
        name = etree.QName(child).localname if isinstance(child.tag, str) else ""
        if name not in properties:
            if name:
                kept[len(kept) - 10_000] = child
            continue
        single = not properties[name].element.repeats and name in {etree.QName(c).localname for c in kept.values()}
        if not single:
            kept[order.index(name) * 100_000 + len(kept)] = child
            if not properties[name].primitive and properties[name].type.code in r4.types:
                _put_in_order(child, properties[name].type.code, r4)
    element[:] = [kept[position] for position in sorted(kept)]


def resources(archive: Path) -> Iterator[Json]:
    """Every terminology resource of an archive: of Bundles, JSON files and XML files."""
    r4 = definitions.load()
    for path, content in files(archive):
        if any(part in path for part in NOT_CONTENT) or path.endswith(NOT_OURS):
            continue
        if path.endswith(".json"):
            found = json.loads(content)
        elif path.endswith(".xml") and any(b"<%s " % name.encode() in content for name in TYPES):
            try:
                found = xml.parse(in_order(content, r4), r4)
            except FhirError as failure:
                print(f"left out: {path}: {failure}", file=sys.stderr)
                continue
        else:
            continue
        if isinstance(found, dict) and found.get("resourceType") == "Bundle":
            if Path(path).stem in R4_BUNDLES:
                yield from (entry["resource"] for entry in found["entry"])
        elif isinstance(found, dict):
            yield found


def slim(resource: Json) -> Json:
    """Without narrative, contacts and the extensions that describe how the resource is governed."""
    slimmed = {key: value for key, value in resource.items() if key not in LEFT_OUT}
    kept = [e for e in slimmed.pop("extension", ()) if "supplement" in e["url"] or "valueset-" in e["url"]]
    return {**slimmed, "extension": kept} if kept else slimmed


def compile_pack(name: str, archive: Path) -> int:
    """Writes NAME's two files beside this one; returns how many resources it has."""
    unique: dict[tuple[str, str, str], Json] = {}
    for resource in resources(archive):
        if resource.get("resourceType") in TYPES and resource.get("url"):
            unique[resource["resourceType"], resource["url"], resource.get("version", "")] = slim(resource)
    ordered = sorted(unique.items(), key=lambda item: item[0][:2])
    return pack.write(name, (resource for _, resource in ordered), HERE)


def compile_registries(sources: list[Path]) -> int:
    """Writes the pack of public registries; returns how many code systems it has."""
    loaders = (language_tags, media_types, currencies, countries, cvx, mvx)
    plans = [each.LOADER.plan(source, {}) for each, source in zip(loaders, sources, strict=True)]
    return pack.write("registries", (as_resource.code_system(plan) for plan in plans), HERE)


if __name__ == "__main__":
    name, *sources = sys.argv[1:]
    if name == "registries":
        print(compile_registries(list(map(Path, sources))), "code systems in", name)
    else:
        print(compile_pack(name, Path(sources[0]) if sources else R4_SOURCE), "resources in", name)
