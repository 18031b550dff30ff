"""Compiles hl7apy's tables of the standard to one file a version: `python -m interfaces.hl7v2.er7.compile_structures`.

hl7apy (MIT licence) transcribed the standard's abstract message syntax, segments and data types of 2.1 to 2.8.2. What
is read from it: messages as trees of groups and segments with their cardinalities, fields of segments with name, data
type and table, components of data types. Nothing of hl7apy is imported when messages are read.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import msgspec
import zstandard

TARGET = Path(__file__).parent / "structures"


def compile_version(module: str) -> dict[str, Any]:
    """{"messages": {structure: children}, "segments": {name: fields}, "types": {name: components}}.

    A child is [name, min, max] for a segment and [name, min, max, children] for a group, max -1 for any number. A field
    is [name, data type, min, max, table]; a component is [name, data type, table].
    """
    messages = importlib.import_module(f"{module}.messages").MESSAGES
    segments = importlib.import_module(f"{module}.segments").SEGMENTS
    types = importlib.import_module(f"{module}.datatypes").DATATYPES_STRUCTS
    return {
        "messages": {name: _children(entry, name + "_") for name, entry in sorted(messages.items())},
        "segments": {name: [_field(field) for field in _entries(entry)] for name, entry in sorted(segments.items())},
        "types": {name: [_component(one) for one in _entries(entry)] for name, entry in sorted(types.items())},
    }


def _entries(sequence: Any) -> list[Any]:
    """The entries of ("sequence" or "choice", entries); a lost comma leaves one entry bare."""
    entries = sequence[1] if len(sequence) > 1 and sequence[0] in ("sequence", "choice") else sequence
    if entries and isinstance(entries[0], str):
        entries = [entries]
    return [entry for entry in entries or () if len(entry) > 2 and entry[1]]


def _children(sequence: Any, prefix: str) -> list[Any]:
    children: list[Any] = []
    for name, reference, (least, most), kind in _entries(sequence):
        if kind == "GRP":
            children.append([name.removeprefix(prefix), least, most, _children(reference, prefix)])
        else:
            children.append([name, least, most])
    return children


def _field(entry: Any) -> list[Any]:
    _, reference, (least, most) = entry[:3]
    return [reference[3] or "", reference[2] or "", least, most, reference[4] or ""]


def _component(entry: Any) -> list[str]:
    reference = entry[1]
    return [reference[3] or "", reference[2] or "", reference[4] or ""]


def main() -> None:
    """Writes every version's file."""
    libraries = importlib.import_module("hl7apy").SUPPORTED_LIBRARIES
    TARGET.mkdir(exist_ok=True)
    for version, module in sorted(libraries.items()):
        packed = zstandard.compress(msgspec.msgpack.encode(compile_version(module)), 19)
        (TARGET / f"{version}.msgpack.zst").write_bytes(packed)
        print(f"{version}: {len(packed):,} bytes", file=sys.stderr)


if __name__ == "__main__":
    main()
