"""Whether the requests of a batch or transaction can be carried out."""

import pytest

from fhir_server.definitions import load
from profiles.validator import Validator

from .conftest import as_parsed

VALIDATOR = Validator(load())
PATIENT = {"resourceType": "Patient", "id": "p"}
ONE, OTHER = (f"urn:uuid:{digit}1111111-1111-4111-8111-111111111111" for digit in "12")


def asked(method, url, resource=None, **more):
    return {**({"resource": resource} if resource else {}), "request": {"method": method, "url": url}, **more}


def observed(reference):
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": {"text": "x"},
        "subject": {"reference": reference},
    }


def issues(*entries, kind="transaction"):
    bundle = {"resourceType": "Bundle", "type": kind, "entry": list(entries)}
    found = VALIDATOR.validate(as_parsed(bundle))
    return [(i.expression.removeprefix("Bundle.entry"), i.rule) for i in found if i.severity == "error"]


@pytest.mark.parametrize(
    "entries",
    [
        [asked("POST", "Patient", PATIENT)],
        [asked("POST", "/Patient", PATIENT)],
        [asked("POST", "http://hospital.test/fhir/Patient", PATIENT)],
        [asked("PUT", "Patient/p", PATIENT)],
        [asked("PUT", "Patient?identifier=x", {"resourceType": "Patient"})],
        [asked("PATCH", "Patient/p", {"resourceType": "Parameters"})],
        [asked("DELETE", "Patient/p"), asked("DELETE", "Observation/p"), asked("DELETE", "Patient?identifier=x")],
        [asked("GET", "Patient/p"), asked("GET", "Patient/p/_history/1"), asked("GET", "metadata")],
        [asked("POST", "Patient/$validate", {"resourceType": "Parameters"}), asked("POST", "Patient/_search")],
        [asked("POST", "Patient", PATIENT, fullUrl=ONE), asked("POST", "Observation", observed(ONE), fullUrl=OTHER)],
        [asked("POST", "Observation", observed("Patient?identifier=x"))],
    ],
)
def test_what_can_be_carried_out(entries):
    assert issues(*entries) == issues(*entries, kind="batch") == []


@pytest.mark.parametrize(
    ("entry", "path", "rule"),
    [
        (asked("POST", "Observation", PATIENT), ".request.url", "transaction-url"),
        (asked("PUT", "Observation/p", PATIENT), ".request.url", "transaction-url"),
        (asked("PUT", "Patient/q", PATIENT), ".resource.id", "transaction-url"),
        (asked("PUT", "Patient/q", {"resourceType": "Patient"}), ".resource.id", "transaction-url"),
        (asked("PUT", "Patient", PATIENT), ".request.url", "transaction-url"),
        (asked("DELETE", "Patient"), ".request.url", "transaction-url"),
        (asked("POST", "Patient/p", PATIENT), ".request.url", "transaction-url"),
        (asked("GET", "Patients/p"), ".request.url", "transaction-url"),
        (asked("PUT", "Patient/p"), ".resource", "transaction-resource"),
        (asked("POST", "Patient"), ".resource", "transaction-resource"),
    ],
)
def test_what_can_not(entry, path, rule):
    assert issues(entry) == issues(entry, kind="batch") == [(f"[0]{path}", rule)]


def test_a_transaction_changes_a_resource_once_and_has_what_its_urns_name():
    twice = [asked("PUT", "Patient/p", PATIENT), asked("DELETE", "Patient/p")]
    assert issues(*twice) == [("[1].request.url", "transaction-url")]
    assert issues(*twice, kind="batch") == []
    lost = asked("POST", "Observation", observed(ONE), fullUrl=OTHER)
    assert issues(lost) == [("[0].resource.subject.reference", "bundle-reference")]
