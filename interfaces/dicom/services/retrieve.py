"""C-MOVE and C-GET (PS3.4 sections C.4.2 and C.4.3)."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from typing import Any

from pynetdicom import build_context, evt

from fhir_server.core.errors import FhirError
from interfaces.dicom.archive.index import Row
from interfaces.dicom.archive.instances import chosen, data_set
from interfaces.dicom.archive.levels import UNIQUE_KEYS
from interfaces.dicom.archive.matching import as_text, asked
from interfaces.dicom.dataset.model import Model
from interfaces.dicom.dataset.syntaxes import EXPLICIT_LITTLE, IMPLICIT_LITTLE
from interfaces.dicom.dataset.walk import Malformed
from interfaces.dicom.services.find import refused
from interfaces.dicom.services.identifiers import keys_of, level_of
from interfaces.dicom.services.service import (
    NOT_AUTHORIZED,
    RELATIONAL,
    Context,
    Service,
    allowed,
    log,
    negotiated,
)

PENDING = 0xFF00
CANCELLED = 0xFE00
WRONG_IDENTIFIER = 0xA900
CANNOT_UNDERSTAND = 0xC000
MOST_CONTEXTS = 126
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
    ("A702", "No instance could be sent."),
    ("A801", "The move destination is no peer, or does not answer."),
    (
        "A900",
        "The level is none of the model's, its unique key is missing or a pattern, or one above it is missing and "
        "dicom_relational is false.",
    ),
    ("B000", "Some instances could not be sent; the list of them is in the response."),
    ("FE00", "The retrieval was cancelled."),
)


def refusal(context: Context, event: Any) -> tuple[int, str] | None:
    """Why a request is refused: status and comment; None where it is performed."""
    if not allowed(context, event, "retrieve"):
        return NOT_AUTHORIZED, "this peer may not retrieve"
    try:
        keys = keys_of(event)
    except Malformed as problem:
        return CANNOT_UNDERSTAND, str(problem)
    root = str(event.request.AffectedSOPClassUID) in PATIENT_ROOTS
    relational = context.settings.dicom_relational or negotiated(event, RELATIONAL)
    problem = refused(root, level_of(keys), keys, relational=relational) or _unnamed(keys)
    return (WRONG_IDENTIFIER, problem) if problem else None


def _unnamed(keys: Model) -> str:
    """Why a request does not say what it wants of its level; "" where it does (PS3.4 section C.4.2.2.1)."""
    level = level_of(keys)
    key = keys.get(UNIQUE_KEYS[level], {"vr": "UI"})
    if not asked(key) or any(set("*?") & set(as_text(value)) for value in key["Value"] if value is not None):
        return f"the unique key of level {level} is no UID or list of them"
    return ""


def move(context: Context, event: Any) -> Iterator[Any]:
    """Sends instances to a peer over an association of its own."""
    rows = chosen(context.archive.reading, keys_of(event))
    try:
        peer = context.configuration.peers().named(event.move_destination or "")
    except FhirError as wrong:
        log.error("peers can't be read", problem=str(wrong))
        peer = None
    if peer is None:
        yield None, None
        return
    opened: list[Any] = []
    options = {
        "contexts": contexts_for({(row["sop_class"], row["transfer_syntax"]) for row in rows}),
        "evt_handlers": [(evt.EVT_ACCEPTED, lambda accepted: opened.append(accepted.assoc))],
    }
    if peer.tls:
        options["tls_args"] = (ssl.create_default_context(), peer.host)
    yield peer.host, peer.port, options
    yield from _send(context, event, rows, lambda: opened[0] if opened else None)


def get(context: Context, event: Any) -> Iterator[Any]:
    """Sends instances over the association of the request."""
    yield from _send(context, event, chosen(context.archive.reading, keys_of(event)), lambda: event.assoc)


def _send(context: Context, event: Any, rows: list[Row], association: Any) -> Iterator[Any]:
    yield len(rows)
    for row in rows:
        if event.is_cancelled:
            yield CANCELLED, None
            return
        try:
            yield PENDING, data_set(context.archive, row, _accepted(association(), row["sop_class"]))
        except (OSError, ValueError, RuntimeError, AttributeError) as reason:
            log.error("an instance can't be sent", digest=row["digest"], problem=str(reason))
            from pydicom.dataset import Dataset

            unsent = Dataset()
            unsent.SOPInstanceUID = row["instance_uid"]  # fails as a sub-operation and is listed
            yield PENDING, unsent


def _accepted(association: Any, sop_class: str) -> set[str]:
    if association is None:
        return set()
    return {
        str(each.transfer_syntax[0]) for each in association.accepted_contexts if each.abstract_syntax == sop_class
    } or {EXPLICIT_LITTLE}


def contexts_for(kinds: set[tuple[str, str]]) -> list[Any]:
    """Presentation contexts for SOP classes and the syntaxes that they are kept in, uncompressed ones beside."""
    made = [build_context(sop_class, syntax) for sop_class, syntax in sorted(kinds)]
    made += [
        build_context(sop_class, [EXPLICIT_LITTLE, IMPLICIT_LITTLE]) for sop_class in sorted({k[0] for k in kinds})
    ]
    return made[:MOST_CONTEXTS] or [build_context("1.2.840.10008.1.1")]


MOVE = Service("Retrieve (MOVE)", MOVE_CLASSES, ((evt.EVT_C_MOVE, move),), "retrieve", STATUSES)
GET = Service("Retrieve (GET)", GET_CLASSES, ((evt.EVT_C_GET, get),), "retrieve", STATUSES)
