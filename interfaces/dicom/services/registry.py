"""Every service that the acceptor has; the conformance statement is made from it."""

from __future__ import annotations

from interfaces.dicom.services.commitment import COMMITMENT
from interfaces.dicom.services.find import FIND
from interfaces.dicom.services.procedure_step import PROCEDURE_STEP
from interfaces.dicom.services.retrieve import GET, MOVE
from interfaces.dicom.services.service import Service
from interfaces.dicom.services.storage import STORAGE
from interfaces.dicom.services.unified_procedure_step import UNIFIED_PROCEDURE_STEP
from interfaces.dicom.services.verification import VERIFICATION
from interfaces.dicom.services.worklist import WORKLIST

SERVICES: tuple[Service, ...] = (
    VERIFICATION,
    STORAGE,
    FIND,
    MOVE,
    GET,
    WORKLIST,
    PROCEDURE_STEP,
    COMMITMENT,
    UNIFIED_PROCEDURE_STEP,
)
