"""Every clause, alone and combined, finds in Elasticsearch what a plain reading of the values finds."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fhir_server.core.query import EVERYTHING, Query
from fhir_server.storage.elastic.search import clauses as filters
from fhir_server.storage.elastic.search import scope
from fhir_server.storage.elastic.search.walk import is_linked
from tests.unit.storage.elastic.shelf import worlds_of
from tests.unit.storage.sqlite.test_order import assert_cut_up, pages
from tests.unit.storage.sqlite.world import CLAUSES, clauses, sort_keys, type_lists

# places that are equally far are in no order that two ways to reckon distances agree on
in_order = sort_keys.filter(lambda key: key.kind != "near")
linked = clauses.filter(is_linked)
SLOW = settings(deadline=None, max_examples=25, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module")
def worlds(loop):
    found = worlds_of(loop, 12)
    yield found
    for shelf, _ in found:
        shelf.__exit__()


@pytest.mark.parametrize("kind", sorted(CLAUSES))
@SLOW
@given(data=st.data())
def test_a_clause_finds_what_its_meaning_says(worlds, kind, data):
    shelf, world = data.draw(st.sampled_from(worlds))
    for _ in range(3):
        agree(shelf, world, data.draw(type_lists), data.draw(CLAUSES[kind]))


@settings(SLOW, max_examples=60)
@given(data=st.data())
def test_clauses_combine_in_any_way(worlds, data):
    shelf, world = data.draw(st.sampled_from(worlds))
    for _ in range(3):
        agree(shelf, world, data.draw(type_lists), data.draw(clauses))


@settings(SLOW, max_examples=60)
@given(data=st.data())
def test_what_is_gathered_from_other_resources_is_never_cut_short(worlds, data):
    shelf, world = data.draw(st.sampled_from(worlds))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scope, "BATCH", 2)  # documents and terms of one request
        patch.setattr(filters, "MOST_TERMS", 2)
        agree(shelf, world, data.draw(type_lists), data.draw(linked))


@settings(SLOW, max_examples=80)
@given(data=st.data())
def test_pages_in_both_directions_are_the_sorted_matches_cut_up(worlds, data):
    shelf, world = data.draw(st.sampled_from(worlds))
    types = data.draw(type_lists)
    where = data.draw(clauses | st.just(EVERYTHING))
    keys = tuple(data.draw(st.lists(in_order, max_size=3)))
    count = data.draw(st.integers(1, 7))
    expected = [(item.type, item.id) for item in world.order(world.find(types, where), keys)]
    forward = pages(shelf, Query(types, where, keys, count=count), "next")
    backward = pages(shelf, Query(types, where, keys, count=count, cursor=forward[0].last), "previous")
    assert_cut_up(forward, backward, expected, count)


def agree(shelf, world, types, where):
    expected = [(item.type, item.id) for item in world.find(types, where)]
    page = shelf.page(Query(types, where, count=100))
    assert [(found.type, found.id) for found in page.matches] == expected
    assert page.total == len(expected)
    assert shelf.count(types, where) == len(expected)
