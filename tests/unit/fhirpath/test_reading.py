"""Which elements an expression reads."""

import pytest

from fhir_server.fhirpath.reading import RESOLVED, paths_read


@pytest.mark.parametrize(
    ("expression", "read"),
    [
        ("Patient.name.given", {("name", "given")}),
        ("Patient.telecom.where(system = 'phone').value", {("telecom",), ("telecom", "system"), ("telecom", "value")}),
        ("Observation.value.as(Quantity)", {("value",)}),
        ("(Observation.value as Quantity)", {("value",)}),
        ("Patient.name | Patient.address", {("name",), ("address",)}),
        ("Patient.deceased.exists() and Patient.deceased != false", {("deceased",)}),
        ("Patient.extension('urn:x').value", {("extension", "value")}),
        ("Observation.subject.where(resolve() is Patient)", {("subject",), ("subject", RESOLVED)}),
        ("Observation.subject.resolve().gender", {("subject",), ("subject", RESOLVED, "gender")}),
        ("Bundle.entry.resource.ofType(Patient).gender", {("entry", "resource"), ("entry", "resource", "gender")}),
    ],
)
def test_paths_are_those_of_elements(expression: str, read: set[tuple[str, ...]]) -> None:
    assert paths_read(expression) == read


@pytest.mark.parametrize(
    "expression",
    [
        "Patient.descendants()",
        "Patient.name.where(%resource.address.exists())",
        "Patient.name.select($this)",
        "Patient.(",
    ],
)
def test_what_can_not_be_told_reads_everything(expression: str) -> None:
    assert () in paths_read(expression)
