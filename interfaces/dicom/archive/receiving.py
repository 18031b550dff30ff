"""A data set that is arriving: hashed and written while it comes, looked at once it is whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from interfaces.dicom.archive import digests
from interfaces.dicom.archive.placing import Outcome
from interfaces.dicom.archive.record import Mismatch, record_of
from interfaces.dicom.dataset.part10 import header
from interfaces.dicom.dataset.walk import DataSet

if TYPE_CHECKING:
    from interfaces.dicom.archive.archive import Archive


class Announced(NamedTuple):
    """What a data set is announced as, who sends it, and who issues its patient ids where it does not say."""

    sop_class: str
    sop_instance: str
    transfer_syntax: str
    sender: str = ""
    issuer: str = ""


class Receiving:
    """One data set on its way into the archive; OSError from any call where it can't be written."""

    def __init__(self, archive: Archive, announced: Announced) -> None:
        self._archive = archive
        self._announced = announced
        head = header(announced.sop_class, announced.sop_instance, announced.transfer_syntax)
        self._start = len(head)
        self._digest = digests.start(head)
        self._file = archive.files.begin(head)

    def write(self, part: bytes | bytearray | memoryview) -> None:
        """Adds bytes of the data set."""
        self._file.write(part)
        self._digest.update(part)

    def finish(self) -> Outcome:
        """Keeps it; Malformed where it is no whole data set, Mismatch where it is not what was announced.

        Neither, nor OSError, leaves anything behind.
        """
        announced = self._announced
        try:
            whole = self._file.view()
            record = record_of(
                DataSet(whole[self._start :], announced.transfer_syntax),
                transfer_syntax=announced.transfer_syntax,
                digest=digests.name(self._digest),
                size=len(whole),
                start=self._start,
                sender=announced.sender,
                issuer=announced.issuer,
            )
            if record.uid != announced.sop_instance:
                raise Mismatch("SOP Instance UID is not the Affected SOP Instance UID")
            if record.sop_class != announced.sop_class:
                raise Mismatch("SOP Class UID is not the Affected SOP Class UID")
            made = self._file.keep(record.digest, record.study_uid)
        except BaseException:
            self._file.discard()
            raise
        return self._archive.place_file(record, made=made)

    def discard(self) -> None:
        """Leaves nothing of it."""
        self._file.discard()
