"""The files of a release, from a folder or straight from its zip, and rows out of them."""

from __future__ import annotations

import csv
import io
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from fhir_server.core.errors import error

MAX_BYTES = 40 << 30  # more than the largest release has, unpacked
MAX_RATIO = 200  # tables of text pack to a tenth; what packs to less is a bomb
_FREE_BYTES = 100 << 20  # a ratio tells nothing of small files


class Files:
    """The files of a folder or a zip, found by the end of their path."""

    def __init__(self, source: Path) -> None:
        self.source = source
        self._zip: zipfile.ZipFile | None = None
        if source.is_dir():
            self._names = sorted(str(p.relative_to(source)) for p in source.rglob("*") if p.is_file())
            return
        try:
            self._zip = zipfile.ZipFile(source)
        except (zipfile.BadZipFile, OSError) as failure:
            raise error(
                "unprocessable", f"{source.name} is neither a folder nor a zip that can be read: {failure}."
            ) from None
        entries = self._zip.infolist()
        size, packed = sum(e.file_size for e in entries), sum(e.compress_size for e in entries)
        if size > MAX_BYTES or size > max(_FREE_BYTES, packed * MAX_RATIO):
            raise error("too-large", f"{source.name} would unpack to {size} bytes from {packed}; it is not read.")
        self._names = sorted(e.filename for e in entries if not e.is_dir())

    def find(self, pattern: str, required: bool = True) -> list[str]:
        """The paths whose end matches a regular expression, in order; FhirError where one is required and none is."""
        found = [name for name in self._names if re.search(rf"(?:^|/){pattern}$", name, re.IGNORECASE)]
        if not found and required:
            raise error("unprocessable", f"{self.source.name} has no file {_plain(pattern)}.")
        return found

    def lines(self, name: str) -> Iterator[str]:
        """The lines of a file without their ends, in UTF-8."""
        with self._open(name) as binary:
            for line in io.TextIOWrapper(binary, encoding="utf-8-sig", errors="replace", newline="\n"):
                yield line.rstrip("\r\n")

    def separated(self, name: str, separator: str) -> Iterator[dict[str, str]]:
        """Rows of a file with a header and without quotes, as SNOMED's and the FDA's are."""
        lines = self.lines(name)
        header = next(lines, "").split(separator)
        for line in lines:
            yield dict(zip(header, line.split(separator), strict=False))

    def rows(self, name: str) -> Iterator[dict[str, str]]:
        """Rows of a CSV file with a header and quotes."""
        with self._open(name) as binary:
            text = io.TextIOWrapper(binary, encoding="utf-8-sig", errors="replace", newline="")
            yield from csv.DictReader(text)

    def _open(self, name: str) -> IO[bytes]:
        return self._zip.open(name) if self._zip else (self.source / name).open("rb")


def _plain(pattern: str) -> str:
    return pattern.replace("\\", "").replace(".*", "*").replace("[^/]*", "*")


def required_columns(row: dict[str, str] | None, names: tuple[str, ...], file: str) -> None:
    """FhirError unprocessable where a table lacks a column; row: its first."""
    missing = [name for name in names if row is not None and name not in row]
    if row is None or missing:
        reason = f"has no column {', '.join(missing)}" if row is not None else "has no rows"
        raise error("unprocessable", f"{file} {reason}: it has not the layout of the release.")
