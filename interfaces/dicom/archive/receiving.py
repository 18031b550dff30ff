"""A data set that is arriving: hashed and written while it comes, looked at once it is whole."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from interfaces.dicom.archive import digests
from interfaces.dicom.archive.files import Bytes
from interfaces.dicom.archive.placing import Outcome
from interfaces.dicom.archive.record import Description, Mismatch, Record, described, record_of
from interfaces.dicom.dataset.part10 import header
from interfaces.dicom.dataset.syntaxes import syntax
from interfaces.dicom.dataset.walk import PIXEL_DATA, DataSet, Malformed

if TYPE_CHECKING:
    from interfaces.dicom.archive.archive import Archive

BEGINNING = 32 * 1024  # bytes that are kept in memory; most data sets have their pixel data begin in them


class Announced(NamedTuple):
    """What a data set is announced as, who sends it, and who issues its patient ids where it does not say."""

    sop_class: str
    sop_instance: str
    transfer_syntax: str
    sender: str = ""
    issuer: str = ""


class _Mended(Exception):
    """The data set came with what others would stumble over; it is as its argument says."""


class Receiving:
    """One data set on its way into the archive; OSError from any call where it can't be written."""

    def __init__(self, archive: Archive, announced: Announced) -> None:
        self._archive = archive
        self._announced = announced
        head = header(announced.sop_class, announced.sop_instance, announced.transfer_syntax)
        self._start = len(head)
        self._digest = digests.start(b"")
        self._file = archive.files.begin(head, announced.sender, self._digest.update)
        self._size = 0
        self._beginning = bytearray()

    def write(self, parts: Sequence[Bytes]) -> None:
        """Adds bytes of the data set."""
        self._file.write(*parts)
        for part in parts:
            wanted = BEGINNING - len(self._beginning)
            if not wanted:
                break
            self._beginning += part[:wanted]

    def finish(self, check: Callable[[Record], None] = lambda record: None) -> Outcome:
        """Keeps it; Malformed where it is no whole data set, Mismatch where it is not what was announced.

        Neither, nor OSError, nor what check raises, leaves anything behind. check: is told what would be kept.
        """
        announced = self._announced
        try:
            self._size = self._file.ended() - self._start
            record = record_of(
                self._described(),
                transfer_syntax=announced.transfer_syntax,
                digest=digests.name(self._digest),
                size=self._start + self._size,
                start=self._start,
                sender=announced.sender,
                issuer=announced.issuer,
            )
            if record.uid != announced.sop_instance:
                raise Mismatch("SOP Instance UID is not the Affected SOP Instance UID")
            if record.sop_class != announced.sop_class:
                raise Mismatch("SOP Class UID is not the Affected SOP Class UID")
            check(record)
            made = self._file.keep(record.digest, record.study_uid)
        except _Mended as mended:
            self._file.discard()
            again = self._archive.begin(announced)
            try:
                again.write(mended.args)
            except BaseException:
                again.discard()
                raise
            return again.finish(check)
        except BaseException:
            self._file.discard()
            raise
        return self._archive.place_file(record, made=made)

    def discard(self) -> None:
        """Leaves nothing of it."""
        self._file.discard()

    def _described(self) -> Description:
        """What it says; by its beginning, where native pixel data is all that follows, and else by the file."""
        named = self._announced.transfer_syntax
        layouts, sized = self._archive.layouts, (named, self._size)
        said = layouts.described(sized, self._beginning)
        if said is not None:
            return said
        if not syntax(named).deflated:
            try:
                found = DataSet(memoryview(self._beginning), named, to_pixels=True)
                pixels = found.elements.get(PIXEL_DATA)
            except Malformed:
                pass
            else:
                if pixels is None and self._size == len(self._beginning):
                    return _as_it_is(found)
                if pixels is not None and pixels.fragments is None and pixels.start + pixels.length == self._size:
                    said = _as_it_is(found)
                    layouts.remember(sized, found, said)
                    return said
        return _as_it_is(DataSet(self._file.view()[self._start :], named))


def _as_it_is(data_set: DataSet) -> Description:
    """What a data set says, which others read as it came; _Mended where they don't."""
    mended = data_set.mended() if not data_set.how.deflated else None
    if mended is not None:
        raise _Mended(mended)
    return described(data_set)
