from __future__ import annotations

import random

import pytest

from interfaces.hl7v2.mllp.frames import HEAD, Frame, Frames, framed

ONE = b"MSH|^~\\&|A|B\rPID|1\r"
TWO = b"MSH|^~\\&|C|D\r"


def contents(*packets: bytes, limit: int = 1000) -> list[bytes]:
    frames = Frames(limit)
    return [frame.content for packet in packets for frame in frames.feed(packet)]


def test_a_frame_in_one_packet():
    assert contents(framed(ONE)) == [ONE]


def test_two_frames_in_one_packet():
    assert contents(framed(ONE) + framed(TWO)) == [ONE, TWO]


def test_one_byte_at_a_time():
    stream = framed(ONE) + framed(TWO)
    assert contents(*(stream[at : at + 1] for at in range(len(stream)))) == [ONE, TWO]


def test_any_cut_gives_the_same():
    stream = b"junk\r\n" + framed(ONE) + b"\x00" + framed(TWO) + framed(b"")
    chance = random.Random(7)
    for _ in range(300):
        cuts = sorted(chance.sample(range(len(stream)), chance.randrange(1, 12)))
        packets = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
        assert contents(*packets) == [ONE, TWO, b""]


def test_junk_before_a_frame_is_skipped_and_counted():
    frames = Frames(1000)
    assert list(frames.feed(b"GET / HTTP/1.1\r\n\r\n" + framed(ONE))) == [Frame(ONE, len(ONE))]
    assert frames.junk == len("GET / HTTP/1.1")


@pytest.mark.parametrize("end", [b"\x1c", b"\x1c\n", b"\x1c\r\n", b"\x1c\x1c"])
def test_other_ends_of_a_frame(end: bytes):
    assert contents(b"\x0b" + ONE + end + framed(TWO)) == [ONE, TWO]


def test_a_frame_that_begins_again_drops_its_half():
    assert contents(b"\x0bMSH|^~\\&|hal" + framed(ONE)) == [ONE]


def test_a_vertical_tab_in_text_is_text():
    assert contents(framed(ONE + b"NTE|1||a\x0bb\r")) == [ONE + b"NTE|1||a\x0bb\r"]


def test_a_frame_over_the_limit_keeps_its_beginning_and_the_next_is_whole():
    long = b"MSH|^~\\&|" + b"x" * 100_000
    frames = Frames(50_000)
    stream = framed(long) + framed(ONE)
    found = [frame for at in range(0, len(stream), 4096) for frame in frames.feed(stream[at : at + 4096])]
    assert found == [Frame(long[:HEAD], len(long), True), Frame(ONE, len(ONE))]


def test_a_frame_of_just_the_limit_is_whole():
    cut = [frame.cut for size in (99, 100, 101) for frame in Frames(100).feed(framed(b"x" * size))]
    assert cut == [False, False, True]


def test_memory_is_bounded_by_the_limit():
    frames = Frames(50_000)
    assert list(frames.feed(b"\x0b")) == []
    for _ in range(1000):
        assert list(frames.feed(b"x" * 10_000)) == []
    assert frames.started
    assert len(frames._buffer) <= 60_000
