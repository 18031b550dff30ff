"""C-ECHO (PS3.4 annex A)."""

from __future__ import annotations

from typing import Any

from pynetdicom import evt

from interfaces.dicom.services.service import Context, Service

SOP_CLASSES = {"Verification SOP Class": "1.2.840.10008.1.1"}


def echo(context: Context, event: Any) -> int:
    """Always a success."""
    return 0x0000


VERIFICATION = Service("Verification", SOP_CLASSES, ((evt.EVT_C_ECHO, echo),), None, (("0000", "always"),))
