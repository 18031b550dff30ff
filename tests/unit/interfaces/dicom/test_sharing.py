"""Associations are shared evenly between processes, also where one of them is slow to wake up."""

from __future__ import annotations

from interfaces.dicom.association.sharing import Sharing


def test_who_has_the_fewest_does_not_wait():
    counts = [0, 0, 0]
    processes = [Sharing(counts, own) for own in range(3)]
    assert [each.patience for each in processes] == [0, 0, 0]
    processes[1].has(2)
    processes[2].has(1)
    assert [each.patience > 0 for each in processes] == [False, True, True]
    processes[0].has(1)
    assert [each.patience > 0 for each in processes] == [False, True, False]


def test_one_alone_never_waits():
    alone = Sharing([0], 0)
    alone.has(5)
    assert alone.patience == 0
