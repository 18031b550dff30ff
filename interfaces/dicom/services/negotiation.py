"""SOP Class Extended Negotiation of queries and retrievals (PS3.4 section C.5): what a peer asks for is granted."""

from __future__ import annotations

from typing import Any

from interfaces.dicom.services.find import SOP_CLASSES as FIND_CLASSES
from interfaces.dicom.services.retrieve import GET_CLASSES, MOVE_CLASSES

# SOP class -> how many bytes of its application information are known, from the first: C-FIND has relational queries,
# combined date-time matching and fuzzy matching of names; C-MOVE and C-GET have relational retrieval
KNOWN = {
    **dict.fromkeys(FIND_CLASSES.values(), 3),
    **dict.fromkeys((*MOVE_CLASSES.values(), *GET_CLASSES.values()), 1),
}


def extended(event: Any) -> dict[Any, bytes]:
    """The application information that is accepted: of what is known, what was asked for."""
    return {
        uid: bytes(1 if asked == 1 else 0 for asked in given[: KNOWN[str(uid)]])
        for uid, given in event.app_info.items()
        if str(uid) in KNOWN
    }
