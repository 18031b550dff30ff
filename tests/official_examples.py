"""The official R4 examples of tests/data/examples, for tests that run all of them."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from pathlib import Path

import zstandard

ARCHIVE = Path(__file__).parent / "data/examples/r4-examples.tar.zst"


def official_examples() -> Iterator[tuple[str, bytes]]:
    """(name within the archive, JSON bytes) of each example, 155 MB in all."""
    with (
        ARCHIVE.open("rb") as packed,
        zstandard.ZstdDecompressor().stream_reader(packed) as stream,
        tarfile.open(fileobj=stream, mode="r|") as archive,
    ):
        for member in archive:
            content = archive.extractfile(member) if member.isfile() else None
            if content is not None:
                yield member.name, content.read()
