"""JSON Merge Patch, with the cases of RFC 7396's appendix that have a resource's shape."""

import pytest

from fhir_server.interactions.patching.merge_patch import apply

PATIENT = {"resourceType": "Patient", "id": "a", "name": [{"family": "x"}], "maritalStatus": {"text": "m"}}


@pytest.mark.parametrize(
    ("patch", "expected"),
    [
        ({"active": True}, {**PATIENT, "active": True}),
        ({"name": [{"family": "y"}]}, {**PATIENT, "name": [{"family": "y"}]}),
        ({"maritalStatus": {"id": "1"}}, {**PATIENT, "maritalStatus": {"text": "m", "id": "1"}}),
        ({"maritalStatus": {"text": None, "id": "1"}}, {**PATIENT, "maritalStatus": {"id": "1"}}),
        ({"maritalStatus": {"text": None}}, {n: v for n, v in PATIENT.items() if n != "maritalStatus"}),
        ({"maritalStatus": None}, {n: v for n, v in PATIENT.items() if n != "maritalStatus"}),
        ({"name": {"family": "y"}}, {**PATIENT, "name": {"family": "y"}}),
        ({"meta": {"source": "s", "tag": None}}, {**PATIENT, "meta": {"source": "s"}}),
        ({}, PATIENT),
    ],
)
def test_null_removes_objects_merge_and_the_rest_replaces(patch: dict, expected: dict) -> None:
    before = repr(PATIENT)
    assert apply(PATIENT, patch) == expected
    assert repr(PATIENT) == before
