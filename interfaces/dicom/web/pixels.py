"""The pixels of an instance frame by frame: of a file on this machine the others are not read."""

from __future__ import annotations

import functools
import io
from contextlib import suppress
from typing import Any

from interfaces.dicom.archive.archive import Archive
from interfaces.dicom.archive.index import Row
from interfaces.dicom.archive.instances import file_of
from interfaces.dicom.archive.lost import is_whole, torn
from interfaces.dicom.dataset.syntaxes import syntax


class Pixels:
    """Torn where the file is not whole; whatever pydicom and its decoders raise where it is no image that they know."""

    def __init__(self, archive: Archive, row: Row) -> None:
        self._path = None if syntax(row["transfer_syntax"]).deflated else archive.files.local(row["digest"])
        if self._path is not None and not is_whole(archive, row):
            raise torn(archive, row)
        self._content = file_of(archive, row) if self._path is None else b""

    @functools.cached_property
    def described(self) -> Any:
        """The data set, of a file on this machine without its pixels."""
        from pydicom import dcmread

        return dcmread(self._path, stop_before_pixels=True) if self._path is not None else self._whole

    def frame(self, number: int, *, raw: bool = False) -> Any:
        """A frame as an array; raw: colours as they are kept, not made red, green and blue."""
        from pydicom.pixels.utils import pixel_array

        asked = {"index": number - 1, "raw": raw}
        if self._path is not None:
            with suppress(Exception):  # a data set that is read whole may be written in more ways
                return pixel_array(self._path, **asked)
        return pixel_array(self._whole, **asked)

    @functools.cached_property
    def _whole(self) -> Any:
        from pydicom import dcmread

        return dcmread(self._path if self._path is not None else io.BytesIO(self._content))
