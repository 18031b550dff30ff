"""Associations that this server asks for."""

from __future__ import annotations

import contextlib
import functools
import socket
import ssl
from collections.abc import Iterator
from typing import Any

from pynetdicom import evt

from interfaces.dicom.association.connection import QUICKACK
from interfaces.dicom.association.server import entity
from interfaces.dicom.configuration import Peer
from interfaces.dicom.scu.checkpoint import steady
from interfaces.dicom.services.service import Context

CONNECT_SECONDS = 10
LOOK_SECONDS = 3  # for a connection, and for each answer, of a look why there was no association


def _promptly(event: Any) -> None:
    """Has no side wait 40 ms for a delayed acknowledgement: neither this one, that sends a request in several PDUs, nor
    a peer with Nagle's algorithm, that sends the end of an answer once its beginning is acknowledged."""
    connection = event.assoc.dul.socket
    connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.recv = functools.partial(_received, connection.socket)


def _received(connection: socket.socket, count: int) -> bytearray:
    """So many bytes, fewer where the peer closed."""
    got = bytearray()
    while len(got) < count:
        part = connection.recv(count - len(got))
        if not part:
            break
        got += part
        if QUICKACK is not None:
            connection.setsockopt(socket.IPPROTO_TCP, QUICKACK, 1)
    return got


PROMPTLY = ((evt.EVT_CONN_OPEN, _promptly),)


class NoAssociation(OSError):
    """The peer did not answer, or rejected the association; the text says which."""


class NothingTaken(OSError):
    """The peer answered, and takes none of the SOP classes in any transfer syntax that it was offered."""


@contextlib.contextmanager
def associated(
    context: Context,
    peer: Peer,
    contexts: list[Any],
    handlers: list[Any] | None = None,
    roles: list[Any] | None = None,
) -> Iterator[Any]:
    """An association with a peer, released in the end; NoAssociation or NothingTaken where there is none."""
    made = entity(context.settings)
    made.connection_timeout = CONNECT_SECONDS
    options: dict[str, Any] = {"evt_handlers": [*(handlers or []), *PROMPTLY], "ext_neg": roles or []}
    if peer.tls:
        options["tls_args"] = (client_tls(context), peer.host)
    association = made.associate(peer.host, peer.port, contexts=contexts, ae_title=peer.ae_title, **options)
    if not association.is_established:
        if association.rejected_contexts:  # pynetdicom ends what could carry nothing
            raise NothingTaken(f"{peer.ae_title} takes no SOP class and transfer syntax that it was offered")
        why = f"does not answer at port {peer.port}"
        if association.is_rejected:
            why = "rejected the association"
        elif peer.tls and (problem := _tls_problem(context, peer)):
            why = f"has no TLS connection with this archive at port {peer.port}: {problem}"
        raise NoAssociation(f"{peer.ae_title} {why}")
    steady(association)
    try:
        yield association
    finally:
        if association.is_established:
            association.release()


def _tls_problem(context: Context, peer: Peer) -> str:
    """Why there is no TLS connection with a peer, by a handshake of its own; "" where that is not the reason.

    pynetdicom does not say it. In TLS 1.3 a peer's refusal of this archive's certificate comes behind the handshake.
    """
    try:
        with (
            socket.create_connection((peer.host, peer.port), LOOK_SECONDS) as plain,
            client_tls(context).wrap_socket(plain, server_hostname=peer.host) as secured,
        ):
            secured.recv(1)
    except ssl.SSLCertVerificationError as problem:
        return f"its certificate is refused here ({problem.verify_message})"
    except ssl.SSLError as problem:
        return f"it refused the handshake or this archive's certificate ({problem.reason or problem})"
    except OSError:
        return ""
    return ""


def client_tls(context: Context) -> ssl.SSLContext:
    """TLS towards a peer: its certificate is checked, this archive's is shown where it has one."""
    settings = context.settings
    made = ssl.create_default_context(cafile=settings.dicom_tls_clients or None)
    if settings.dicom_tls_certificate:
        made.load_cert_chain(settings.dicom_tls_certificate, settings.dicom_tls_key or None)
    return made
