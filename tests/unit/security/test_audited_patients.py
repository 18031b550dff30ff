"""Which patients an event names: those whose data was given or changed, by stored versions or by a body alone."""

import pytest

from fhir_server.core.keys import StoredVersion
from fhir_server.security.audit.patients import Patients


def version(seq: int, body: str, type: str = "Observation", id: str = "o") -> StoredVersion:
    return StoredVersion(type, id, 1, seq, 0, "PUT", body.encode())


def about(patient: str, before: str = "Patient/") -> str:
    return f'{{"resourceType":"Observation","id":"o","subject":{{"reference":"{before}{patient}"}}}}'


@pytest.mark.parametrize("before", ["Patient/", "http://here/fhir/Patient/"])
def test_of_stored_versions(before: str) -> None:
    patients = Patients()
    shown = [version(1, about("a", before)), version(2, '{"resourceType":"Patient","id":"b"}', "Patient", "b")]
    assert patients.of(("Observation",), b"", shown, b"", True) == ("a", "b")
    assert patients.of(("Observation",), b"", shown, b"", True) == ("a", "b")


def test_of_a_body_where_no_versions_are_known() -> None:
    body = b'{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Patient","id":"b"}},' + about("a").encode()
    assert Patients().of(("$match",), body, None, b"", True) == ("b", "a")


def test_of_the_path_and_of_a_bundle_that_came() -> None:
    asked = b'{"resourceType":"Bundle","entry":[{"request":{"method":"DELETE","url":"Patient/gone"}}]}'
    assert Patients().of((), b"", (), asked, True) == ("gone",)
    assert Patients().of(("Patient", "x", "_history"), b"", (), b"", True) == ("x",)


def test_a_contained_patient_is_nobody_and_neither_is_a_link_to_another() -> None:
    body = (
        '{"resourceType":"Patient","id":"b","contained":[{"resourceType":"Patient","id":"p1"}],'
        '"link":[{"other":{"reference":"Patient/c"},"type":"seealso"}]}'
    )
    assert Patients().of((), b"", [version(1, body, "Patient", "b")], b"", True) == ("b",)


def test_what_was_hidden_of_a_version_once_is_told_of_it_whole() -> None:
    patients = Patients()
    hidden = version(7, '{"resourceType":"Observation","id":"o"}')
    assert patients.of(("Observation",), b"", [hidden], b"", False) == ()
    assert patients.of(("Observation",), b"", [version(7, about("a"))], b"", True) == ("a",)
