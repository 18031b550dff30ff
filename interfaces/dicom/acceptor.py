"""The acceptor of one process: the services of the registry on a socket that listens."""

from __future__ import annotations

import functools
import socket
import threading
from collections.abc import Callable
from typing import Any

from pynetdicom import evt

from fhir_server.core.full_disk import lacks_room
from fhir_server.core.sharing import Share
from interfaces.dicom.association.answering_retrieval import Progress
from interfaces.dicom.association.server import AssociationServer, entity, requested, tls_context
from interfaces.dicom.association.slots import Slots
from interfaces.dicom.configuration import peers_alone
from interfaces.dicom.disclosing import refused
from interfaces.dicom.services.negotiation import extended
from interfaces.dicom.services.registry import SERVICES
from interfaces.dicom.services.service import NATIVE, Context, calling, log, status
from interfaces.dicom.services.storage import Arriving

SLOTS = "slots"
CLASS_NOT_SUPPORTED, OPERATION_NOT_RECOGNIZED = 0x0122, 0x0211
RESOURCE_LIMITATION, PROCESSING_FAILURE = 0x0213, 0x0110
NORMALIZED = (evt.EVT_N_CREATE, evt.EVT_N_SET, evt.EVT_N_GET, evt.EVT_N_ACTION, evt.EVT_N_DELETE)
# what is answered where a SOP class has not the operation that is asked of it (PS3.7 annex C)
UNRECOGNIZED: dict[Any, Callable[[Any], Any]] = {
    evt.EVT_C_FIND: lambda event: [(CLASS_NOT_SUPPORTED, None)],
    **dict.fromkeys((evt.EVT_C_MOVE, evt.EVT_C_GET), lambda event: [Progress(CLASS_NOT_SUPPORTED)]),
    **dict.fromkeys(
        NORMALIZED,
        lambda event: (status(OPERATION_NOT_RECOGNIZED, "its SOP class has no such operation"), None),
    ),
}


class Acceptor:
    """Runs in a thread until it is stopped."""

    def __init__(self, context: Context, listening: socket.socket, share: Share | None = None) -> None:
        """share: this process's part, where others accept on the same socket."""
        settings = context.settings
        made = entity(settings)
        handlers: dict[Any, Any] = {}
        for service in SERVICES:
            for uid in service.sop_classes.values():
                if not service.both_roles:  # storage is negotiated without a list: every SOP class and transfer syntax
                    made.add_supported_context(uid, list(NATIVE))
            for event, handler in service.events:
                handlers[event] = _dispatching(context, handlers.get(event), service, handler, event)
        bound = list(handlers.items())

        def asked(event: Any) -> None:
            def stranger(title: str, address: str) -> None:
                refused(context, (title, address), "association")

            requested(event, lambda: self._server, context.configuration, peers_alone(settings), stranger)

        bound.append((evt.EVT_REQUESTED, asked))
        bound.append((evt.EVT_SOP_EXTENDED, extended))

        def arriving(association: Any, sop_class: str, sop_instance: str, syntax: str) -> Arriving:
            sender = (association.requestor.ae_title or "").strip()
            return Arriving(context, sop_class, sop_instance, syntax, sender)

        self._slots = Slots(context.archive.folder / SLOTS, settings.dicom_max_associations)
        others = tls_context(settings), arriving
        self._server = AssociationServer(made, listening, settings, self._slots, share or Share([0], 0), bound, *others)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), name="dicom", daemon=True)

    def start(self) -> None:
        """Accepts associations from now on."""
        self._thread.start()

    def stop(self, seconds: float = 5) -> None:
        """Accepts no more, and gives those under way some time."""
        self._server.stop(seconds)
        self._slots.close()


def _dispatching(context: Context, other: Any, service: Any, handler: Any, event: Any) -> Any:
    """A handler for an event, of which the SOP class decides: this service's, another's, or that there is none."""
    uids = frozenset(service.sop_classes.values())
    own = functools.partial(handler, context)
    if event in NORMALIZED:
        own = functools.partial(_answering, own)
    refuse = other or UNRECOGNIZED.get(event)
    if refuse is None:  # private storage SOP classes are taken too
        return own

    def dispatch(event: Any) -> Any:
        request = event.request
        uid = getattr(request, "AffectedSOPClassUID", None) or getattr(request, "RequestedSOPClassUID", None)
        return own(event) if str(uid) in uids else refuse(event)

    return dispatch


def _answering(handle: Callable[[Any], Any], event: Any) -> Any:
    """What a handler of a normalized service answers, also where it fails."""
    try:
        return handle(event)
    except Exception as problem:
        if lacks_room(problem):
            log.error("a request could not be kept", calling=calling(event), problem=str(problem))
            return status(RESOURCE_LIMITATION, "no space left"), None
        log.exception("a request failed", calling=calling(event))
        return status(PROCESSING_FAILURE, "the request failed; the log says why"), None
