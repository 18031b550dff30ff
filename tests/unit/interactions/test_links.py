"""Links between the entries of a transaction, wherever they stand in a resource."""

import pytest

from fhir_server.api import Request
from fhir_server.codec import json

pytestmark = pytest.mark.anyio
PATIENT = "urn:uuid:11111111-1111-4111-8111-111111111111"
DIV = f'<div xmlns="http://www.w3.org/1999/xhtml"><a href="{PATIENT}">a</a></div>'


@pytest.mark.parametrize("times", [1, 2])
async def test_links_in_every_place_are_put_right(fhir, times):
    """Twice: of types whose links were seen in deep places the whole is looked through at once."""
    deep = {"url": "http://a/x", "extension": [{"url": "y", "valueReference": {"reference": PATIENT}}]}
    group = {
        "resourceType": "Group", "type": "person", "actual": True, "extension": [deep],
        "text": {"status": "additional", "div": DIV},
        "member": [{"entity": {"reference": PATIENT}}],
        "characteristic": [{"code": {"text": "c"}, "exclude": False, "valueReference": {"reference": PATIENT + "#p"}}],
    }  # fmt: skip
    entries = [
        {"fullUrl": PATIENT, "resource": {"resourceType": "Patient"}, "request": {"method": "POST", "url": "Patient"}},
        {"resource": group, "request": {"method": "POST", "url": "Group"}},
    ]
    for _ in range(times):
        bundle = json.parse(json.serialize({"resourceType": "Bundle", "type": "transaction", "entry": entries}))
        await fhir.server.perform(Request("POST", (), resource=bundle))
    found = json.parse((await fhir.server.perform(Request("GET", ("Group",)))).body)["entry"]
    assert len(found) == times
    for entry in found:
        text = json.serialize(entry["resource"]).decode()
        assert "urn:uuid" not in text
        assert text.count("Patient/") == 4
