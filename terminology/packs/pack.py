"""Packs: the terminology that ships with the server, thousands of resources of which few are ever asked for.

A pack is two files: NAME.ndjson.zst, one JSON resource a line in zstd frames of about a megabyte that can be read one
by one, and NAME.index.msgpack.zst, which says where each resource is. `zstd -dc NAME.ndjson.zst` shows the content.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from decimal import Decimal
from importlib import resources
from pathlib import Path
from typing import Any

import msgspec
import zstandard

FRAME = 1 << 20
_LEVEL = 19

Json = dict[str, Any]


class Entry(msgspec.Struct, frozen=True, array_like=True):
    """Where one resource is: the frame's offset and length in the file, then its own within the frame.

    of: for a CodeSystem that is a supplement, what it supplements; for a ConceptMap its source and target and the
    systems of its groups.
    """

    type: str
    url: str
    version: str
    frame: int
    frame_length: int
    start: int
    length: int
    of: tuple[str, ...] = ()


class _Name(msgspec.Struct):
    code: str
    display: str = ""


class _Names(msgspec.Struct):
    concept: list[_Name]


_decode_names = msgspec.json.Decoder(_Names)
_decode_index = msgspec.msgpack.Decoder(list[Entry])
_decode_resource = msgspec.json.Decoder(float_hook=Decimal)


def canonical_parts(canonical: str) -> tuple[str, str]:
    """url and version of a canonical URL; version "" where it has none, a fragment is left out."""
    url, _, version = canonical.partition("|")
    return url.partition("#")[0], version


def _of(resource: Json) -> tuple[str, ...]:
    if resource["resourceType"] == "CodeSystem":
        return (resource["supplements"],) if "supplements" in resource else ()
    if resource["resourceType"] != "ConceptMap":
        return ()
    ends = [resource.get(f"{end}{kind}") for end in ("source", "target") for kind in ("Canonical", "Uri")]
    groups = [group.get(end) for group in resource.get("group", ()) for end in ("source", "target")]
    return tuple(dict.fromkeys(filter(None, ends + groups)))


def write(name: str, found: Iterable[Json], folder: Path) -> int:
    """Writes a pack of these resources, each of which has a url; returns how many."""
    encode = msgspec.json.Encoder(decimal_format="number").encode
    compress = zstandard.ZstdCompressor(level=_LEVEL, write_content_size=True).compress
    entries: list[Entry] = []
    waiting: list[tuple[Json, bytes]] = []
    offset = 0
    with (folder / f"{name}.ndjson.zst").open("wb") as output:

        def flush() -> None:
            nonlocal offset
            packed = compress(b"".join(line for _, line in waiting))
            start = 0
            for resource, line in waiting:
                version = resource.get("version", "")
                kind, url = resource["resourceType"], resource["url"]
                entries.append(Entry(kind, url, version, offset, len(packed), start, len(line), _of(resource)))
                start += len(line)
            output.write(packed)
            offset += len(packed)
            waiting.clear()

        for resource in found:
            waiting.append((resource, encode(resource) + b"\n"))
            if sum(len(line) for _, line in waiting) > FRAME:
                flush()
        if waiting:
            flush()
    (folder / f"{name}.index.msgpack.zst").write_bytes(compress(msgspec.msgpack.encode(entries)))
    return len(entries)


class Pack:
    """One pack, opened; its index is read on first use, a frame when a resource in it is asked for."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._folder = resources.files("terminology.packs")

    @functools.cached_property
    def entries(self) -> dict[tuple[str, str], list[Entry]]:
        """(type, url) -> its versions, newest first."""
        packed = self._folder.joinpath(f"{self.name}.index.msgpack.zst").read_bytes()
        found: dict[tuple[str, str], list[Entry]] = {}
        for entry in _decode_index.decode(zstandard.ZstdDecompressor().decompress(packed)):
            found.setdefault((entry.type, entry.url), []).append(entry)
        return found

    @functools.cached_property
    def supplements(self) -> dict[str, list[Entry]]:
        """Code system URL -> the supplements to it."""
        found: dict[str, list[Entry]] = {}
        for (type, _), entries in self.entries.items():
            for entry in entries:
                if type == "CodeSystem" and entry.of:
                    found.setdefault(canonical_parts(entry.of[0])[0], []).append(entry)
        return found

    @functools.lru_cache(maxsize=4)  # noqa: B019 - packs live as long as the process
    def _frame(self, offset: int, length: int) -> bytes:
        with self._folder.joinpath(f"{self.name}.ndjson.zst").open("rb") as packed:
            packed.seek(offset)
            return zstandard.ZstdDecompressor().decompress(packed.read(length))

    def _bytes(self, entry: Entry) -> bytes:
        frame = self._frame(entry.frame, entry.frame_length)
        return frame[entry.start : entry.start + entry.length]

    def read(self, entry: Entry) -> Json:
        """The resource."""
        return _decode_resource.decode(self._bytes(entry))

    def names(self, entry: Entry) -> dict[str, str]:
        """The displays of a flat CodeSystem by code, without all the rest of it."""
        return {concept.code: concept.display for concept in _decode_names.decode(self._bytes(entry)).concept}
