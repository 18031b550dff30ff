"""What is tested of the embedded index by example holds for Elasticsearch too."""

from __future__ import annotations

import pytest

from fhir_server.core.errors import FhirError
from fhir_server.core.query import EVERYTHING, Include, Query, SortKey, TokenIs
from fhir_server.core.values import CANONICAL, POSITION, TOKEN, URI
from fhir_server.storage.elastic.search import includes as bounds
from tests.unit.storage.sqlite import test_canonicals, test_includes, test_index, test_order

SHARED = [
    test_includes.test_a_resource_that_many_matches_name_is_included_once,
    test_includes.test_only_what_the_page_shows_brings_includes,
    test_includes.test_a_deleted_resource_is_not_included,
    test_includes.test_a_match_is_not_included_again,
    test_includes.test_iterate_goes_on_from_what_was_included,
    test_includes.test_a_reference_to_a_version_brings_that_version,
    test_includes.test_only_what_the_caller_may_see_is_included,
    test_includes.test_where_the_pages_are_one_set_a_match_is_on_its_own_page_alone,
    test_order.test_ascending_goes_by_the_smallest_value_and_descending_by_the_largest,
    test_order.test_a_resource_that_comes_before_the_position_does_not_shift_the_next_page,
    test_order.test_a_page_goes_on_though_the_resource_at_its_position_is_deleted,
    test_order.test_a_page_that_has_become_empty_leads_back,
    test_order.test_a_page_that_holds_all_has_no_links_and_knows_the_total,
    test_order.test_a_total_is_counted_only_where_it_is_asked_for,
    test_order.test_ties_of_one_key_are_put_in_order_by_the_next,
    test_order.test_last_updated_sorts_by_the_newest_version,
]


@pytest.mark.parametrize("test", SHARED, ids=lambda test: test.__name__)
def test_as_embedded(shelf, test):
    test(shelf)


@pytest.mark.parametrize("descending", [False, True])
def test_those_without_the_key_come_last_in_both_directions(shelf, descending):
    test_order.test_those_without_the_key_come_last_in_both_directions(shelf, descending)


def test_canonicals_are_followed_both_ways(shelf):
    test_canonicals.filled(shelf)
    for title, expected in [("intake", ["any", "first"]), ("dis", ["any", "second"]), ("x", [])]:
        test_canonicals.test_a_chain_follows_a_canonical_to_the_version_that_it_names(shelf, title, expected)
    test_canonicals.test_a_chain_along_a_canonical_tests_what_another_clause_finds(shelf)
    for status, expected in [("draft", ["q1", "q2"]), ("final", ["q1", "q2"]), ("x", [])]:
        test_canonicals.test_has_follows_canonicals_back(shelf, status, expected)
    test_canonicals.test_has_sees_only_the_version_that_is_named(shelf)


def test_canonicals_bring_what_they_name_and_what_names_it(shelf):
    for id, expected in [("any", ["q1", "q2"]), ("second", ["q2"]), ("other", [])]:
        for types in [(), ("Questionnaire",)]:
            test_includes.test_a_canonical_brings_what_has_its_url_and_version(shelf, id, expected, types)
    for id, expected in [("q1", ["any"]), ("q2", ["any", "second"])]:
        test_includes.test_a_canonical_is_followed_back(shelf, id, expected)


def test_more_than_the_limit_is_refused_not_cut(shelf, monkeypatch):
    monkeypatch.setattr(bounds, "LIMIT", 2)
    shelf.put("Patient", "p")
    for number in range(3):
        shelf.put("Observation", f"o{number}", test_includes.refers("p"))
    with pytest.raises(FhirError) as refused:
        test_includes.included(shelf, "Patient", EVERYTHING, Include("Observation", ("subject",), reverse=True))
    assert refused.value.category == "too-costly"


def test_what_the_caller_may_not_see_counts_for_nothing(shelf, monkeypatch):
    monkeypatch.setattr(bounds, "LIMIT", 2)
    monkeypatch.setattr(bounds, "BATCH", 3)
    test_includes.test_what_the_caller_may_not_see_counts_for_nothing(shelf, monkeypatch)
    for number, label in enumerate("RRRNRR"):
        shelf.put("Questionnaire", f"q{number}", (TOKEN, "_security", "", label), (URI, "url", "http://q"))
        shelf.put("List", "l", *(test_includes.refers(f"q{n}", type="Questionnaire", field="item") for n in range(6)))
    shelf.put("QuestionnaireResponse", "r", (CANONICAL, "questionnaire", "http://q", ""))
    limits = {"Questionnaire": TokenIs(("_security",), None, "N")}
    for include in (Include("List", ("item",)), Include("QuestionnaireResponse", ("questionnaire",))):
        brought = test_includes.included(shelf, include.source, EVERYTHING, include, restriction=limits.get)
        assert brought == ["Questionnaire/q3/_history/1"]
        with pytest.raises(FhirError):
            test_includes.included(shelf, include.source, EVERYTHING, include)


def test_a_value_set_of_thousands_of_codes_is_one_clause(shelf, monkeypatch):
    monkeypatch.setattr(test_index, "Shelf", lambda: shelf)
    test_index.test_a_value_set_of_thousands_of_codes_is_one_clause()


@pytest.mark.parametrize("combine", [test_index.All, test_index.Any])
def test_a_thousand_alternatives_are_one_search(shelf, monkeypatch, combine):
    monkeypatch.setattr(test_index, "Shelf", lambda: shelf)
    test_index.test_a_thousand_alternatives_are_one_search(combine)


def test_nesting_that_is_too_deep_is_refused(shelf, monkeypatch):
    monkeypatch.setattr(test_index, "Shelf", lambda: shelf)
    test_index.test_nesting_that_is_too_deep_is_refused()


@pytest.mark.parametrize("descending", [False, True])
def test_places_are_in_order_of_their_distance_and_those_without_come_last(shelf, descending):
    for number, longitude in enumerate([5.0, 1.0, 3.0]):
        shelf.put("Location", f"l{number}", (POSITION, "position", 0.0, longitude))
    shelf.put("Location", "nowhere")
    query = Query(("Location",), sort=(SortKey(("position",), "near", descending),), count=2)
    forward = test_order.pages(shelf, query, "next")
    expected = ["l0", "l2", "l1", "nowhere"] if descending else ["l1", "l2", "l0", "nowhere"]
    assert [version.id for page in forward for version in page.matches] == expected
    last = Query(query.types, sort=query.sort, count=2, cursor=forward[0].last)
    assert test_order.ids(shelf.page(last)) == expected[2:]
