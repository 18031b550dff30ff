"""What is included with a page."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fhir_server.core.errors import FhirError
from fhir_server.core.query import EVERYTHING, IdIn, Include, Query, TokenIs
from fhir_server.core.values import CANONICAL, REFERENCE, TOKEN, URI
from fhir_server.storage.sqlite.search import includes as bounds
from tests.unit.storage.sqlite.shelf import Shelf
from tests.unit.storage.sqlite.world import TYPES, simple_clauses, worlds

INCLUDES = st.builds(
    Include,
    st.sampled_from(TYPES),
    st.sampled_from([("subject",), ("item",), ("subject", "item")]),
    st.lists(st.sampled_from(TYPES), max_size=2).map(tuple),
    st.booleans(),
    st.booleans(),
)


@settings(deadline=None, max_examples=150, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_includes_bring_what_references_name(data):
    shelf, world = data.draw(worlds)
    types, where = (data.draw(st.sampled_from(TYPES)),), data.draw(simple_clauses)
    asked = tuple(data.draw(st.lists(INCLUDES, min_size=1, max_size=3)))
    page = shelf.page(Query(types, where, includes=asked, count=100))
    found = [(version.type, version.id) for version in page.included if version.version == newest(shelf, version)]
    assert set(found) | old(shelf, page) == world.included(world.find(types, where), asked) | old(shelf, page)
    assert len({version.seq for version in page.included}) == len(page.included)


def newest(shelf, version):
    return shelf.versions[(version.type, version.id)]


def old(shelf, page):
    """What a reference to an older version brought, or could have brought."""
    return {(v.type, v.id) for v in [*page.included, *page.matches] if newest(shelf, v) > 1}


def refers(id, version="", type="Patient", field="subject"):
    return REFERENCE, field, type, id, version


FORWARD = Include("Observation", ("subject",))
REVERSE = Include("Observation", ("subject",), reverse=True)


@pytest.fixture
def shelf():
    return Shelf()


def included(shelf, type, where, *includes, **query):
    return [v.key.reference for v in shelf.page(Query((type,), where, includes=includes, **query)).included]


def test_a_resource_that_many_matches_name_is_included_once(shelf):
    shelf.put("Patient", "p")
    for number in range(3):
        shelf.put("Observation", f"o{number}", refers("p"))
    assert included(shelf, "Observation", EVERYTHING, FORWARD, FORWARD) == ["Patient/p/_history/1"]


def test_only_what_the_page_shows_brings_includes(shelf):
    for number in range(3):
        shelf.put("Patient", f"p{number}")
        shelf.put("Observation", f"o{number}", refers(f"p{number}"))
    assert included(shelf, "Observation", EVERYTHING, FORWARD, count=1) == ["Patient/p0/_history/1"]


def test_a_deleted_resource_is_not_included(shelf):
    shelf.put("Patient", "p")
    shelf.put("Observation", "o", refers("p"))
    shelf.delete("Patient", "p")
    assert included(shelf, "Observation", EVERYTHING, FORWARD) == []


def test_a_match_is_not_included_again(shelf):
    shelf.put("Patient", "a", refers("b", field="link"))
    shelf.put("Patient", "b", refers("a", field="link"))
    assert included(shelf, "Patient", EVERYTHING, Include("Patient", ("link",), iterate=True)) == []


def test_iterate_goes_on_from_what_was_included(shelf):
    for number in range(5):
        shelf.put("Location", f"l{number}", refers(f"l{number + 1}", type="Location", field="partof"))
    once = Include("Location", ("partof",))
    on = Include("Location", ("partof",), iterate=True)
    assert included(shelf, "Location", IdIn(("l0",)), once) == ["Location/l1/_history/1"]
    assert len(included(shelf, "Location", IdIn(("l0",)), on)) == 4


def test_a_reference_to_a_version_brings_that_version(shelf):
    shelf.put("Patient", "p")
    shelf.put("Patient", "p")
    shelf.put("Observation", "old", refers("p", "1"))
    shelf.put("Observation", "new", refers("p"))
    shelf.put("Observation", "odd", refers("p", "77"))
    assert sorted(included(shelf, "Observation", EVERYTHING, FORWARD)) == [
        "Patient/p/_history/1",
        "Patient/p/_history/2",
    ]


def test_more_than_the_limit_is_refused_not_cut(shelf, monkeypatch):
    monkeypatch.setattr(bounds, "LIMIT", 2)
    shelf.put("Patient", "p")
    for number in range(3):
        shelf.put("Observation", f"o{number}", refers("p"))
    with pytest.raises(FhirError) as refused:
        included(shelf, "Patient", EVERYTHING, REVERSE)
    assert refused.value.category == "too-costly"


def test_only_what_the_caller_may_see_is_included(shelf):
    for number, label in enumerate("NR"):
        shelf.put("Patient", f"p{number}", (TOKEN, "_security", "", label))
        shelf.put("Observation", f"o{number}", refers(f"p{number}"))
    limits = {"Patient": TokenIs(("_security",), None, "N")}
    assert included(shelf, "Observation", EVERYTHING, FORWARD, restriction=limits.get) == ["Patient/p0/_history/1"]


def test_what_the_caller_may_not_see_counts_for_nothing(shelf, monkeypatch):
    monkeypatch.setattr(bounds, "LIMIT", 2)
    shelf.put("Patient", "p")
    for number, label in enumerate("NRRRN"):
        shelf.put("Observation", f"o{number}", (TOKEN, "_security", "", label), refers("p"))
    limits = {"Observation": TokenIs(("_security",), None, "N")}
    brought = included(shelf, "Patient", EVERYTHING, REVERSE, restriction=limits.get)
    assert brought == ["Observation/o0/_history/1", "Observation/o4/_history/1"]


def test_where_the_pages_are_one_set_a_match_is_on_its_own_page_alone(shelf):
    shelf.put("Location", "house")
    for number in range(3):
        shelf.put("Location", f"l{number}", refers(f"l{number + 1}", type="Location", field="partof"))
    shelf.put("Location", "l3", refers("house", type="Location", field="partof"))
    where, up = IdIn(("l0", "l1", "l2", "l3")), Include("Location", ("partof",))
    for count, expected in ((1, []), (10, ["Location/house/_history/1"])):
        assert included(shelf, "Location", where, up, count=count, matches_once=True) == expected
    assert included(shelf, "Location", where, up, count=1) == ["Location/l1/_history/1"]


def questionnaires(shelf):
    for version in ("1", "2"):
        shelf.put("Questionnaire", f"q{version}", (URI, "url", "http://a/q"), (TOKEN, "version", "", version))
    shelf.put("QuestionnaireResponse", "any", (CANONICAL, "questionnaire", "http://a/q", ""))
    shelf.put("QuestionnaireResponse", "second", (CANONICAL, "questionnaire", "http://a/q", "2"))
    shelf.put("QuestionnaireResponse", "other", (CANONICAL, "questionnaire", "http://a/r", ""))


@pytest.mark.parametrize(("id", "expected"), [("any", ["q1", "q2"]), ("second", ["q2"]), ("other", [])])
@pytest.mark.parametrize("types", [(), ("Questionnaire",)])
def test_a_canonical_brings_what_has_its_url_and_version(shelf, id, expected, types):
    questionnaires(shelf)
    include = Include("QuestionnaireResponse", ("questionnaire",), types)
    found = shelf.page(Query(("QuestionnaireResponse",), IdIn((id,)), includes=(include,))).included
    assert [version.id for version in found] == expected


@pytest.mark.parametrize(("id", "expected"), [("q1", ["any"]), ("q2", ["any", "second"])])
def test_a_canonical_is_followed_back(shelf, id, expected):
    questionnaires(shelf)
    include = Include("QuestionnaireResponse", ("questionnaire",), reverse=True)
    found = shelf.page(Query(("Questionnaire",), IdIn((id,)), includes=(include,))).included
    assert sorted(version.id for version in found) == expected
