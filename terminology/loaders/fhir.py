"""Terminology in FHIR: CodeSystems, ValueSets, ConceptMaps of files, folders and packages, HL7's own (THO) too."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from fhir_server import definitions
from fhir_server.codec import xml
from fhir_server.core.errors import error
from terminology.loaders.loader import Loader, Options, Plan, Stage
from terminology.model import SystemInfo
from terminology.shape import require_shape

TYPES = ("CodeSystem", "ValueSet", "ConceptMap")
MAX_BYTES = 2 << 30
MAX_FILE = 512 << 20
_decode = msgspec.json.Decoder(float_hook=Decimal).decode

Json = dict[str, Any]


def _files(source: Path) -> Iterator[tuple[str, bytes]]:
    if source.is_dir():
        for path in sorted(source.rglob("*")):
            if path.suffix in (".json", ".xml"):
                yield str(path.relative_to(source)), path.read_bytes()
    elif source.suffix in (".json", ".xml"):
        yield source.name, source.read_bytes()
    else:
        yield from _packed(source)


def _packed(source: Path) -> Iterator[tuple[str, bytes]]:
    try:
        read = 0
        with tarfile.open(source, "r|*") as tar:
            for member in tar:
                if not member.isfile() or not member.name.endswith((".json", ".xml")):
                    continue
                read += member.size
                if member.size > MAX_FILE or read > MAX_BYTES:
                    raise error("too-large", f"{source.name} would unpack to more than {MAX_BYTES >> 20} MB.")
                content = tar.extractfile(member)
                if content is not None:
                    yield member.name, content.read()
    except (tarfile.TarError, EOFError, OSError) as failure:
        message = f"{source.name} is no JSON, XML, folder or package (.tgz) that can be read: {failure}."
        raise error("unprocessable", message) from None


def resources(source: Path) -> Iterator[Json]:
    """Those with a url; the examples of a package are left out, and Bundles are opened."""
    for name, content in _files(source):
        if name.endswith(("package.json", ".index.json", "ig-r4.json")) or "/example/" in f"/{name}":
            continue
        found = _read(name, content)
        entries = found.get("entry") or () if found.get("resourceType") == "Bundle" else ({"resource": found},)
        for each in entries:
            resource = each.get("resource") if isinstance(each, dict) else None
            if isinstance(resource, dict) and resource.get("resourceType") in TYPES and resource.get("url"):
                require_shape(resource, "Resource", f"{name}: {resource['resourceType']}", optional=True)
                yield resource


def _read(name: str, content: bytes) -> Json:
    if name.endswith(".xml"):
        if not any(f"<{type}".encode() in content for type in (*TYPES, "Bundle")):
            return {}
        return xml.parse(content, definitions.load())
    try:
        found = _decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError) as failure:
        raise error("unprocessable", f"{name} is not JSON: {failure}.") from None
    return found if isinstance(found, dict) else {}


def plan(source: Path, options: Options) -> Plan:
    """Each resource is stored as it comes."""
    if next(resources(source), None) is None:
        raise error("unprocessable", f"{source.name} has no CodeSystem, ValueSet or ConceptMap with a url.")
    return Plan(SystemInfo(""), (Stage("resources", "resources", lambda: resources(source)),))


LOADER = Loader(
    "fhir", "FHIR terminology (THO, packages)",
    "a .json or .xml file, a folder of them, or a FHIR package (.tgz) such as hl7.terminology.r4", {}, plan,
)  # fmt: skip
