"""For whom Binaries are found by what they name, and for whom that would go through too much."""

import pytest

from fhir_server.core.query import NOTHING, All, Any, Chain, Clause, IdIn, Missing, Not, RefersTo, TokenIs, TypeIn
from fhir_server.interactions.access.binaries import FIELDS, naming

MINE = RefersTo(("subject",), (("Patient", "me"),))
LABELLED = TokenIs(("_security",), "urn:label", "R")


@pytest.mark.parametrize(
    ("limit", "narrow"),
    [
        (None, False),
        (LABELLED, False),
        (Not(MINE), False),
        (Any((MINE, LABELLED)), False),
        (All((LABELLED, Not(MINE))), False),
        (NOTHING, True),
        (MINE, True),
        (IdIn(("a",)), True),
        (All((LABELLED, MINE)), True),
        (Any((MINE, All((LABELLED, IdIn(("a",)))))), True),
    ],
)
def test_only_limits_to_few_are_gone_through(limit: Clause | None, narrow: bool) -> None:
    assert (naming({"Observation": limit, "Patient": IdIn(("me",))}, always=True) is not None) == narrow


def test_types_of_one_limit_are_asked_for_together_and_those_of_nothing_not_at_all() -> None:
    limits: dict[str, Clause | None] = {"Encounter": MINE, "List": All((MINE, NOTHING)), "Observation": MINE}
    types = ("Encounter", "Observation")
    named = Chain(FIELDS, tuple((type, All((TypeIn(types), MINE))) for type in types))
    assert naming(limits, always=True) == named
    assert naming(limits, always=False) == Any((Missing(FIELDS, True), named))
