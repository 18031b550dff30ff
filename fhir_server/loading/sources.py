"""The documents in files, folders and archives, one after the other, unpacked as they are read."""

from __future__ import annotations

import gzip
import io
import os
import re
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, NamedTuple, cast

import zstandard

DOCUMENTS = (".json", ".ndjson", ".xml")
PACKED = (".gz", ".zst")
TARS = (".tar", ".tar.gz", ".tgz", ".tar.zst")
NOT_RESOURCES = re.compile(r"(^|/)(package\.json|\.index\.json|\.[^/]*)$")  # what FHIR packages and systems add
UNREADABLE = (OSError, EOFError, tarfile.TarError, zipfile.BadZipFile, zlib.error, zstandard.ZstdError)

Progress = Callable[[int], None]


class Document(NamedTuple):
    """A file to load: where it is, its kind (json, ndjson, xml), its bytes, readable until the next is asked for."""

    name: str
    kind: str
    stream: IO[bytes]


class Refusal(NamedTuple):
    """Something that was not loaded, and why."""

    name: str
    reason: str


class Passed(NamedTuple):
    """A file of a folder or archive that is nothing to load."""

    name: str


Found = Document | Refusal | Passed


def size(paths: Sequence[Path]) -> int:
    """Bytes on the disk, as progress counts them."""
    return sum(file.stat().st_size for path in paths for file in ([path] if path.is_file() else _files(path)))


def documents(paths: Sequence[Path], progress: Progress = lambda count: None) -> Iterator[Found]:
    """Everything in these files and folders, in the order of names; progress is told of bytes read."""
    for path in paths:
        if path.is_file():
            yield from _file(path, str(path), progress, asked=True)
        elif path.is_dir():
            closed: list[OSError] = []
            files = _files(path, closed.append)
            for problem in closed:
                yield Refusal(str(problem.filename), f"It can't be looked into: {problem.strerror}.")
            if not files and not closed:
                yield Refusal(str(path), "The folder has no files to load.")
            for file in files:
                yield from _file(file, str(file), progress, asked=False)
        else:
            yield Refusal(str(path), "There is no such file or folder.")


def _files(folder: Path, refused: Callable[[OSError], None] = lambda problem: None) -> list[Path]:
    """Those of a folder and the ones in it; refused is told of each that can't be looked into."""
    found = (Path(within, name) for within, _, names in os.walk(folder, onerror=refused) for name in names)
    return sorted(path for path in found if not NOT_RESOURCES.search(path.as_posix()) and _is_file(path, refused))


def _is_file(path: Path, refused: Callable[[OSError], None]) -> bool:
    try:
        return path.is_file()
    except OSError as problem:
        refused(problem)
        return False


def _file(path: Path, name: str, progress: Progress, asked: bool) -> Iterator[Found]:
    try:
        with path.open("rb") as raw:
            counted = io.BufferedReader(_Counted(raw, progress), 2**16)
            if name.lower().endswith(TARS):
                yield from _tar(name, counted)
            elif name.lower().endswith(".zip"):
                yield from _zip(name, counted)
            else:
                yield _document(name, counted, asked)
    except UNREADABLE as problem:
        yield Refusal(name, f"It can't be read: {problem}.")


def _document(name: str, stream: IO[bytes], asked: bool) -> Found:
    lower = name.lower()
    if lower.endswith(PACKED):
        stream = _unpacked(lower, stream)
        lower = lower.rpartition(".")[0]
    if lower.endswith(DOCUMENTS):
        return Document(name, lower.rpartition(".")[2], stream)
    if not asked:
        return Passed(name)
    kinds = ", ".join([*DOCUMENTS, *(f"those with {suffix}" for suffix in PACKED), *TARS, ".zip"])
    return Refusal(name, f"Its name does not tell what it is; known are {kinds}.")


def _unpacked(name: str, stream: IO[bytes]) -> IO[bytes]:
    if name.endswith(".zst"):
        return io.BufferedReader(cast("io.RawIOBase", zstandard.ZstdDecompressor().stream_reader(stream)), 2**16)
    return cast("IO[bytes]", gzip.GzipFile(fileobj=stream))


def _tar(name: str, stream: IO[bytes]) -> Iterator[Found]:
    unpacked = stream if name.lower().endswith(".tar") else _unpacked(name.lower().replace(".tgz", ".gz"), stream)
    with tarfile.open(fileobj=unpacked, mode="r|") as archive:
        for member in archive:
            if member.isfile() and not NOT_RESOURCES.search(member.name):
                content = archive.extractfile(member)
                assert content is not None
                yield _document(f"{name}:{member.name}", content, asked=False)


def _zip(name: str, stream: IO[bytes]) -> Iterator[Found]:
    with zipfile.ZipFile(stream) as archive:
        for member in archive.infolist():
            if not member.is_dir() and not NOT_RESOURCES.search(member.filename):
                with archive.open(member) as content:
                    yield _document(f"{name}:{member.filename}", content, asked=False)


class _Counted(io.RawIOBase):
    """Tells how many bytes are read."""

    def __init__(self, raw: IO[bytes], progress: Progress) -> None:
        self._raw = raw
        self._progress = progress

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._raw.seek(offset, whence)

    def readinto(self, buffer) -> int:  # type: ignore[override]
        count = self._raw.readinto(buffer)  # type: ignore[attr-defined]
        self._progress(count)
        return count
