"""After an end without a goodbye: files that no index row names are put into the index, half files are removed."""

from __future__ import annotations

from collections.abc import Callable

import structlog

from fhir_server.core.errors import FhirError
from interfaces.dicom.archive import digests
from interfaces.dicom.archive.archive import Archive
from interfaces.dicom.archive.files import Torn
from interfaces.dicom.archive.placing import Outcome
from interfaces.dicom.archive.record import Mismatch, described, record_of
from interfaces.dicom.dataset.part10 import read_file
from interfaces.dicom.dataset.walk import Malformed

SWEPT = "swept"
UNKNOWN = "recovered"  # the sender of a file whose own is not known any more
OVERLAP = 3600.0  # seconds before the last sweep from which files are looked at again

log = structlog.get_logger("dicom")


def recover(archive: Archive, issuer_of: Callable[[str], str], *, everything: bool = False) -> int:
    """Looks at the files since the last sweep, or at all; only while nothing is received. Gives how many were added.

    issuer_of: who issues the patient ids that a sender sends without an issuer. What can't be put into the index yet
    (for want of a key, or of that) is looked at again by the next one.
    """
    archive.files.clear_incoming()
    row = archive.reading.one("note", {"name": SWEPT})
    since = 0.0 if row is None or everything else float(row["value"]) - OVERLAP
    began = archive.clock() / 1_000_000
    added = 0
    postponed = False
    for digest in archive.files.digests(since):
        if archive.reading.one("instance", {"digest": digest}) is None:
            try:
                added += _index(archive, issuer_of, digest)
            except FhirError as problem:  # its key or the peers' file can be there at the next start
                log.error("a file of the archive can't be put into the index yet", digest=digest, problem=str(problem))
                postponed = True
    if not postponed:
        archive.write(lambda index: index.put("note", {"name": SWEPT}, {"value": str(began)}))
    if added:
        log.warning("files without an index entry were added to the index", files=added)
    return added


def _index(archive: Archive, issuer_of: Callable[[str], str], digest: str) -> int:
    try:
        data = _whole(archive, digest)
        if data is None:
            archive.files.delete(digest)
            log.warning("a file that a power failure tore is removed: nobody was told that it is kept", digest=digest)
            return 0
        meta, data_set = read_file(data)
        sender = archive.files.sender(digest) or UNKNOWN
        record = record_of(
            described(data_set),
            transfer_syntax=meta.transfer_syntax,
            digest=digest,
            size=len(data),
            start=meta.start,
            sender=sender,
            issuer=issuer_of(sender),
        )
        # one under a known UID was replaced and had not gone yet, or nobody was told that it is kept
        return int(archive.place_file(record, made=True, duplicates="refuse") is Outcome.NEW)
    except (Malformed, Mismatch, OSError) as problem:
        log.error("a file of the archive can't be read", digest=digest, problem=str(problem))
        return 0


def _whole(archive: Archive, digest: str) -> bytes | None:
    """The bytes of a file; None for one that is torn. FhirError where its key is not at hand."""
    try:
        data = archive.files.read(digest)
    except Torn:
        return None
    return data if digests.names(digest, data) else None
