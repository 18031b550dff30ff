"""C-STORE (PS3.4 annex B): what comes is kept as it came, or refused with a status that says why."""

from __future__ import annotations

import sqlite3
from typing import Any

from pydicom.uid import UID
from pynetdicom import evt
from pynetdicom.presentation import AllStoragePresentationContexts

from fhir_server.core.errors import FhirError
from fhir_server.core.full_disk import lacks_room
from interfaces.dicom.archive.placing import Outcome
from interfaces.dicom.archive.receiving import Announced, Receiving
from interfaces.dicom.archive.record import Mismatch
from interfaces.dicom.dataset.walk import Malformed
from interfaces.dicom.disclosing import refused
from interfaces.dicom.services.service import NOT_AUTHORIZED, Context, Service, calling, log, permitted, status

SUCCESS = 0x0000
OUT_OF_RESOURCES = 0xA700
NO_MATCH = 0xA900
CANNOT_UNDERSTAND = 0xC000
DUPLICATE = 0x0111
COERCED = 0xB000
PROCESSING_FAILURE = 0x0110

OUTCOMES = {Outcome.REFUSED: DUPLICATE, Outcome.KEPT: COERCED}

STATUSES = (
    ("0000", "The instance is on the disk and in the index, or the same bytes already were."),
    ("0110", "The archive could not write for another reason than space; the log says which."),
    ("0111", "Other bytes are known under this SOP Instance UID, and dicom_duplicates is refuse."),
    ("0124", "The peer may not store (its entry in the peers file)."),
    ("A700", "The disk is full, or dicom_reserve_mb would be touched."),
    (
        "A900",
        "The data set is not the SOP class or instance that was announced, a UID is missing in it, or its series is "
        "one of another study.",
    ),
    ("B000", "Other bytes are known under this SOP Instance UID, and dicom_duplicates is keep."),
    ("C000", "The data set has no sound end: cut short, or no data set of the negotiated transfer syntax."),
)


def store(context: Context, event: Any) -> Any:
    """Keeps the data set of a C-STORE request that pynetdicom has decoded."""
    request = event.request
    names = str(request.AffectedSOPClassUID), str(request.AffectedSOPInstanceUID)
    arriving = Arriving(context, *names, str(event.context.transfer_syntax), calling(event))
    if request.DataSet:
        arriving.write([request.DataSet.getbuffer()])
    return status(*arriving.finish())


class Arriving:
    """The data set of a C-STORE request while it comes; what goes wrong on the way is answered at its end."""

    def __init__(self, context: Context, sop_class: str, sop_instance: str, syntax: str, sender: str) -> None:
        self._sender = sender
        self._answer: tuple[int, str] | None = None
        self._receiving: Receiving | None = None
        try:
            peers = context.configuration.peers()
            if not permitted(context, peers, sender, "store"):
                self._answer = NOT_AUTHORIZED, "this peer may not store"
                refused(context, (sender, ""), "store")
                return
            issuer = context.configuration.issuer(peers, sender)
            self._receiving = context.archive.begin(Announced(sop_class, sop_instance, syntax, sender, issuer))
        except Exception as problem:
            self._answer = self._failed(problem)

    def write(self, parts: list[memoryview]) -> None:
        """Adds bytes."""
        if self._answer is None and self._receiving is not None:
            try:
                self._receiving.write(parts)
            except Exception as problem:
                self._answer = self._failed(problem)
                self.discard()

    def finish(self) -> tuple[int, str]:
        """Keeps it; the status, and why it is no success."""
        if self._answer is None and self._receiving is not None:
            try:
                outcome = self._receiving.finish()
                self._answer = OUTCOMES.get(outcome, SUCCESS), outcome.value if outcome in OUTCOMES else ""
            except Exception as problem:
                self._answer = self._failed(problem)
        assert self._answer is not None
        return self._answer

    def discard(self) -> None:
        """Leaves nothing of it."""
        if self._receiving is not None:
            self._receiving.discard()

    def _failed(self, problem: Exception) -> tuple[int, str]:
        if isinstance(problem, Malformed | Mismatch):
            log.warning("instance refused", sender=self._sender, problem=str(problem))
            return (CANNOT_UNDERSTAND if isinstance(problem, Malformed) else NO_MATCH), str(problem)
        if isinstance(problem, OSError | sqlite3.Error | FhirError):
            log.error("instance could not be kept", sender=self._sender, problem=str(problem))
            return (OUT_OF_RESOURCES, "no space left") if lacks_room(problem) else (PROCESSING_FAILURE, "")
        # an answer in any case: the peer must not wait for one
        log.error("instance could not be kept", sender=self._sender, exc_info=problem)
        return PROCESSING_FAILURE, ""


STORAGE = Service(
    "Storage",
    {
        UID(str(context.abstract_syntax)).name: str(context.abstract_syntax)
        for context in AllStoragePresentationContexts
    },
    ((evt.EVT_C_STORE, store),),
    "store",
    STATUSES,
    both_roles=True,
)
