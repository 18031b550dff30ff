"""The threads of an association end with it."""

from __future__ import annotations

import socket

import pytest
from pynetdicom import AE
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
