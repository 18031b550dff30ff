"""A data set is written as it comes, in parts that are put together."""

from __future__ import annotations

import struct
from types import SimpleNamespace

import pytest

from interfaces.dicom.association import fast_store
from interfaces.dicom.association.fast_store import C_STORE_RQ, MESSAGE_ID, FastStore
from interfaces.dicom.association.pdus import COMMAND, LAST
from interfaces.dicom.association.responses import DATA_SET_TYPE, FIELD, SOP_CLASS, SOP_INSTANCE, element

REQUEST = b"".join(
    (
        element(SOP_CLASS, b"1.2\0"),
        element(FIELD, struct.pack("<H", C_STORE_RQ)),
        element(MESSAGE_ID, struct.pack("<H", 7)),
        element(DATA_SET_TYPE, struct.pack("<H", 1)),
        element(SOP_INSTANCE, b"1.3\0"),
    )
)


class Arrived:
    """What was written, and how many parts at a time."""

    def __init__(self) -> None:
        self.data = b""
        self.parts: list[int] = []

    def write(self, parts: list[memoryview]) -> None:
        self.data += b"".join(parts)
        self.parts.append(len(parts))

    def finish(self) -> tuple[int, str]:
        return 0, ""

    def discard(self) -> None:
        raise AssertionError


def opened(arrived: Arrived, message: object = None) -> FastStore:
    """A store of an association with context 1; message: pynetdicom's that is not whole."""
    context = SimpleNamespace(transfer_syntax=["1.2.840.10008.1.2"])
    association = SimpleNamespace(dimse=SimpleNamespace(message=message), _accepted_cx={1: context})
    return FastStore(association, lambda *_: arrived)


def started(arrived: Arrived) -> FastStore:
    """A store whose peer has asked for a C-STORE in context 1."""
    store = opened(arrived)
    assert store.take([(1, memoryview(b"\3" + REQUEST))]) is True
    return store


def data(value: bytes, control: int = 0, context: int = 1, kind: int = 4) -> bytes:
    """A P-DATA-TF PDU of one fragment."""
    return struct.pack(">BxLLBB", kind, len(value) + 6, len(value) + 2, context, control) + value


@pytest.mark.parametrize("cut", [1, 2, 7, 11, 12, 13, 40, 65, 66, 67, 1000])
def test_requests_are_the_same_wherever_what_is_received_is_cut(cut):
    arrived = Arrived()
    store = opened(arrived)
    fragments = data(bytes(range(20))) + data(b"") + data(bytes(range(20, 50))) + data(bytes(range(50, 60)), LAST)
    sent = (data(REQUEST, COMMAND | LAST) + fragments) * 2
    left, answers = b"", []
    for at in range(0, len(sent), cut):
        left += sent[at : at + cut]
        taken = 1
        while left and taken:
            taken, answer = store.follow(memoryview(left), 100)
            left = left[taken:]
            answers += [answer] if answer else []
    assert len(answers) == 2 and not left and store.request is None
    assert arrived.data == bytes(range(60)) * 2


@pytest.mark.parametrize(
    ("sent", "message"),
    [
        (data(REQUEST, COMMAND | LAST, context=3), None),
        (data(REQUEST, COMMAND), None),
        (data(REQUEST, LAST), None),
        (data(REQUEST, COMMAND | LAST, kind=5), None),
        (data(REQUEST + bytes(20), COMMAND | LAST), None),
        (data(REQUEST.replace(element(FIELD, b"\1\0"), element(FIELD, b"\x30\0")), COMMAND | LAST), None),
        (data(REQUEST, COMMAND | LAST), object()),
        (data(REQUEST[:-1], COMMAND | LAST), None),
    ],
    ids=["other context", "in parts", "data", "release", "too long", "echo", "amid a message", "cut short"],
)
def test_what_is_no_request_by_itself_is_left_to_others(sent, message):
    assert opened(Arrived(), message).follow(memoryview(sent), 70) == (0, None)


@pytest.mark.parametrize(
    "other",
    [
        data(b"x", COMMAND),
        data(b"x", context=3),
        data(b"x", kind=7),
        data(bytes(200)),
        struct.pack(">BxLLBB", 4, 8, 1, 1, 0) + bytes(2),
        struct.pack(">BxLLBB", 4, 8, 3, 1, 0) + bytes(2),
    ],
    ids=["command", "other context", "abort", "too long", "too short", "several values"],
)
def test_what_is_no_plain_fragment_is_left_to_others(other):
    arrived = Arrived()
    store = started(arrived)
    plain = data(b"some")
    assert store.follow(memoryview(plain + other), 100) == (len(plain), None)
    assert arrived.data == b"some" and store.request is not None


def test_the_rest_of_a_fragment_that_is_not_wanted_is_passed_over():
    store = started(Arrived())
    sent = data(bytes(50))
    assert store.follow(memoryview(sent[:20]), 100) == (20, None)
    assert store.pass_over(memoryview(sent[20:30])) == 10
    assert store.pass_over(memoryview(sent[30:] + data(b"x"))) == len(sent) - 30


def test_of_many_small_fragments_not_all_are_taken_together(monkeypatch):
    monkeypatch.setattr(fast_store, "MOST_PARTS", 10)
    arrived = Arrived()
    store = started(arrived)
    left, answer = b"".join(data(bytes((at,))) for at in range(25)) + data(b"\x19", LAST), None
    while answer is None:
        taken, answer = store.follow(memoryview(left), 100)
        left = left[taken:]
    assert not left and arrived.data == bytes(range(26))
    assert max(arrived.parts) <= 11


def test_a_data_set_may_come_in_several_values_of_a_pdu():
    arrived = Arrived()
    store = started(arrived)
    assert store.take([(1, memoryview(bytes((0, at)))) for at in range(25)]) is True
    with pytest.raises(ValueError, match="another context"):
        store.take([(3, memoryview(bytes((LAST, 25))))])
    assert isinstance(store.take([(1, memoryview(bytes((0, 25)))), (1, memoryview(bytes((LAST, 26))))]), bytes)
    assert arrived.data == bytes(range(27)) and store.request is None
