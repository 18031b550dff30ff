"""SearchParameter resources as rows of the definitions."""

import pytest

from fhir_server.definitions.compile import compile_search_parameter

PARAMETER = {"url": "http://hospital.test/p", "code": "p", "type": "token", "base": ["Patient"]}


@pytest.mark.parametrize(
    ("expression", "branches"),
    [
        ("Patient.name | Practitioner.name", {"Patient": ("Patient.name",)}),
        ("name.family", {"Patient": ("Patient.name.family",)}),
        ("Resource.id", {"Patient": ("Patient.id",)}),
        ("(DomainResource.extension.value as string)", {"Patient": ("(Patient.extension.value as string)",)}),
        ("Practitioner.name", {}),
    ],
)
def test_the_branches_of_an_expression_by_base(expression, branches):
    assert compile_search_parameter({**PARAMETER, "expression": expression}).branches == branches
