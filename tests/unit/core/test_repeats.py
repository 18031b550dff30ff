"""What goes wrong again and again is said once a while."""

from fhir_server.core.repeats import MOST, Repeats


def test_it_is_said_at_first_and_then_once_a_while_with_a_count():
    now = [0.0]
    repeats = Repeats(every=60, clock=lambda: now[0])
    assert [repeats.due("a"), repeats.due("a"), repeats.due("b"), repeats.due("a")] == [1, 0, 1, 0]
    now[0] = 60
    assert [repeats.due("a"), repeats.due("a"), repeats.due("b")] == [3, 0, 1]


def test_ever_new_failures_are_not_kept_for_ever():
    repeats = Repeats(clock=lambda: 0.0)
    assert all(repeats.due(number) == 1 for number in range(MOST * 3))
    assert len(repeats._seen) <= MOST
