"""A data set is written as it comes, in parts that are put together."""

from __future__ import annotations

import struct
from types import SimpleNamespace

from interfaces.dicom.association import fast_store
from interfaces.dicom.association.fast_store import C_STORE_RQ, LAST, MESSAGE_ID, FastStore
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


def test_a_data_set_that_comes_byte_by_byte_is_written_meanwhile(monkeypatch):
    monkeypatch.setattr(fast_store, "MOST_PARTS", 10)
    arrived = Arrived()
    context = SimpleNamespace(transfer_syntax=["1.2.840.10008.1.2"])
    association = SimpleNamespace(dimse=SimpleNamespace(message=None), _accepted_cx={1: context})
    store = FastStore(association, lambda *_: arrived)
    assert store.take([(1, memoryview(b"\3" + REQUEST))]) is True
    for at in range(25):
        assert store.take([(1, memoryview(bytes((0, at))))]) is True
    assert isinstance(store.take([(1, memoryview(bytes((LAST, 25))))]), bytes)
    assert arrived.data == bytes(range(26))
    assert arrived.parts == [10, 10, 6]
