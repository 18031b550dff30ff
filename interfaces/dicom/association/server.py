"""Accepts connections on a socket that listens, checks who it is, and gives each association its slot."""

from __future__ import annotations

import logging
import socket
import socketserver
import ssl
import threading
import time
from collections.abc import Callable
from typing import Any

import structlog
from pynetdicom import AE, evt
from pynetdicom.transport import RequestHandler, ThreadedAssociationServer

from fhir_server.core.errors import FhirError, error
from fhir_server.core.renewed_tls import no_password, renewed
from fhir_server.core.settings import Settings
from fhir_server.core.sharing import Share
from interfaces.dicom.association.connection import Socket
from interfaces.dicom.association.fast_store import Begin, FastStore
from interfaces.dicom.association.slots import Slots
from interfaces.dicom.association.upper_layer import AcceptedAssociation
from interfaces.dicom.configuration import Configuration
from interfaces.dicom.dataset.part10 import IMPLEMENTATION_NAME, IMPLEMENTATION_UID

CONNECTIONS_PER_SLOT = 4  # connections that have not asked for an association yet are bounded too
LEFT_SECONDS = 0.02  # that a connection is left to others, for them to wake up beside other work too
LIMIT_EXCEEDED = (0x02, 0x03, 0x02)  # PS3.8 table 9-21: transient, presentation related, local limit exceeded
UNKNOWN_CALLING = (0x01, 0x01, 0x03)  # permanent, service user, calling AE title not recognized

log = structlog.get_logger("dicom")


class _Handler(RequestHandler):
    """Makes the association of a connection."""

    def handle(self) -> None:
        """In a thread of its own: the TLS handshake must not hold up the others."""
        connection: Any = self.request
        if isinstance(connection, ssl.SSLSocket):
            try:
                connection.do_handshake()  # whole within the timeout, however it comes
            except OSError as problem:
                log.warning("TLS handshake failed", peer=self.client_address[0], problem=str(problem))
                self.server.shutdown_request(connection)
                return
        super().handle()

    def finish(self) -> None:
        """The connection is an association now, or none."""
        server: Any = self.server
        server.count()

    def _create_association(self) -> Any:
        server: Any = self.server
        association = AcceptedAssociation(self.ae)
        association._server = server
        association.store = FastStore(association, server.begin)
        association.name = "AcceptorThread"
        association.ended = server.ended
        connection = Socket(association, self.request)
        connection.hearing = association.dul._idle_timer.restart
        association.set_socket(connection)
        acceptor = association.acceptor
        acceptor.maximum_length = self.ae.maximum_pdu_size
        acceptor.ae_title = server.ae_title
        acceptor.address_info = self.local
        acceptor.implementation_class_uid = self.ae.implementation_class_uid
        acceptor.implementation_version_name = self.ae.implementation_version_name
        acceptor.supported_contexts = server.contexts  # which nobody changes
        association.requestor.address_info = self.remote
        for event, bound in server._handlers.items():
            if event.is_intervention and bound:
                association.bind(event, *bound)
            elif isinstance(event, evt.NotificationEvent):
                for handler in bound:
                    association.bind(event, handler[0], handler[1])
        with server.lock:
            server.open.add(association)
        return association


class AssociationServer(ThreadedAssociationServer):
    """The acceptor of one process."""

    daemon_threads = True

    def __init__(
        self,
        entity: AE,
        listening: socket.socket,
        settings: Settings,
        slots: Slots,
        share: Share,
        handlers: list[Any],
        tls: Any,
        begin: Begin,
    ) -> None:
        self.begin = begin
        self._listening = listening
        self._timeout = settings.dicom_timeout_seconds
        self._most = settings.dicom_max_associations * CONNECTIONS_PER_SLOT
        self.slots = slots
        self._share = share
        self.open: set[AcceptedAssociation] = set()
        self._arriving = 0  # connections that are no association object yet, as their TLS handshake goes on
        self.lock = threading.Lock()
        address = listening.getsockname()[:2]
        contexts = entity.supported_contexts
        super().__init__(entity, address, settings.dicom_ae_title, contexts, tls, handlers, _Handler)

    def server_bind(self) -> None:
        """The socket is bound already."""
        self.socket.close()  # type: ignore[union-attr]
        self.socket = self._listening
        self._listening.setblocking(False)
        self.server_address = self._listening.getsockname()

    def server_activate(self) -> None:
        """The socket listens already."""

    def get_request(self) -> Any:
        """The next connection; OSError where another process took it, which one with fewer associations does."""
        if self._share.others_have_fewer(self._share.number):
            time.sleep(LEFT_SECONDS)
        connection, address = self._listening.accept()
        self._share.note(len(self.open) + 1)
        connection.settimeout(self._timeout)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.ssl_context:
            connection = self.ssl_context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        return connection, address

    def verify_request(self, request: Any, client_address: Any) -> bool:
        """Whether there is room for one more connection."""
        room = len(self.open) + self._arriving < self._most
        if not room:
            log.warning("connection closed: limit reached", peer=str(client_address[0]))
        return room

    def process_request(self, request: Any, client_address: Any) -> None:
        """Gives a connection a thread of its own."""
        with self.lock:
            self._arriving += 1
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Makes the association of a connection, or none."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            with self.lock:
                self._arriving -= 1

    def service_actions(self) -> None:
        """Nothing between two connections."""

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that failed before its association began."""
        log.warning("connection failed", peer=str(client_address[0]), exc_info=True)

    def ended(self, association: AcceptedAssociation) -> None:
        """An association is over."""
        with self.lock:
            self.open.discard(association)
        self.count()
        if association.slot is not None:
            self.slots.free(association.slot)
            association.slot = None

    def count(self) -> None:
        """Tells the other processes how many associations this one has."""
        self._share.note(len(self.open))

    def stop(self, seconds: float) -> None:
        """Accepts no more, waits for what is under way, aborts what remains."""
        self.shutdown()
        deadline = time.monotonic() + seconds
        while self.open and time.monotonic() < deadline:
            time.sleep(0.05)
        for association in list(self.open):
            association.abort()

    def shutdown(self) -> None:
        """Ends serve_forever; the socket stays open for other processes."""
        socketserver.BaseServer.shutdown(self)


def requested(
    event: Any,
    server: Callable[[], AssociationServer],
    configuration: Configuration,
    known_only: bool,
    refused: Callable[[str, str], None],
) -> None:
    """An association is asked for: rejects unknown peers where only known ones may, and what is over the limit.

    refused: is told of unknown peers, by title and address.
    """
    association = event.assoc
    title = association.requestor.primitive.calling_ae_title.strip()
    address = association.requestor.address
    if known_only and not known(configuration, title, address):
        log.warning("association rejected: unknown peer", calling=title, address=address)
        reject(association, UNKNOWN_CALLING)
        refused(title, address)
        return
    association.slot = server().slots.take()
    if association.slot is None:
        log.warning("association rejected: limit reached", calling=title, address=address)
        reject(association, LIMIT_EXCEEDED)


def known(configuration: Configuration, title: str, address: str) -> bool:
    """Whether a peer of that AE title is at that address."""
    try:
        peer = configuration.peers().named(title)
    except FhirError as problem:
        log.error("peers can't be read", problem=str(problem))
        return False
    if peer is None:
        return False
    if peer.host == address:
        return True
    try:
        return address in {found[4][0] for found in socket.getaddrinfo(peer.host, None)}
    except OSError:
        return False


def reject(association: Any, reason: tuple[int, int, int]) -> None:
    """Answers A-ASSOCIATE-RJ."""
    association.acse.send_reject(*reason)
    association.kill()


def entity(settings: Settings) -> AE:
    """This archive as an application entity, without services."""
    from pynetdicom import _config

    logging.getLogger("pynetdicom").setLevel(logging.CRITICAL)  # what matters is logged here, without patient data
    _config.LOG_HANDLER_LEVEL = "none"
    _config.LOG_REQUEST_IDENTIFIERS = _config.LOG_RESPONSE_IDENTIFIERS = False
    _config.UNRESTRICTED_STORAGE_SERVICE = True
    _config.CODECS = ("ascii", "utf8", "latin-1")
    made = AE(settings.dicom_ae_title)
    made.implementation_class_uid = IMPLEMENTATION_UID
    made.implementation_version_name = IMPLEMENTATION_NAME
    made.maximum_associations = 2**31
    made.maximum_pdu_size = settings.dicom_max_pdu
    made.require_called_aet = True
    made.acse_timeout = min(30, settings.dicom_timeout_seconds)
    made.dimse_timeout = settings.dicom_timeout_seconds
    made.network_timeout = settings.dicom_timeout_seconds
    return made


def tls_context(settings: Settings) -> ssl.SSLContext | None:
    """TLS of the listener by the settings; FhirError "value" where its files can't be used."""
    if not settings.dicom_tls_certificate:
        return None
    files = settings.dicom_tls_certificate, settings.dicom_tls_key, settings.dicom_tls_clients
    return renewed(lambda: _tls_context(settings), files)


def _tls_context(settings: Settings) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(settings.dicom_tls_certificate, settings.dicom_tls_key or None, password=no_password)
        if settings.dicom_tls_clients:
            context.load_verify_locations(settings.dicom_tls_clients)
            context.verify_mode = ssl.CERT_REQUIRED
    except (OSError, ValueError) as problem:
        raise error(
            "value", f"dicom_tls_certificate, dicom_tls_key or dicom_tls_clients can't be used: {problem}."
        ) from problem
    return context
