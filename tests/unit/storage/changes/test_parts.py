"""How the keys are divided among those who feed a target."""

import itertools

import pytest

from fhir_server.core.ports import Change
from fhir_server.storage.changes.feeders import Feeder
from fhir_server.storage.changes.parts import Held, due, part_of


@pytest.mark.parametrize(("count", "projectors"), list(itertools.product((1, 2, 3, 5, 9), (1, 2, 3, 8))))
def test_every_part_is_due_to_one_feeder_and_all_have_alike(count: int, projectors: int) -> None:
    feeders = [Feeder(f"f{number}", projectors) for number in range(count)]
    shares = [due(feeders, feeder.owner)[0] for feeder in feeders]
    assert sorted(itertools.chain(*shares)) == list(range(projectors))
    sizes = [len(share) for share in shares if share]
    assert max(sizes) - min(sizes) <= 1
    assert len(sizes) == min(count, projectors)


def test_where_settings_differ_the_greatest_number_of_parts_counts() -> None:
    feeders = [Feeder("a", 1), Feeder("b", 4)]
    assert due(feeders, "a") == ([0, 2], 4)
    assert due(feeders, "b") == ([1, 3], 4)


def test_who_stands_by_has_a_part_only_where_nobody_else_feeds() -> None:
    there, moment, another = Feeder("server", 2), Feeder("command", 4, True), Feeder("another", 4, True)
    assert due([moment, there, another], "server") == ([0, 1], 2)
    assert due([moment, there, another], "command") == ([], 2)
    assert due([moment, another], "command") == ([0, 2], 4)


def test_keys_are_spread_over_the_parts() -> None:
    parts = [part_of("Observation", str(number), 4) for number in range(4000)]
    assert all(800 < parts.count(part) < 1200 for part in range(4))


def test_a_change_is_of_one_part_and_only_past_its_position() -> None:
    changes = [Change(seq, "Patient", f"p{seq % 7}", 1, "PUT", 0) for seq in range(1, 101)]
    one, other = Held({0: 0}, 2), Held({1: 50}, 2)
    mine, theirs = one.among(changes), other.among(changes)
    assert {change.id for change in mine}.isdisjoint(change.id for change in theirs)
    assert all(change.seq > 50 for change in theirs)
    assert {*mine, *theirs} >= set(changes[50:])
    assert (one.whole, Held({0: 3}, 1).whole) == (False, True)
