"""The upper layer service (PS3.8) of an accepted association.

pynetdicom's state machine decides; what differs here is how bytes get to it. A PDU longer than announced ends the
association before it is received, and P-DATA goes to the DIMSE provider as views of the connection's buffer.
"""

from __future__ import annotations

import functools
import struct
import threading
import time
from typing import Any

import structlog
from pynetdicom._globals import MODE_ACCEPTOR
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import C_FIND, C_GET, C_MOVE
from pynetdicom.dul import DULServiceProvider
from pynetdicom.fsm import StateMachine
from pynetdicom.pdu import A_ASSOCIATE_AC
from pynetdicom.pdu_primitives import P_DATA

from interfaces.dicom.association.answering_find import answer_find
from interfaces.dicom.association.answering_retrieval import answer_retrieval
from interfaces.dicom.association.connection import Socket
from interfaces.dicom.association.fast_store import FastStore
from interfaces.dicom.association.messages import Messages, Told
from interfaces.dicom.association.pdus import P_DATA_TF
from interfaces.dicom.association.proposals import AssociateRequest, Negotiation

ASSOCIATE_RQ = 1
AWAITING_REQUEST, REQUESTED, ESTABLISHED = "Sta2", "Sta3", "Sta6"
HEAD = struct.Struct(">BxL")  # of a PDU: its type and how many bytes follow
LONGEST_CONTROL = 2**20  # bytes of an A-ASSOCIATE PDU; a real one has a few thousand
LONGEST_MESSAGE = 2**24  # bytes of a message that is held in memory, which all are but C-STORE requests

log = structlog.get_logger("dicom")


class States(StateMachine):
    """Tells who waits for a request that none will come any more: nothing, in place of it."""

    def transition(self, state: str) -> None:
        """Goes to another state."""
        awaited = self.current_state == AWAITING_REQUEST
        super().transition(state)
        if awaited and state != REQUESTED:
            told: Any = self.dul.to_user_queue
            told.put(None)


class UpperLayer(DULServiceProvider):
    """The provider of one accepted association."""

    def __init__(self, assoc: Association, news: threading.Semaphore) -> None:
        super().__init__(assoc)
        self._assoc: Any = assoc
        self.state_machine = States(self)
        self.to_user_queue = Told(news)
        self._run_loop_delay = 0
        self._refused = False
        self._held = 0  # bytes of a message that has not come whole
        self.daemon = True

    @property
    def assoc(self) -> Any:
        """Its association."""
        return self._assoc

    def send_pdu(self, primitive: Any) -> None:
        """Queues a primitive for the peer."""
        super().send_pdu(primitive)
        self._wake()

    def send_encoded(self, pdus: bytes) -> None:
        """Sends P-DATA-TF PDUs from the association's thread, while it is established."""
        if self.socket is not None and self.state_machine.current_state == ESTABLISHED:
            self.socket.send(pdus)
            self._idle_timer.restart()

    def _send(self, pdu: Any) -> None:
        if isinstance(pdu, A_ASSOCIATE_AC):
            self.assoc.acse.add_answers(pdu)
        super()._send(pdu)

    def _decode_pdu(self, bytestream: bytearray) -> Any:
        if bytestream[0] != ASSOCIATE_RQ:
            return super()._decode_pdu(bytestream)
        request = AssociateRequest()
        request.decode(bytes(bytestream))
        return request, "Evt6"

    def kill_dul(self) -> None:
        """Stops the thread."""
        super().kill_dul()
        self._wake()

    def stop_dul(self) -> bool:
        """Stops the thread once the connection is closed; False while it is not."""
        if self.state_machine.current_state != "Sta1":
            self._wake()
            return False
        self._kill_thread = True
        self._wake()
        self.join(5)
        return not self.is_alive()

    def _wake(self) -> None:
        if isinstance(self.socket, Socket):
            self.socket.wake()

    def _process_recv_primitive(self) -> bool:
        """Takes what is to be sent; of an association that is refused nothing is any more."""
        if self._refused:
            self.to_provider_queue.queue.clear()
        return super()._process_recv_primitive()

    def _read_pdu_data(self) -> None:
        """Reads the PDU that waits, and those that follow it while they are C-STORE requests only."""
        while self._read_pdu() and not self.event_queue.queue and not self.to_provider_queue.queue:
            connection = self.socket
            if self._kill_thread or connection is None or not connection.ready:
                return

    def _read_pdu(self) -> bool:
        """Reads a PDU; True where it was dealt with here, and is no longer needed."""
        connection = self.socket
        assert isinstance(connection, Socket)
        try:
            if self._refused:
                connection.skip(len(connection.received))
                connection.receive()
                return False
            store = self._assoc.store
            if store and not self._follow(connection, store):
                return True
            head = connection.take(HEAD.size)
            if head is None:
                self.event_queue.put("Evt17")
                return False
            kind, length = HEAD.unpack(head)
            if not 1 <= kind <= 7 or length > (self._longest if kind == P_DATA_TF else LONGEST_CONTROL):
                self._refuse()
                return False
            body = connection.take(length)
        except (OSError, ValueError) as problem:
            if isinstance(problem, TimeoutError) and not self._refused:
                asking = self.assoc.requestor
                log.warning(
                    "association aborted: a message comes too slowly", calling=asking.ae_title, address=asking.address
                )
                self._refuse()
            else:
                self.event_queue.put("Evt17")
            return False
        if body is None:
            self.event_queue.put("Evt17")
            return False
        if kind == P_DATA_TF and self.state_machine.current_state == ESTABLISHED:
            return self._data(body)
        try:
            pdu, event = self._decode_pdu(bytearray(HEAD.pack(kind, length) + body))
        except Exception:
            self._refuse()
            return False
        connection.whole()
        self.event_queue.put(event)
        self._recv_pdu.put(pdu)
        return False

    def _follow(self, connection: Socket, store: FastStore) -> bool:
        """Takes what comes of C-STORE requests as long as there is any; True once something else is to be read."""
        while not self._kill_thread and not self.to_provider_queue.queue:
            received = connection.received or connection.receive()
            if received is None:
                if store.request and not self.event_queue.queue and connection.ready:
                    continue  # the rest of a data set
                break
            self._idle_timer.restart()
            if self.state_machine.current_state != ESTABLISHED:
                connection.skip(store.pass_over(received))
                return bool(connection.received)
            taken, answer = store.follow(received, self._longest)
            connection.skip(taken)
            if answer is not None:
                connection.whole()
                connection.send(answer)
                break
            if taken < len(received):
                return True
        return False

    @functools.cached_property
    def _longest(self) -> int:
        """Bytes of a P-DATA PDU, once it is negotiated."""
        return self.assoc.acceptor.maximum_length or 2**32 - 1

    def _data(self, body: memoryview) -> bool:
        """Takes the presentation data values of a P-DATA-TF PDU (PS3.8 section 9.3.5); True where they were C-STORE's.

        What is not goes to pynetdicom's DIMSE provider, as copies: the buffer is used again.
        """
        try:
            values = presentation_data_values(body)
            if not values:
                return False
            answer: bytes | bool = self.assoc.store.take(values) if self.assoc.store else False
        except ValueError:
            self._refuse()
            return False
        connection: Any = self.socket
        if answer is not False:
            if isinstance(answer, bytes) and connection is not None:
                connection.whole()
                connection.send(answer)
            self._idle_timer.restart()
            return True
        self._held += len(body)
        if self._held > LONGEST_MESSAGE:
            log.warning("association aborted: a message has no end", calling=self.assoc.requestor.ae_title)
            self._refuse()
            return False
        primitive = P_DATA()
        primitive._presentation_data_value_list = [(context, bytes(value)) for context, value in values]
        try:
            self.assoc.dimse.receive_primitive(primitive)
        except Exception:
            self._refuse()
        if self.assoc.dimse.message is None:
            self._held = 0
            if connection is not None:
                connection.whole()
        self._idle_timer.restart()
        return False

    def _refuse(self) -> None:
        """The association ends, as what came is no PDU that may come; of what follows only its end is waited for."""
        self._refused = True
        self.event_queue.put("Evt19")


def presentation_data_values(body: memoryview) -> list[tuple[int, memoryview]]:
    """Context id, and message control header with fragment, of each value of a P-DATA-TF PDU; ValueError."""
    values, at = [], 0
    if len(body) >= 6 and int.from_bytes(body[:4]) == len(body) - 4:  # one, as nearly always
        return [(body[4], body[5:])]
    while at < len(body):
        if len(body) - at < 6:
            raise ValueError("a presentation data value is cut short")
        (length,) = struct.unpack_from(">L", body, at)
        if length < 2 or length > len(body) - at - 4:
            raise ValueError("a presentation data value is longer than its PDU")
        values.append((body[at + 4], body[at + 5 : at + 4 + length]))
        at += 4 + length
    return values


class AcceptedAssociation(Association):
    """An association that a peer asked for, with the upper layer of this module."""

    def __init__(self, ae: Any) -> None:
        super().__init__(ae, MODE_ACCEPTOR)
        self._news = threading.Semaphore(0)
        self.dul = UpperLayer(self, self._news)
        self.acse = Negotiation(self)
        self.dimse = Messages(self, self._news)
        self.acse_timeout = ae.acse_timeout
        self.network_timeout = ae.network_timeout
        self.slot: int | None = None
        self.store: FastStore | None = None
        self.ended = lambda association: None

    def run_reactor(self) -> None:
        """The association from its first byte to its last."""
        try:
            super().run_reactor()
        except Exception:
            log.exception("an association failed")
            self.abort()
        finally:
            self.ended(self)
            connection = self.dul.socket
            if isinstance(connection, Socket):
                self.dul.join(5)
                if self.store is not None and not self.dul.is_alive():
                    self.store.abandon()
                connection.discard()
            self.dimse.message = None  # which may be large

    def _run_reactor(self) -> None:
        """As pynetdicom's, but asleep until a message comes."""
        while not self._kill:
            self._is_paused = True
            self._reactor_checkpoint.wait()
            self._is_paused = False
            context_id, message = self.dimse.get_msg(block=False)
            if message and context_id is not None:
                self._serve_request(message, context_id)
                continue
            if self.is_established and self.acse.is_release_requested():
                self.acse.send_release(is_response=True)
                self.is_released, self.is_established = True, False
                self.kill()
            elif self.acse.is_aborted():
                self.dul.receive_pdu(wait=False)
                self.is_aborted, self.is_established = True, False
                self.kill()
            elif not self.dul.is_alive():
                self.kill()
            elif self.dul.idle_timer_expired():
                self.abort()
                self.kill()
            else:
                continue
            return

    def _serve_request(self, msg: Any, context_id: int) -> None:
        if not msg.is_valid_request and getattr(msg, "MessageIDBeingRespondedTo", None) is None:
            log.warning("association aborted: a request lacks what it needs", calling=self.requestor.ae_title)
            self.abort()  # nothing would be an answer to it, and its peer would wait for one
            return
        context = self._accepted_cx.get(context_id)
        ours = isinstance(msg, C_FIND | C_GET | C_MOVE) and msg.is_valid_request
        if not ours or context is None or self._sent_release:
            super()._serve_request(msg, context_id)
            return
        (answer_find if isinstance(msg, C_FIND) else answer_retrieval)(self, msg, context)
        self.dimse.cancel_req.clear()

    def kill(self) -> None:
        """Ends the association's threads; the connection is closed at the latest after a moment."""
        self._reactor_checkpoint.set()
        self._kill = True
        self._news.release()
        self.is_established = False
        self._is_paused = True
        deadline = time.monotonic() + 2
        while self.dul.is_alive() and not self.dul.stop_dul():
            if time.monotonic() > deadline:
                self.dul.kill_dul()
                break
            time.sleep(0.005)
