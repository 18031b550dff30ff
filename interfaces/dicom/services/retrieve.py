"""C-MOVE and C-GET (PS3.4 sections C.4.2 and C.4.3)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pynetdicom import evt

from fhir_server.core.errors import FhirError
from interfaces.dicom.archive.index import Row
from interfaces.dicom.archive.instances import chosen, patients_of, studies_of
from interfaces.dicom.archive.levels import UNIQUE_KEYS
from interfaces.dicom.archive.matching import as_text, asked
from interfaces.dicom.association.answering_retrieval import CANCELLED, PENDING, Progress
from interfaces.dicom.association.sub_operations import NoAnswer, Originator
from interfaces.dicom.configuration import Peer
from interfaces.dicom.dataset.model import Model
from interfaces.dicom.dataset.walk import Malformed
from interfaces.dicom.disclosing import READ, disclose
from interfaces.dicom.scu.association import NoAssociation, NothingTaken, associated
from interfaces.dicom.scu.sending import UNSENT, Sending, contexts_for, paused
from interfaces.dicom.services.find import refused as refused_query
from interfaces.dicom.services.identifiers import keys_of, level_of
from interfaces.dicom.services.service import (
    NOT_AUTHORIZED,
    RELATIONAL,
    Context,
    Service,
    allowed,
    calling,
    log,
    negotiated,
    peer_of,
)

SUCCESS, SOME_FAILED = 0x0000, 0xB000
UNABLE_TO_SEND, UNKNOWN_DESTINATION, WRONG_IDENTIFIER = 0xA702, 0xA801, 0xA900
CANNOT_UNDERSTAND = 0xC000
FAILED = 0x0110  # of an instance that was not sent
PATIENT_ROOTS = ("1.2.840.10008.5.1.4.1.2.1.2", "1.2.840.10008.5.1.4.1.2.1.3")
MOVE_CLASSES = {
    "Patient Root Query/Retrieve Information Model - MOVE": PATIENT_ROOTS[0],
    "Study Root Query/Retrieve Information Model - MOVE": "1.2.840.10008.5.1.4.1.2.2.2",
}
GET_CLASSES = {
    "Patient Root Query/Retrieve Information Model - GET": PATIENT_ROOTS[1],
    "Study Root Query/Retrieve Information Model - GET": "1.2.840.10008.5.1.4.1.2.2.3",
}
STATUSES = (
    ("FF00", "One more instance was sent; the counts say how many are left."),
    ("0000", "All instances were sent."),
    ("0124", "The peer may not retrieve (its entry in the peers file)."),
    (
        "A702",
        "No instance could be sent; of C-MOVE also where the destination does not answer, or takes none of them, as "
        "the comment says.",
    ),
    ("A801", "The move destination is none of the peers."),
    (
        "A900",
        "The level is none of the model's, its unique key is missing or a pattern, or one above it is missing and "
        "dicom_relational is false.",
    ),
    ("B000", "Some instances could not be sent; the list of them is in the response."),
    ("FE00", "The retrieval was cancelled."),
)


def refusal(context: Context, event: Any) -> Progress | None:
    """Why a request is refused; None where it is performed."""
    if not allowed(context, event, "retrieve"):
        return Progress(NOT_AUTHORIZED, comment="this peer may not retrieve")
    try:
        keys = keys_of(event)
    except Malformed as problem:
        return Progress(CANNOT_UNDERSTAND, comment=str(problem))
    root = str(event.request.AffectedSOPClassUID) in PATIENT_ROOTS
    relational = context.settings.dicom_relational or negotiated(event, RELATIONAL)
    problem = refused_query(root, level_of(keys), keys, relational=relational) or _unnamed(keys)
    return Progress(WRONG_IDENTIFIER, comment=problem) if problem else None


def _unnamed(keys: Model) -> str:
    """Why a request does not say what it wants of its level; "" where it does (PS3.4 section C.4.2.2.1)."""
    level = level_of(keys)
    key = keys.get(UNIQUE_KEYS[level], {"vr": "UI"})
    if not asked(key) or any(set("*?") & set(as_text(value)) for value in key["Value"] if value is not None):
        return f"the unique key of level {level} is no UID or list of them"
    return ""


def move(context: Context, event: Any) -> Iterator[Progress]:
    """Sends instances to a peer over an association of its own."""
    refused = refusal(context, event)
    if refused:
        yield refused
        return
    rows = chosen(context.archive.reading, keys_of(event))
    peer = _destination(context, event.move_destination or "")
    if peer is None:
        yield Progress(UNKNOWN_DESTINATION, comment="the move destination is none of the peers")
        return
    if not rows:
        yield Progress(SUCCESS, 0, 0, 0, 0)
        return
    contexts = contexts_for({(row["sop_class"], row["transfer_syntax"]) for row in rows})
    try:
        with associated(context, peer, contexts) as association, paused(association):
            by = Originator(calling(event), event.request.MessageID)
            what = f"C-MOVE/{by.title}/{studies_of(rows)}"
            disclose(context, (peer.ae_title, peer.host), READ, what, patients_of(rows))
            yield from _sent(event, rows, Sending(context.archive, association, by))
    except (NoAssociation, NothingTaken) as problem:
        unsent = tuple(row["instance_uid"] for row in rows)
        yield Progress(UNABLE_TO_SEND, 0, 0, len(rows), 0, unsent, str(problem))


def _destination(context: Context, title: str) -> Peer | None:
    try:
        return context.configuration.peers().named(title)
    except FhirError as problem:
        log.error("peers can't be read", problem=str(problem))
        return None


def get(context: Context, event: Any) -> Iterator[Progress]:
    """Sends instances over the association of the request."""
    refused = refusal(context, event)
    if refused:
        yield refused
        return
    rows = chosen(context.archive.reading, keys_of(event))
    disclose(context, peer_of(event), READ, f"C-GET/{studies_of(rows)}", patients_of(rows))
    yield from _sent(event, rows, Sending(context.archive, event.assoc, message=event.request.MessageID))


def _sent(event: Any, rows: list[Row], sending: Sending) -> Iterator[Progress]:
    """Sends one instance after the other; once the association is gone, the others have failed."""
    completed = warned = 0
    unsent: list[str] = []
    gone: NoAnswer | None = None
    for number, row in enumerate(rows, 1):
        if event.is_cancelled:
            left = len(rows) - number + 1
            yield Progress(CANCELLED, left, completed, len(unsent), warned, tuple(unsent))
            return
        status = FAILED
        try:
            if gone is None:
                status = sending.send(row)
        except UNSENT as problem:
            gone = problem if isinstance(problem, NoAnswer) else None
            log.error("an instance can't be sent", digest=row["digest"], problem=str(problem))
        if status == SUCCESS:
            completed += 1
        elif _warning(status):
            warned += 1
        else:
            unsent.append(row["instance_uid"])
        if gone is None:
            yield Progress(PENDING, len(rows) - number, completed, len(unsent), warned)
    failed = len(unsent)
    status = SUCCESS if not failed and not warned else UNABLE_TO_SEND if failed == len(rows) else SOME_FAILED
    yield Progress(status, 0, completed, failed, warned, tuple(unsent), str(gone or ""))


def _warning(status: int) -> bool:
    """Whether a status of C-STORE is a warning (PS3.7 annex C.4)."""
    return 0xB000 <= status <= 0xBFFF or status in (0x0001, 0x0107, 0x0116)


MOVE = Service("Retrieve (MOVE)", MOVE_CLASSES, ((evt.EVT_C_MOVE, move),), "retrieve", STATUSES)
GET = Service("Retrieve (GET)", GET_CLASSES, ((evt.EVT_C_GET, get),), "retrieve", STATUSES)
