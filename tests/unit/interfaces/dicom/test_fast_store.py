"""A data set is written as it comes, in parts that are put together."""

from __future__ import annotations

import struct
from types import SimpleNamespace

import pytest

from interfaces.dicom.association import fast_store
from interfaces.dicom.association.fast_store import C_STORE_RQ, COMMAND, LAST, MESSAGE_ID, FastStore
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


def started(arrived: Arrived) -> FastStore:
    """A store whose peer has asked for a C-STORE in context 1."""
    context = SimpleNamespace(transfer_syntax=["1.2.840.10008.1.2"])
    association = SimpleNamespace(dimse=SimpleNamespace(message=None), _accepted_cx={1: context})
    store = FastStore(association, lambda *_: arrived)
    assert store.take([(1, memoryview(b"\3" + REQUEST))]) is True
    return store


def data(value: bytes, control: int = 0, context: int = 1, kind: int = 4) -> bytes:
    """A P-DATA-TF PDU of one fragment."""
    return struct.pack(">BxLLBB", kind, len(value) + 6, len(value) + 2, context, control) + value


@pytest.mark.parametrize("cut", [1, 2, 7, 11, 12, 13, 40, 1000])
def test_a_data_set_is_the_same_wherever_what_is_received_is_cut(cut):
    arrived = Arrived()
    store = started(arrived)
    sent = data(bytes(range(20))) + data(b"") + data(bytes(range(20, 50))) + data(bytes(range(50, 60)), LAST)
    left, answer = b"", None
    for at in range(0, len(sent), cut):
        assert answer is None
        received = left + sent[at : at + cut]
        taken, answer = store.follow(memoryview(received), 100)
        left = received[taken:]
    assert answer is not None and not left and not store.arriving
    assert arrived.data == bytes(range(60))


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
    store.write()
    assert arrived.data == b"some" and store.arriving


def test_the_rest_of_a_fragment_that_is_not_wanted_is_passed_over():
    store = started(Arrived())
    sent = data(bytes(50))
    assert store.follow(memoryview(sent[:20]), 100) == (20, None)
    assert store.pass_over(memoryview(sent[20:30])) == 10
    assert store.pass_over(memoryview(sent[30:] + data(b"x"))) == len(sent) - 30


def test_many_small_fragments_are_written_meanwhile(monkeypatch):
    monkeypatch.setattr(fast_store, "MOST_PARTS", 10)
    arrived = Arrived()
    store = started(arrived)
    sent = b"".join(data(bytes((at,))) for at in range(25)) + data(b"\x19", LAST)
    assert store.follow(memoryview(sent), 100)[0] == len(sent)
    assert arrived.data == bytes(range(26))
    assert arrived.parts == [10, 10, 6]


def test_a_data_set_that_comes_byte_by_byte_is_written_meanwhile(monkeypatch):
    monkeypatch.setattr(fast_store, "MOST_PARTS", 10)
    arrived = Arrived()
    store = started(arrived)
    for at in range(25):
        assert store.take([(1, memoryview(bytes((0, at))))]) is True
    assert isinstance(store.take([(1, memoryview(bytes((LAST, 25))))]), bytes)
    assert arrived.data == bytes(range(26))
    assert arrived.parts == [10, 10, 6]
