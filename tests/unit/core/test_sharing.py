"""Connections are shared evenly between processes: each knows how many the others have."""

from __future__ import annotations

from fhir_server.core.sharing import Share, counts_of_copies


def test_who_has_the_fewest_does_not_wait():
    counts = counts_of_copies(3)
    shares = [Share(counts, place) for place in range(3)]

    def waiting(*numbers: int) -> list[bool]:
        for share, number in zip(shares, numbers, strict=True):
            share.note(number)
        return [share.others_have_fewer(share.number) for share in shares]

    assert waiting(0, 0, 0) == [False, False, False]
    assert waiting(0, 2, 1) == [False, True, True]
    assert waiting(1, 2, 1) == [False, True, False]


def test_one_that_takes_the_place_of_another_has_none():
    counts = [0, 0]
    Share(counts, 1).note(7)
    Share(counts, 1)
    assert counts == [0, 0]


def test_one_alone_never_waits():
    alone = Share([0], 0)
    alone.note(5)
    assert not alone.others_have_fewer(5)
