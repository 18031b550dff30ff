"""The bulk data of a STOW-RS request: on the disk until the request is over, however much it is."""

from __future__ import annotations

from typing import NamedTuple

from fhir_server.core.errors import error
from interfaces.dicom.archive.files import Bytes, FileStore, Writing


class BulkValue(NamedTuple):
    """What one Content-Location names: the content type, and its bytes, of frames a piece each."""

    type: str
    pieces: list[memoryview]

    @property
    def whole(self) -> memoryview:
        """The only piece; FhirError "malformed" where several parts had the same Content-Location."""
        if len(self.pieces) > 1:
            raise error(
                "malformed",
                f"{len(self.pieces)} parts have the same Content-Location; only frames of compressed pixel data may.",
            )
        return self.pieces[0]


class BulkParts:
    """Parts one after the other in a file of the archive's, which is never kept; OSError where it can't be written.

    full: there was no room for all of them, as whoever wrote them says.
    """

    def __init__(self, files: FileStore) -> None:
        self.full = False
        self._files = files
        self._file: Writing | None = None
        self._size = 0
        self._parts: dict[str, tuple[str, list[tuple[int, int]]]] = {}  # by Content-Location: type, first byte and end
        self._last = ""  # the Content-Location of the part that is written
        self._view = memoryview(b"")

    def begin(self, location: str, type: str) -> None:
        """What is written from now on is of another part."""
        self._parts.setdefault(location, (type, []))[1].append((self._size, self._size))
        self._last = location

    def write(self, data: Bytes) -> None:
        """Adds bytes to the part."""
        if self._file is None:
            self._file = self._files.begin()
        self._file.write(data)
        self._size += len(data)
        spans = self._parts[self._last][1]
        spans[-1] = spans[-1][0], self._size

    def ended(self) -> None:
        """All parts have come."""
        if self._file is not None:
            self._file.ended()
            self._view = self._file.view()

    def value(self, location: str) -> BulkValue | None:
        """The bytes of a Content-Location, once all parts have come; None for none. They are good until `discard`."""
        found = self._parts.get(location)
        if found is None:
            return None
        return BulkValue(found[0], [self._view[start:end] for start, end in found[1]])

    def discard(self) -> None:
        """Leaves nothing of them."""
        if self._file is not None:
            self._file.discard()
