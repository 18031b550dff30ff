"""The threads of an association end with it."""

from __future__ import annotations

import io
import socket

import pytest
from pynetdicom import AE, build_context, evt
from pynetdicom.dimse_primitives import C_CANCEL, C_FIND
from pynetdicom.transport import AddressInformation

from interfaces.dicom.association.connection import Socket
from interfaces.dicom.association.upper_layer import AcceptedAssociation
from tests.unit.interfaces.dicom.test_proposals import request


@pytest.fixture
def accepted():
    """An association and its peer's end of the connection."""
    here, there = socket.socketpair()
    here.settimeout(10)
    there.settimeout(10)
    association = AcceptedAssociation(AE("ULTIMATEHMS"))
    connection = Socket(association, here)
    connection._acknowledge = lambda: None  # of TCP, which this is not
    association.set_socket(connection)
    association.requestor.address_info = AddressInformation("127.0.0.1", 104)
    yield association, there
    there.close()


def test_one_that_fails_is_aborted_and_leaves_nothing_running(accepted):
    association, peer = accepted
    ended = []
    association.ended = ended.append
    association.acse.negotiate_association = lambda: 1 / 0
    association.start()
    peer.sendall(request())
    association.join(10)
    assert not association.is_alive() and not association.dul.is_alive()
    assert ended == [association]
    assert peer.recv(100)[:1] == b"\x07"
    assert peer.recv(100) == b""


def test_a_cancel_is_of_the_request_that_came_before_it(accepted):
    association, _ = accepted
    query = C_FIND()
    query.MessageID, query.Priority = 7, 2
    query.AffectedSOPClassUID, query.Identifier = "1.2.840.10008.5.1.4.1.2.2.1", io.BytesIO()
    context = build_context(query.AffectedSOPClassUID)
    context.context_id = 1
    association._accepted_cx = {1: context}
    seen = []
    association.bind(evt.EVT_C_FIND, lambda event: seen.append(event.is_cancelled) or iter(()))
    association.dimse.cancel_req[7] = C_CANCEL()  # of an earlier one, which had ended
    association.dimse.msg_queue.put((1, query))
    association._serve_request(query, 1)
    association.dimse.msg_queue.put((1, query))
    association.dimse.cancel_req[7] = C_CANCEL()
    association._serve_request(query, 1)
    assert seen == [False, True]
