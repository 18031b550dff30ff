"""The examples of docs/reference/patch.md work as they stand there."""

import re
from pathlib import Path

import pytest

from fhir_server.codec import json
from fhir_server.definitions import load
from fhir_server.interactions.patching import document_of

PAGE = (Path(__file__).parents[4] / "docs/reference/patch.md").read_text()
BLOCKS = dict(re.findall(r"^## (\w+) Patch.*?^```\w+\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL))
PATIENT = {
    "resourceType": "Patient",
    "active": True,
    "name": [{"use": "old", "family": "A"}, {"family": "B"}],
    "birthDate": "1970-01-01",
}


@pytest.mark.parametrize(
    ("form", "content_type"),
    [
        ("JSON", "application/json-patch+json"),
        ("XML", "application/xml-patch+xml"),
        ("FHIRPath", "application/fhir+json"),
    ],
)
def test_the_example_changes_the_birth_date(form, content_type):
    body = BLOCKS[form].encode()
    resource = json.parse(body) if form == "FHIRPath" else None
    patched = document_of(content_type, body, resource, load()).apply(PATIENT)
    assert patched["birthDate"] == "1980-01-31"
