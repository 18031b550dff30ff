"""Associations that this server asks for."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Iterator
from typing import Any

from interfaces.dicom.association.server import entity
from interfaces.dicom.configuration import Peer
from interfaces.dicom.scu.checkpoint import steady
from interfaces.dicom.services.service import Context

CONNECT_SECONDS = 10


class NoAssociation(OSError):
    """The peer did not answer, or rejected the association; the text says which."""


@contextlib.contextmanager
def associated(
    context: Context,
    peer: Peer,
    contexts: list[Any],
    handlers: list[Any] | None = None,
    roles: list[Any] | None = None,
) -> Iterator[Any]:
    """An association with a peer, released in the end; NoAssociation where there is none."""
    made = entity(context.settings)
    made.connection_timeout = CONNECT_SECONDS
    options: dict[str, Any] = {"evt_handlers": handlers or [], "ext_neg": roles or []}
    if peer.tls:
        options["tls_args"] = (client_tls(context), peer.host)
    association = made.associate(peer.host, peer.port, contexts=contexts, ae_title=peer.ae_title, **options)
    if not association.is_established:
        rejected = "rejected the association" if association.is_rejected else f"does not answer at port {peer.port}"
        raise NoAssociation(f"{peer.ae_title} {rejected}")
    steady(association)
    try:
        yield association
    finally:
        if association.is_established:
            association.release()


def client_tls(context: Context) -> ssl.SSLContext:
    """TLS towards a peer: its certificate is checked, this archive's is shown where it has one."""
    settings = context.settings
    made = ssl.create_default_context(cafile=settings.dicom_tls_clients or None)
    if settings.dicom_tls_certificate:
        made.load_cert_chain(settings.dicom_tls_certificate, settings.dicom_tls_key or None)
    return made
