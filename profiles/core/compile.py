"""Makes `r4.ndjson.zst` of R4's profiles and extension definitions.

    python -m profiles.core.compile [ARCHIVE] [OUTPUT]

ARCHIVE is the tar.zst of HL7's definition bundles that the definitions are compiled from.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import zstandard

from fhir_server.codec import json as codec
from fhir_server.definitions import compile as definitions

Json = dict[str, Any]

BUNDLES = ("profiles-types", "profiles-others", "extension-definitions")
KEPT = (
    "resourceType", "version", "name", "title", "status", "kind", "abstract", "context", "contextInvariant", "type",
    "baseDefinition", "derivation",
)  # fmt: skip
KEPT_OF_ELEMENTS = (
    "id", "path", "extension", "representation", "sliceName", "slicing", "short", "min", "max", "contentReference",
    "type", "maxLength", "condition", "mustSupport", "isModifier", "binding",
)  # fmt: skip
KEPT_OF_CONSTRAINTS = ("extension", "key", "severity", "human", "expression")
VALUES = ("fixed", "pattern", "minValue", "maxValue")


def compact(structure: Json) -> Json:
    """What validation needs of a StructureDefinition, the url first."""
    kept = {"url": structure["url"], **{key: structure[key] for key in KEPT if key in structure}}
    kept["differential"] = {"element": [_element(element) for element in structure["differential"]["element"]]}
    return kept


def _element(element: Json) -> Json:
    kept = {key: element[key] for key in KEPT_OF_ELEMENTS if key in element}
    kept.update((key, value) for key, value in element.items() if key.startswith(VALUES))
    constraints = [
        {key: constraint[key] for key in KEPT_OF_CONSTRAINTS if key in constraint}
        for constraint in element.get("constraint", ())
        if "expression" in constraint
    ]
    if constraints:
        kept["constraint"] = constraints
    return kept


def structures(archive: Path) -> Iterator[Json]:
    """The StructureDefinitions that constrain a type."""
    bundles = definitions.read_bundles(archive)
    for name in BUNDLES:
        for resource in bundles[name]:
            if resource["resourceType"] == "StructureDefinition" and resource.get("derivation") == "constraint":
                yield resource


def main(
    archive: Path = definitions.HERE / "source" / "r4-bundles.tar.zst",
    output: Path = Path(__file__).parent / "r4.ndjson.zst",
) -> None:
    """Compiles and says what came of it."""
    lines = [codec.serialize(compact(structure)) for structure in structures(archive)]
    packed = zstandard.compress(b"\n".join(lines), 19)
    output.write_bytes(packed)
    print(f"{output}: {len(lines)} StructureDefinitions, {len(packed) // 1024} KiB")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:3]))
