import pytest

from fhir_server.rest.observing import route


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ((), ""),
        (("Patient",), "Patient"),
        (("Patient", "123"), "Patient/[id]"),
        (("Patient", "Smith"), "Patient/[id]"),
        (("Patient", "_history"), "Patient/_history"),
        (("Patient", "1", "_history", "2"), "Patient/[id]/_history/[id]"),
        (("Patient", "1", "$everything"), "Patient/[id]/$everything"),
        (("Patient", "1", "Observation"), "Patient/[id]/Observation"),
        (("jane.doe@example.org",), "[id]"),
    ],
)
def test_a_route_has_no_ids(path, expected):
    assert route(path) == expected
