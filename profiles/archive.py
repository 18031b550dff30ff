"""Reads a FHIR package: a .tgz in npm's layout (https://hl7.org/fhir/R4/packages.html and npm's `package/` folder).

Nothing is unpacked to disk, and what would unpack to more than the limits is refused before it is read whole.
"""

from __future__ import annotations

import gzip
import io
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from fhir_server.core.errors import error

MAX_FILES = 50_000
MAX_FILE = 64 * 1024 * 1024  # bytes of one resource
MAX_TOTAL = 1024 * 1024 * 1024  # bytes of all that is unpacked

_MANIFEST = "package/package.json"
HIDDEN = "."  # the index of files, and ._a.json, which macOS puts beside a.json
_decode = msgspec.json.Decoder().decode


class Manifest(NamedTuple):
    """package.json: its name and version, the packages it depends on, and the FHIR versions it is for."""

    name: str
    version: str
    title: str
    canonical: str
    fhir_versions: tuple[str, ...]
    dependencies: dict[str, str]


class _Limited(io.RawIOBase):
    """A stream that ends with an error where it gives more than MAX_TOTAL bytes."""

    def __init__(self, inner: gzip.GzipFile) -> None:
        self._inner = inner
        self._given = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        chunk = self._inner.read(len(buffer))
        self._given += len(chunk)
        if self._given > MAX_TOTAL:
            raise error("too-large", f"The package unpacks to more than {MAX_TOTAL} bytes.")
        buffer[: len(chunk)] = chunk
        return len(chunk)


def read_package(source: Path | bytes) -> tuple[Manifest, Iterator[tuple[str, bytes]]]:
    """The manifest of a package, and an iterator of (file name, JSON bytes) of the files right in `package/`.

    FhirError malformed where it is no package, too-large where a limit is passed; the iterator raises them too.
    """
    data = source if isinstance(source, bytes) else source.read_bytes()
    for name, content in _members(data):
        if name == _MANIFEST:
            return _manifest(content), _resources(data)
    raise error("malformed", f"This is no FHIR package: it has no file {_MANIFEST}.")


def _resources(data: bytes) -> Iterator[tuple[str, bytes]]:
    for name, content in _members(data):
        folder, _, file = name.rpartition("/")
        if folder == "package" and not file.startswith(HIDDEN) and file != "package.json":
            yield file, content


def _members(data: bytes) -> Iterator[tuple[str, bytes]]:
    try:
        stream = io.BufferedReader(_Limited(gzip.GzipFile(fileobj=io.BytesIO(data))), 1 << 16)
        with tarfile.open(fileobj=stream, mode="r|") as archive:
            for position, member in enumerate(archive):
                if position >= MAX_FILES:
                    raise error("too-large", f"The package has more than {MAX_FILES} files.")
                if not member.isfile() or not member.name.endswith(".json"):
                    continue
                if member.size > MAX_FILE:
                    raise error("too-large", f"{member.name[:100]} has more than {MAX_FILE} bytes.")
                content = archive.extractfile(member)
                if content is not None:
                    yield member.name.removeprefix("./"), content.read()
    except (tarfile.TarError, EOFError, OSError, zlib.error) as broken:
        text = f"This is no FHIR package: it can't be read as a gzipped tar file ({str(broken)[:100]})."
        raise error("malformed", text) from None


def _manifest(content: bytes) -> Manifest:
    try:
        raw = _decode(content)
    except msgspec.DecodeError as broken:
        raise error("malformed", f"{_MANIFEST} is not JSON: {broken}") from None
    if not isinstance(raw, dict) or not all(isinstance(raw.get(key), str) and raw[key] for key in ("name", "version")):
        raise error("malformed", f"{_MANIFEST} must have a name and a version.")
    versions = raw.get("fhirVersions") or raw.get("fhir-version-list") or ()
    dependencies = raw.get("dependencies")
    return Manifest(
        name=raw["name"],
        version=raw["version"],
        title=str(raw.get("title", "")),
        canonical=str(raw.get("canonical", "")),
        fhir_versions=tuple(str(version) for version in versions) if isinstance(versions, list) else (),
        dependencies={str(k): str(v) for k, v in dependencies.items()} if isinstance(dependencies, dict) else {},
    )
