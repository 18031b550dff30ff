"""C-STORE (PS3.4 annex B): what comes is kept as it came, or refused with a status that says why."""

from __future__ import annotations

import errno
import sqlite3
from typing import Any

from pydicom.uid import UID
from pynetdicom import evt
from pynetdicom.presentation import AllStoragePresentationContexts

from fhir_server.core.errors import FhirError
from interfaces.dicom.archive.placing import Outcome
from interfaces.dicom.archive.record import Mismatch
from interfaces.dicom.dataset.walk import Malformed
from interfaces.dicom.services.service import NOT_AUTHORIZED, Context, Service, allowed_to, calling, log, status

SUCCESS = 0x0000
OUT_OF_RESOURCES = 0xA700
NO_MATCH = 0xA900
CANNOT_UNDERSTAND = 0xC000
DUPLICATE = 0x0111
COERCED = 0xB000
PROCESSING_FAILURE = 0x0110
FULL = (errno.ENOSPC, errno.EDQUOT)

OUTCOMES = {Outcome.REFUSED: DUPLICATE, Outcome.KEPT: COERCED}

STATUSES = (
    ("0000", "The instance is on the disk and in the index, or the same bytes already were."),
    ("0110", "The archive could not write for another reason than space; the log says which."),
    ("0111", "Other bytes are known under this SOP Instance UID, and dicom_duplicates is refuse."),
    ("0124", "The peer may not store (its entry in the peers file)."),
    ("A700", "The disk is full, or dicom_reserve_mb would be touched."),
    ("A900", "The data set is not the SOP class or instance that was announced, or a UID is missing in it."),
    ("B000", "Other bytes are known under this SOP Instance UID, and dicom_duplicates is keep."),
    ("C000", "The data set has no sound end: cut short, or no data set of the negotiated transfer syntax."),
)


def store(context: Context, event: Any) -> Any:
    """Keeps the data set of a C-STORE request that pynetdicom has decoded."""
    request = event.request
    data = request.DataSet.getvalue() if request.DataSet else b""
    names = str(request.AffectedSOPClassUID), str(request.AffectedSOPInstanceUID)
    return status(*received(context, calling(event), *names, str(event.context.transfer_syntax), data))


def received(
    context: Context, sender: str, sop_class: str, sop_instance: str, transfer_syntax: str, data: bytes
) -> tuple[int, str]:
    """Keeps a data set; the status, and why it is no success."""
    if not allowed_to(context, sender, "store"):
        return NOT_AUTHORIZED, "this peer may not store"
    try:
        outcome = context.archive.receive(
            data,
            transfer_syntax=transfer_syntax,
            sop_class=sop_class,
            sop_instance=sop_instance,
            sender=sender,
            issuer=context.configuration.issuer(sender),
        )
    except Malformed as problem:
        log.warning("instance refused", sender=sender, problem=str(problem))
        return CANNOT_UNDERSTAND, str(problem)
    except Mismatch as problem:
        log.warning("instance refused", sender=sender, problem=str(problem))
        return NO_MATCH, str(problem)
    except (OSError, sqlite3.Error, FhirError) as problem:
        full = getattr(problem, "errno", None) in FULL or getattr(problem, "sqlite_errorname", "") == "SQLITE_FULL"
        log.error("instance could not be kept", sender=sender, problem=str(problem))
        return (OUT_OF_RESOURCES, "no space left") if full else (PROCESSING_FAILURE, "")
    except Exception as problem:  # an answer in any case: the peer must not wait for one
        log.error("instance could not be kept", sender=sender, problem=type(problem).__name__, exc_info=True)
        return PROCESSING_FAILURE, ""
    return OUTCOMES.get(outcome, SUCCESS), outcome.value if outcome in OUTCOMES else ""


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
