"""Every official example comes back from XML as it was; a case that starts to pass must leave KNOWN_FAILURES."""

import msgspec

from fhir_server.codec import json, xml
from fhir_server.codec.summary import SUBSETTED, summarize
from fhir_server.definitions import load
from tests.official_examples import official_examples

KNOWN_FAILURES: dict[str, str] = {}  # name: reason

_sorted = msgspec.json.Encoder(decimal_format="number", order="sorted").encode


def test_json_and_xml_hold_the_same_to_the_last_digit_and_letter():
    definitions = load()
    failures = {}
    count = 0
    for name, data in official_examples():
        resource = json.parse(data)
        back = xml.parse(xml.serialize(resource, definitions), definitions)
        if _sorted(back) != _sorted(resource) or _sorted(json.parse(json.serialize(resource))) != _sorted(resource):
            failures[name] = "differs"
        count += 1
    assert failures.keys() == KNOWN_FAILURES.keys()
    assert count > 7000


def test_a_summary_is_part_of_its_resource_and_its_own_summary():
    definitions = load()
    for name, data in official_examples():
        resource = json.decode(data)
        summary = summarize(resource, "true", definitions)
        assert summary.keys() <= {*resource, "meta"}, name
        assert summary["meta"]["tag"][-1] == SUBSETTED, name
        assert summarize(summary, "true", definitions) == summary, name
