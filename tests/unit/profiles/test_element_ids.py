"""Ids of elements are there once in a resource."""

import pytest

from fhir_server.definitions import load
from profiles.validator import Validator

from .conftest import as_parsed

VALIDATOR = Validator(load())
ORGANIZATION = {"resourceType": "Organization", "id": "o", "name": "Clinic", "identifier": [{"id": "a", "value": "1"}]}
PATIENT = {"resourceType": "Patient", "id": "a", "identifier": [{"id": "a", "value": "1"}]}
HOLDER = {"contained": [ORGANIZATION], "managingOrganization": {"reference": "#o"}}


def structure(*ids):
    elements = [{"id": each, "path": each} for each in ids]
    return {
        "resourceType": "StructureDefinition", "url": "http://example.org/p", "name": "P", "status": "draft",
        "kind": "resource", "abstract": False, "type": "Patient", "derivation": "constraint",
        "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Patient",
        "snapshot": {"element": elements}, "differential": {"element": elements},
    }  # fmt: skip


def told(resource):
    return [i.expression for i in VALIDATOR.validate(as_parsed(resource)) if i.rule == "element-id"]


@pytest.mark.parametrize(
    ("resource", "paths"),
    [
        (PATIENT, []),
        ({**PATIENT, "name": [{"id": "b", "family": "A", "_family": {"id": "c"}}]}, []),
        ({**PATIENT, "name": [{"id": "a", "family": "A"}]}, ["Patient.name[0].id"]),
        ({**PATIENT, "name": [{"family": "A", "_family": {"id": "a"}}]}, ["Patient.name[0].family.id"]),
        ({**PATIENT, **HOLDER}, []),
        ({"resourceType": "Parameters", "parameter": [{"id": "a", "name": "x", "resource": PATIENT}]}, []),
        (structure("Patient", "Patient.name"), []),
    ],
)
def test_an_id_is_that_of_one_element_of_a_resource(resource, paths):
    assert told(resource) == paths
