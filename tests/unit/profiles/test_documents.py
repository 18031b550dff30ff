"""Which resources of a document its Composition leads to."""

import pytest

from fhir_server.definitions import load
from profiles.validator import Validator

from .conftest import as_parsed

VALIDATOR = Validator(load())
BASE = "http://hospital.test/fhir/"
PATIENT = {"resourceType": "Patient", "id": "p"}
OBSERVED = {"resourceType": "Observation", "id": "o", "status": "final", "code": {"text": "x"}}
PERFORMED = {**OBSERVED, "performer": [{"reference": "Practitioner/d"}]}
OTHER = {"resourceType": "Practitioner", "id": "d"}


def composition(*entries, **more):
    return {
        "resourceType": "Composition", "id": "c", "status": "final", "type": {"text": "x"}, "title": "x",
        "date": "2024-01-01", "author": [{"display": "x"}], "subject": {"reference": "Patient/p"},
        "section": [{"title": "x", "entry": [{"reference": each} for each in ("Patient/p", *entries)]}], **more,
    }  # fmt: skip


def document(*resources, kind="document", **more):
    entries = [{"fullUrl": f"{BASE}{each['resourceType']}/{each['id']}", "resource": each} for each in resources]
    identity = {"identifier": {"system": "urn:ietf:rfc:3986", "value": "urn:oid:1.2.3"}}
    return {
        "resourceType": "Bundle", "type": kind, "timestamp": "2024-01-01T00:00:00Z", **identity,
        "entry": entries, **more,
    }  # fmt: skip


def provenance(target):
    agent = {"who": {"reference": "Practitioner/d"}}
    return {"resourceType": "Provenance", "id": "v", "recorded": "2024-01-01T00:00:00Z", "agent": [agent],
            "target": [{"reference": target}]}  # fmt: skip


def unreachable(bundle):
    found = VALIDATOR.validate(as_parsed(bundle))
    assert {i.severity for i in found} <= {"warning"}
    return [i.expression for i in found if i.rule == "document-unreachable"]


@pytest.mark.parametrize(
    "bundle",
    [
        document(composition(), PATIENT),
        document(composition("Observation/o"), PATIENT, OBSERVED),
        document(composition("Observation/o/_history/1"), PATIENT, OBSERVED),
        document(composition(BASE + "Observation/o"), PATIENT, PERFORMED, OTHER),
        document(composition(), PATIENT, provenance("Patient/p"), OTHER),
        document(composition(), PATIENT, {"resourceType": "Binary", "id": "s", "contentType": "text/css"},
                 link=[{"relation": "stylesheet", "url": "Binary/s"}]),
        document(composition(), PATIENT, OTHER, kind="collection"),
    ],
)  # fmt: skip
def test_the_composition_leads_to_all(bundle):
    assert unreachable(bundle) == []


@pytest.mark.parametrize(
    ("bundle", "lost"),
    [
        (document(composition(), PATIENT, OTHER), [2]),
        (document(composition(), PATIENT, OTHER, OBSERVED), [2, 3]),
        (document(composition(), PATIENT, {**PERFORMED, "subject": {"reference": "Patient/p"}}, OTHER), [2]),
        (document(composition(), PATIENT, provenance("Observation/o"), OBSERVED, OTHER), [2, 3, 4]),
    ],
)  # fmt: skip
def test_a_resource_that_nothing_leads_to_is_a_warning(bundle, lost):
    assert unreachable(bundle) == [f"Bundle.entry[{position}]" for position in lost]
