"""C-ECHO, C-FIND, C-MOVE and C-STORE to peers."""

from __future__ import annotations

import time
from collections.abc import Callable

from pynetdicom import build_context

from interfaces.dicom.archive.index import Row
from interfaces.dicom.association.sub_operations import NoAnswer
from interfaces.dicom.configuration import Peer
from interfaces.dicom.dataset.model import Model
from interfaces.dicom.scu.association import associated
from interfaces.dicom.scu.sending import UNSENT, Sending, contexts_for, paused
from interfaces.dicom.services.service import Context, log

VERIFICATION = "1.2.840.10008.1.1"
STUDY_FIND = "1.2.840.10008.5.1.4.1.2.2.1"
STUDY_MOVE = "1.2.840.10008.5.1.4.1.2.2.2"
PENDING = (0xFF00, 0xFF01)


def echo(context: Context, peer: Peer) -> float:
    """Milliseconds of a C-ECHO; OSError where the peer does not answer it."""
    started = time.perf_counter()
    with associated(context, peer, [build_context(VERIFICATION)]) as association:
        status = association.send_c_echo()
        if getattr(status, "Status", None) != 0:
            raise OSError(f"{peer.ae_title} did not answer C-ECHO with a success")
    return (time.perf_counter() - started) * 1000


def find(context: Context, peer: Peer, keys: Model, limit: int = 200) -> list[Model]:
    """What a peer finds at the study root model; keys name the level too (00080052)."""
    from pydicom.dataset import Dataset

    found: list[Model] = []
    with associated(context, peer, [build_context(STUDY_FIND)]) as association:
        for status, identifier in association.send_c_find(Dataset.from_json(keys), STUDY_FIND):
            if not status:
                raise OSError(f"{peer.ae_title} ended the association during C-FIND")
            if status.Status in PENDING and identifier is not None:
                found.append(identifier.to_json_dict())
                if len(found) >= limit:
                    break
            elif status.Status not in (0, *PENDING):
                raise OSError(f"{peer.ae_title} answered C-FIND with {status.Status:04X}")
    return found


def fetch(context: Context, peer: Peer, study: str) -> int:
    """Has a peer send a study here (C-MOVE); gives how many instances it says that it sent."""
    from pydicom.dataset import Dataset

    keys = Dataset()
    keys.QueryRetrieveLevel, keys.StudyInstanceUID = "STUDY", study
    sent = 0
    with associated(context, peer, [build_context(STUDY_MOVE)]) as association:
        for status, _ in association.send_c_move(keys, context.settings.dicom_ae_title, STUDY_MOVE):
            if not status:
                raise OSError(f"{peer.ae_title} ended the association during C-MOVE")
            sent = getattr(status, "NumberOfCompletedSuboperations", sent) or sent
            if status.Status not in (0, 0xB000, *PENDING):
                raise OSError(f"{peer.ae_title} answered C-MOVE with {status.Status:04X}")
    return sent


def store(context: Context, peer: Peer, rows: list[Row], sent: Callable[[str], None]) -> list[str]:
    """Sends instances; sent is called with each SOP Instance UID that the peer took. Gives what it did not, and why.

    NoAnswer where the association ends before.
    """
    refused: list[str] = []
    contexts = contexts_for({(row["sop_class"], row["transfer_syntax"]) for row in rows})
    with associated(context, peer, contexts) as association, paused(association):
        sending = Sending(context.archive, association)
        for row in rows:
            try:
                status = sending.send(row)
            except NoAnswer:
                raise
            except UNSENT as problem:
                log.error("an instance can't be sent", digest=row["digest"], problem=str(problem))
                refused.append(f"{row['instance_uid']}: {problem}")
                continue
            if status == 0 or 0xB000 <= status <= 0xBFFF:
                sent(row["instance_uid"])
            else:
                refused.append(f"{row['instance_uid']}: {status:04X}")
    return refused
