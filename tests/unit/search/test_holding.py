"""Whether a clause holds for a version, told from its values alone; what values don't tell is None."""

import pytest

from fhir_server.core.query import All, Any, Chain, IdIn, Not, RefersTo, TokenIs
from fhir_server.core.values import REFERENCE, TOKEN
from fhir_server.search.holding import Version, holds

VALUES = [(TOKEN, "code", "loinc", "1"), (REFERENCE, "subject", "Patient", "a", "")]
VERSION = Version("Observation", "x", VALUES)
YES, NO = TokenIs(("code",), "loinc", "1"), TokenIs(("code",), "loinc", "2")
UNKNOWN = Chain(("subject",), (("Patient", YES),))


@pytest.mark.parametrize(
    ("clause", "expected"),
    [
        (YES, True),
        (NO, False),
        (Not(NO), True),
        (UNKNOWN, None),
        (Not(UNKNOWN), None),
        (All((YES, UNKNOWN)), None),
        (All((NO, UNKNOWN)), False),
        (Any((YES, UNKNOWN)), True),
        (Any((NO, UNKNOWN)), None),
        (RefersTo(("subject",), (("Patient", "a"),)), True),
        (RefersTo(("subject",), (("Patient", "b"),)), False),
        (RefersTo(("subject",), (("", "a"),), ("Group",)), False),
        (IdIn(("y",)), False),
    ],
)
def test_three_answers(clause, expected):
    assert holds(clause, VERSION) is expected
