"""How SQLite runs the statements: what drives comes first, by an index, and nothing scans a table."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fhir_server.core.query import (
    EVERYTHING,
    All,
    Chain,
    DateIs,
    Has,
    IdIn,
    Not,
    Query,
    RefersTo,
    SortKey,
    StringIs,
    TokenIs,
)
from fhir_server.core.values import DATE, REFERENCE, STRING, TOKEN
from fhir_server.storage.sqlite.search import unsorted
from tests.unit.storage.sqlite.shelf import START, Shelf
from tests.unit.storage.sqlite.world import TYPES, clauses, sort_keys, worlds

# what may be read from end to end: results of subqueries, JSON arrays, the full-text index, terms in order of code, and
# the small tables of types and units
READ_THROUGH = re.compile(
    r"SCAN (CONSTANT ROW|\d+|\(subquery-\d+\)|json_each|j|c|p|d|tree|narrative|m|type|t|unit|version$)\b"
)


def plans(shelf: Shelf, query: Query) -> list[list[str]]:
    """The plan of each SELECT of a search."""
    statements: list[str] = []
    shelf.connection.set_trace_callback(statements.append)
    shelf.page(query)
    shelf.connection.set_trace_callback(None)
    return [
        [row[3] for row in shelf.connection.execute(f"EXPLAIN QUERY PLAN {statement}")]
        for statement in statements
        if statement.startswith(("SELECT", "WITH"))
    ]


def plan(shelf: Shelf, query: Query) -> list[str]:
    """The plan of the SELECT that finds the page, without what is done with the resources found."""
    lines = next(lines for lines in plans(shelf, query) if "SCAN p" in lines)
    return lines[1 : lines.index("SCAN p")]


@settings(deadline=None, max_examples=150, suppress_health_check=list(HealthCheck))
@given(data=st.data(), least=st.sampled_from([0, 64]))
def test_no_statement_scans_a_table_or_makes_an_index_of_its_own(data, least):
    shelf, _ = data.draw(worlds)
    keys = tuple(data.draw(st.lists(sort_keys, max_size=2)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(unsorted, "LEAST", least)
        for lines in plans(shelf, Query(data.draw(st.sampled_from([TYPES, TYPES[:1]])), data.draw(clauses), keys)):
            made = {line.split()[1] for line in lines if line.startswith(("CO-ROUTINE", "MATERIALIZE"))}
            for line in lines:
                assert "AUTOMATIC" not in line
                if line.startswith("SCAN") and line.split()[1] not in made:
                    assert READ_THROUGH.match(line), lines


@pytest.fixture(scope="module")
def shelf() -> Shelf:
    """A hundred patients with three observations each."""
    shelf = Shelf()
    for number in range(100):
        shelf.put(
            "Patient",
            f"p{number}",
            (TOKEN, "identifier", "mrn", str(number)),
            (TOKEN, "gender", "", "male"),
            (STRING, "name", f"name{number}", f"name{number}"),
        )
        for turn in range(3):
            moment = START + number * 1_000_000 + turn
            shelf.put(
                "Observation",
                f"o{number}-{turn}",
                (REFERENCE, "subject", "Patient", f"p{number}", ""),
                (TOKEN, "code", "loinc", "1"),
                (DATE, "date", moment, moment),
            )
    return shelf


PATIENT = RefersTo(("subject",), (("Patient", "p7"),))
CODE = TokenIs(("code",), "loinc", "1")
MALE = TokenIs(("gender",), "", "male")
LATEST = (SortKey(("date",), "date", True),)


def test_a_token_is_read_off_its_table_in_order(shelf):
    query = Query(("Observation",), CODE, count=5)
    assert plan(shelf, query) == ["SEARCH token USING PRIMARY KEY (field=? AND term=?)"]
    assert plan(shelf, replace(query, total="accurate"))[0] == "SEARCH x0 USING PRIMARY KEY (field=? AND term=?)"


def test_a_reference_is_read_off_its_table_in_order(shelf):
    query = Query(("Observation",), PATIENT)
    assert plan(shelf, query) == ["SEARCH x0 USING PRIMARY KEY (field=? AND target=?)"]


def test_the_patient_drives_and_the_code_is_tested(shelf):
    for where in (All((PATIENT, CODE)), All((CODE, PATIENT))):
        steps = [line for line in plan(shelf, Query(("Observation",), where, LATEST)) if line.startswith("SEARCH x")]
        assert [re.sub(r"x\d", "x", step) for step in steps] == [
            "SEARCH x USING PRIMARY KEY (field=? AND target=?)",
            "SEARCH x USING PRIMARY KEY (field=? AND term=? AND rid=?)",
        ]


def test_the_newest_of_many_are_found_along_the_dates(shelf):
    steps = plan(shelf, Query(("Observation",), CODE, LATEST, count=3))
    assert steps[0] == "SEARCH s USING PRIMARY KEY (field=?)"
    assert "USE TEMP B-TREE FOR ORDER BY" not in steps


def test_the_next_page_begins_at_its_position_in_the_dates(shelf):
    query = Query(("Observation",), CODE, LATEST, count=3)
    steps = plan(shelf, Query(query.types, query.where, query.sort, count=3, cursor=shelf.page(query).next))
    assert steps[0] == "SEARCH s USING PRIMARY KEY (field=? AND low<?)"


def test_a_chain_starts_from_the_few_that_it_names(shelf):
    where = Chain(("subject",), (("Patient", StringIs(("name",), "starts", "name7")),))
    steps = plan(shelf, Query(("Observation",), where))
    assert steps[2:4] == [
        "SEARCH x0 USING PRIMARY KEY (field=? AND text>? AND text<?)",
        "SEARCH x1 USING PRIMARY KEY (field=? AND target=?)",
    ]


def test_a_chain_to_many_is_tested_resource_by_resource(shelf):
    where = All((IdIn(("o1-1",)), Chain(("subject",), (("Patient", MALE),))))
    steps = plan(shelf, Query(("Observation",), where))
    assert "SEARCH x0 USING INDEX resource_key (type=? AND id=?)" in steps[2]


def test_has_starts_from_what_refers_where_that_is_little(shelf):
    where = All((MALE, Has("Observation", ("subject",), IdIn(("o1-1",)))))
    steps = plan(shelf, Query(("Patient",), where))
    assert "resource_key (type=? AND id=?)" in steps[2]


def test_a_negation_looks_along_the_resources_of_the_type(shelf):
    steps = plan(shelf, Query(("Patient",), Not(MALE)))
    assert steps[0] == "SEARCH r USING INDEX resource_live (type=?)"


@pytest.mark.parametrize("comparator", ["gt", "ge", "ap", "eq", "lt", "le", "sa", "eb"])
def test_a_date_is_found_by_a_range_of_its_table_and_the_wide_ones_by_their_end(shelf, comparator, monkeypatch):
    monkeypatch.setattr(unsorted, "LEAST", 1000)
    steps = plan(shelf, Query(("Observation",), DateIs(("date",), comparator, START, START + 10), count=50))
    searches = [line for line in steps if line.startswith("SEARCH x")]
    assert "USING PRIMARY KEY (field=? AND low" in searches[0]
    assert all("date_wide (field=? AND high>?)" in line for line in searches[1:])


@pytest.mark.parametrize("kind", ["id", "updated"])
def test_all_of_a_type_in_order_of_what_each_has_is_read_along_an_index(shelf, kind):
    steps = plan(shelf, Query(("Patient",), EVERYTHING, (SortKey((), kind),), count=3))
    assert "USING" in steps[0]
    assert "USE TEMP B-TREE FOR ORDER BY" not in steps
