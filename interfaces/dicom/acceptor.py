"""The acceptor of one process: the services of the registry on a socket that listens."""

from __future__ import annotations

import functools
import socket
import threading
from typing import Any

from pynetdicom import evt

from fhir_server.core.sharing import Share
from interfaces.dicom.archive.receiving import Announced
from interfaces.dicom.association.server import AssociationServer, entity, requested, tls_context
from interfaces.dicom.association.slots import Slots
from interfaces.dicom.services.negotiation import extended
from interfaces.dicom.services.registry import SERVICES
from interfaces.dicom.services.service import NATIVE, Context
from interfaces.dicom.services.storage import Arriving

SLOTS = "slots"


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
                handlers[event] = _dispatching(context, handlers.get(event), service, handler)
        bound = list(handlers.items())
        bound.append(
            (
                evt.EVT_REQUESTED,
                lambda event: requested(
                    event, lambda: self._server, context.configuration, settings.dicom_known_peers_only
                ),
            )
        )

        bound.append((evt.EVT_SOP_EXTENDED, extended))

        def arriving(association: Any, sop_class: str, sop_instance: str, syntax: str) -> Arriving:
            sender = (association.requestor.ae_title or "").strip()
            return Arriving(context, Announced(sop_class, sop_instance, syntax, sender))

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


def _dispatching(context: Context, other: Any, service: Any, handler: Any) -> Any:
    """A handler for an event; where several services handle one event, the SOP class decides."""
    uids = frozenset(service.sop_classes.values())
    own = functools.partial(handler, context)
    if other is None:
        return own

    def dispatch(event: Any) -> Any:
        request = event.request
        uid = getattr(request, "AffectedSOPClassUID", None) or getattr(request, "RequestedSOPClassUID", None)
        return own(event) if str(uid) in uids else other(event)

    return dispatch
