"""Sorting and paging, against a plain sort."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fhir_server.core.query import EVERYTHING, Query, SortKey, TokenIs
from fhir_server.core.values import DATE, STRING, TOKEN
from fhir_server.storage.sqlite.search import unsorted
from tests.unit.storage.sqlite.shelf import START, Shelf
from tests.unit.storage.sqlite.world import clauses, sort_keys, type_lists, worlds

SLOW = settings(deadline=None, max_examples=150, suppress_health_check=list(HealthCheck))


@pytest.mark.parametrize("least", [0, 64])
@SLOW
@given(data=st.data())
def test_pages_in_both_directions_are_the_sorted_matches_cut_up(least, data):
    shelf, world = data.draw(worlds)
    types = data.draw(type_lists)
    where = data.draw(clauses | st.just(EVERYTHING))
    keys = tuple(data.draw(st.lists(sort_keys, max_size=3)))
    count = data.draw(st.integers(1, 4))
    expected = [(item.type, item.id) for item in world.order(world.find(types, where), keys)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(unsorted, "LEAST", least)  # 0: walk along the first key rather than sort the matches
        forward = pages(shelf, Query(types, where, keys, count=count), "next")
        backward = pages(shelf, Query(types, where, keys, count=count, cursor=forward[0].last), "previous")
    assert_cut_up(forward, backward, expected, count)


def assert_cut_up(forward, backward, expected, count):
    """Pages from the first to the last, and back from the last, have what is expected; count: of each but the last."""
    assert [(v.type, v.id) for page in forward for v in page.matches] == expected
    assert all(len(page.matches) == count for page in forward[:-1])
    if len(expected) > count:
        assert [(v.type, v.id) for page in reversed(backward) for v in page.matches] == expected
        assert backward[-1].next


def pages(shelf, query, direction):
    found = [shelf.page(query)]
    while cursor := getattr(found[-1], direction):
        found.append(shelf.page(Query(query.types, query.where, query.sort, count=query.count, cursor=cursor)))
    return found


def turned(query, cursor):
    return Query(query.types, query.where, query.sort, count=query.count, cursor=cursor)


def date(day, field="date"):
    moment = START + day * 86_400_000_000
    return DATE, field, moment, moment


BY_DATE = Query(("Observation",), sort=(SortKey(("date",), "date"),), count=2)


@pytest.fixture(params=[0, 64])
def shelf(request, monkeypatch):
    monkeypatch.setattr(unsorted, "LEAST", request.param)
    return Shelf()


def ids(page):
    return [version.id for version in page.matches]


def test_ascending_goes_by_the_smallest_value_and_descending_by_the_largest(shelf):
    shelf.put("Observation", "wide", date(1), date(9))
    shelf.put("Observation", "narrow", date(4), date(5))
    assert ids(shelf.page(BY_DATE)) == ["wide", "narrow"]
    assert ids(shelf.page(Query(("Observation",), sort=(SortKey(("date",), "date", True),)))) == ["wide", "narrow"]


@pytest.mark.parametrize("descending", [False, True])
def test_those_without_the_key_come_last_in_both_directions(shelf, descending):
    shelf.put("Observation", "none")
    shelf.put("Observation", "some", date(1))
    assert shelf.ids("Observation", EVERYTHING, sort=(SortKey(("date",), "date", descending),)) == ["some", "none"]


def test_a_resource_that_comes_before_the_position_does_not_shift_the_next_page(shelf):
    for day in range(1, 7):
        shelf.put("Observation", f"o{day}", date(day))
    first = shelf.page(BY_DATE)
    shelf.put("Observation", "early", date(0))
    shelf.delete("Observation", "o1")
    second = shelf.page(turned(BY_DATE, first.next))
    assert ids(second) == ["o3", "o4"]
    assert ids(shelf.page(turned(BY_DATE, second.previous))) == ["early", "o2"]


def test_a_page_goes_on_though_the_resource_at_its_position_is_deleted(shelf):
    for number in range(1, 6):
        shelf.put("Observation", f"o{number}")
    query = Query(("Observation",), count=2)
    first = shelf.page(query)
    shelf.delete("Observation", "o2")
    assert ids(shelf.page(turned(query, first.next))) == ["o3", "o4"]


def test_a_page_that_has_become_empty_leads_back(shelf):
    for number in range(1, 5):
        shelf.put("Observation", f"o{number}")
    query = Query(("Observation",), count=2)
    first = shelf.page(query)
    for number in (3, 4):
        shelf.delete("Observation", f"o{number}")
    empty = shelf.page(turned(query, first.next))
    assert (ids(empty), empty.next) == ([], "")
    assert ids(shelf.page(turned(query, empty.previous))) == ["o1", "o2"]


def test_a_page_that_holds_all_has_no_links_and_knows_the_total(shelf):
    shelf.put("Observation", "o1")
    page = shelf.page(Query(("Observation",), count=2))
    assert (page.next, page.previous, page.first, page.last, page.total) == ("", "", "", "", 1)


def test_a_total_is_counted_only_where_it_is_asked_for(shelf):
    for number in range(5):
        shelf.put("Observation", f"o{number}", (TOKEN, "code", "", "a"))
    query = Query(("Observation",), TokenIs(("code",), None, "a"), count=2)
    assert shelf.page(query).total is None
    assert shelf.page(Query(query.types, query.where, count=2, total="accurate")).total == 5
    assert shelf.page(Query(query.types, count=2)).total == 5


@pytest.mark.parametrize("asked", [{"only_count": True}, {"count": 0}])
def test_counting_alone_gives_no_resources(shelf, asked):
    shelf.put("Observation", "o1")
    page = shelf.page(Query(("Observation",), **asked))
    assert (page.matches, page.total) == ([], 1)


def test_ties_of_one_key_are_put_in_order_by_the_next(shelf):
    for number, (family, first) in enumerate([("b", "x"), ("a", "y"), ("a", "x"), ("b", "a")]):
        shelf.put("Patient", f"p{number}", (STRING, "family", family, family), (STRING, "given", first, first))
    keys = (SortKey(("family",), "string"), SortKey(("given",), "string", True))
    assert shelf.ids("Patient", EVERYTHING, sort=keys) == ["p1", "p2", "p0", "p3"]


def test_last_updated_sorts_by_the_newest_version(shelf):
    for id in ("a", "b", "a"):
        shelf.put("Patient", id)
    assert shelf.ids("Patient", EVERYTHING, sort=(SortKey((), "updated"),)) == ["b", "a"]
    assert shelf.ids("Patient", EVERYTHING, sort=(SortKey((), "updated", True),)) == ["a", "b"]
