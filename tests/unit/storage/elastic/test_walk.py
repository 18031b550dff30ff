"""What a clause says of the types of what it holds for."""

import pytest

from fhir_server.core.query import EVERYTHING, NOTHING, All, Any, Clause, IdIn, Not, TypeIn
from fhir_server.storage.elastic.search.walk import types_of

ID = IdIn(("1",))


@pytest.mark.parametrize(
    ("clause", "types"),
    [
        (TypeIn(("Patient", "Group")), {"Patient", "Group"}),
        (All((ID, TypeIn(("Patient", "Group")), TypeIn(("Group", "List")))), {"Group"}),
        (Any((All((TypeIn(("Patient",)), ID)), TypeIn(("List",)))), {"Patient", "List"}),
        (Any((TypeIn(("Patient",)), ID)), None),
        (Not(TypeIn(("Patient",))), None),
        (EVERYTHING, None),
        (NOTHING, set()),
        (ID, None),
    ],
)
def test_types_that_a_clause_tells(clause: Clause, types: set[str] | None) -> None:
    assert types_of(clause) == types
