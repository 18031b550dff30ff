import asyncio

import pytest

from fhir_server.core.errors import FhirError
from fhir_server.core.query import (
    EVERYTHING,
    NOTHING,
    All,
    Any,
    Chain,
    Has,
    IdIn,
    InList,
    InValueSet,
    Missing,
    Not,
    RefersTo,
    StringIs,
    Subsumes,
    TokenIn,
    TokenIs,
    TypeIn,
)
from fhir_server.search.rewrite import rewrite, simplify

A, B, C = (StringIs(("name",), "starts", letter) for letter in "abc")
ONE, TWO = TokenIs(("code",), "s", "1"), TokenIs(("code",), None, "2")
OTHER = TokenIs(("status",), None, "3")
SYSTEM = TokenIs(("code",), "s", None)
P1, P2 = (RefersTo(("subject",), (("Patient", number),)) for number in "12")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (All(()), EVERYTHING),
        (All((A,)), A),
        (All((A, All((B, C)))), All((A, B, C))),
        (All((A, Any((B, Any((C,)))))), All((A, Any((B, C))))),
        (All((A, A)), A),
        (All((A, EVERYTHING)), A),
        (All((A, NOTHING)), NOTHING),
        (Any((A, NOTHING)), A),
        (Any((A, EVERYTHING)), EVERYTHING),
        (All((Any((A, B)), Any((B, A)))), All((Any((A, B)), Any((B, A))))),
        (Not(Not(A)), A),
        (Not(EVERYTHING), NOTHING),
        (Not(All((A, NOTHING))), EVERYTHING),
        (Not(Missing(("name",), True, ("Patient",))), Missing(("name",), False, ("Patient",))),
        (Any((ONE, TWO)), TokenIn(("code",), (("s", "1"), (None, "2")))),
        (Any((ONE, OTHER, TWO)), Any((TokenIn(("code",), (("s", "1"), (None, "2"))), OTHER))),
        (Any((ONE, SYSTEM)), Any((ONE, SYSTEM))),
        (Any((TokenIn(("code",), (("s", "1"),)), TWO)), TokenIn(("code",), (("s", "1"), (None, "2")))),
        (Any((P1, P2)), RefersTo(("subject",), (("Patient", "1"), ("Patient", "2")))),
        (Any((P1, RefersTo(("focus",), P2.targets))), Any((P1, RefersTo(("focus",), P2.targets)))),
        (Any((IdIn(("1",)), IdIn(("2", "1")))), IdIn(("1", "2"))),
        (Any((TypeIn(("A",)), TypeIn(("B",)))), TypeIn(("A", "B"))),
        (InList("42"), Has("List", ("item",), IdIn(("42",)))),
        (Chain(("subject",), (("Patient", IdIn(("1",))),)), P1),
        (Chain(("subject",), (("Patient", A), ("Group", NOTHING))), Chain(("subject",), (("Patient", A),))),
        (Chain(("subject",), (("Patient", NOTHING),)), NOTHING),
        (Has("Observation", ("subject",), All((A, NOTHING))), NOTHING),
        (Has("Observation", ("subject",), All((A, All((B,))))), Has("Observation", ("subject",), All((A, B)))),
    ],
)  # fmt: skip
def test_a_clause_becomes_simpler(fields, before, after):
    assert simplify(before, fields) == after


def test_what_is_simple_stays_the_very_same(fields):
    clause = All((A, Not(ONE), Chain(("subject",), (("Patient", B),))))
    assert simplify(clause, fields) is clause


class Terminology:
    """One value set and one hierarchy."""

    async def expand(self, value_set):
        return {"http://vs": [("s", "1"), ("t", "2"), ("s", "1")], "http://empty": []}.get(value_set)

    async def below(self, system, code):
        return ["1", "1.1"] if (system, code) == ("s", "1") else None

    async def above(self, system, code):
        return []

    async def validate_code(self, value_set, system, code):
        return None


def expanded(clause, fields, terminology=None):
    return asyncio.run(rewrite(clause, fields, terminology or Terminology()))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (InValueSet(("code",), "http://vs"), TokenIn(("code",), (("s", "1"), ("t", "2")))),
        (InValueSet(("code",), "http://empty"), NOTHING),
        (Not(InValueSet(("code",), "http://empty")), EVERYTHING),
        (All((A, InValueSet(("code",), "http://empty"))), NOTHING),
        (Subsumes(("code",), "below", "s", "1"), TokenIn(("code",), (("s", "1"), ("s", "1.1")))),
        (Subsumes(("code",), "above", "s", "9"), TokenIn(("code",), (("s", "9"),))),
        (Any((InValueSet(("code",), "http://vs"), TWO)), TokenIn(("code",), (("s", "1"), ("t", "2"), (None, "2")))),
        (Chain(("subject",), (("Patient", InValueSet(("code",), "http://empty")),)), NOTHING),
    ],
)
def test_terminology_is_expanded(fields, before, after):
    assert expanded(before, fields) == after


@pytest.mark.parametrize("clause", [InValueSet(("code",), "http://other"), Subsumes(("code",), "below", "s", "2")])
def test_what_the_terminology_does_not_know_is_an_error_that_names_it(fields, clause):
    with pytest.raises(FhirError, match=r"http://other|'2' of 's'"):
        expanded(clause, fields)


def test_without_a_terminology_nothing_is_known(fields):
    with pytest.raises(FhirError, match="not known"):
        asyncio.run(rewrite(InValueSet(("code",), "http://vs"), fields, None))
