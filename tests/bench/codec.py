"""How long the codec takes, in microseconds, on an Observation of 0.9 KB: python -m tests.bench.codec."""

from __future__ import annotations

import timeit
from collections.abc import Callable

from fhir_server.codec import json, xml
from fhir_server.codec.formats import negotiate
from fhir_server.codec.references import parse_reference, references, rewrite
from fhir_server.codec.summary import elements, summarize
from fhir_server.definitions import load
from fhir_server.interactions.patching import fhirpath_patch, json_patch, xml_patch

OBSERVATION = b"""{"resourceType":"Observation","id":"abc","meta":
{"versionId":"1","lastUpdated":"2020-01-01T00:00:00.000Z"},
"identifier":[{"use":"official","system":"http://example.org/a","value":"1111"}],"status":"final","category":[{"coding":
[{"system":"http://terminology.hl7.org/CodeSystem/observation-category","code":"vital-signs",
"display":"Vital signs"}]}],
"code":{"coding":[{"system":"http://loinc.org","code":"8302-2","display":"Body Height"}],"text":"Body Height"},
"subject":{"reference":"urn:uuid:5cbc121b-cd71-4428-b8b7-31e53eba8184"},"encounter":{"reference":"Encounter/1"},"performer":
[{"reference":"Practitioner/1"}],"effectiveDateTime":"2011-03-02T10:11:11-05:00",
"issued":"2011-03-02T10:11:11.123-05:00",
"valueQuantity":{"value":166.40,"unit":"cm","system":"http://unitsofmeasure.org","code":"cm"},"note":[{"text":"x"}]}"""


def measured(call: Callable[[], object]) -> float:
    """Microseconds of the fastest of five runs."""
    count = max(1, int(0.05 / max(timeit.timeit(call, number=1), 1e-6)))
    return min(timeit.repeat(call, number=count, repeat=5)) / count * 1e6


def main() -> None:
    """Prints one line a measurement."""
    definitions = load()
    observation = json.parse(OBSERVATION)
    data = json.serialize(observation)
    as_xml = xml.serialize(observation, definitions)
    mapping = {f"urn:uuid:{number}": f"Patient/{number}" for number in range(1000)}
    json_document = [{"op": "replace", "path": "/status", "value": "amended"}]
    xml_document = b"<diff><replace sel='Observation/status/@value'>amended</replace></diff>"
    parts = [
        ("type", "valueCode", "replace"),
        ("path", "valueString", "Observation.status"),
        ("value", "valueCode", "amended"),
    ]
    operation = {"name": "operation", "part": [{"name": name, key: value} for name, key, value in parts]}
    parameters = {"resourceType": "Parameters", "parameter": [operation]}
    for name, call in {
        "json.decode": lambda: json.decode(data),
        "json.parse": lambda: json.parse(data),
        "json.serialize": lambda: json.serialize(observation),
        "json.pretty": lambda: json.pretty(data),
        "xml.parse": lambda: xml.parse(as_xml, definitions),
        "xml.serialize": lambda: xml.serialize(observation, definitions),
        "references.rewrite": lambda: rewrite(observation, mapping, definitions),
        "references.references": lambda: references(observation, definitions),
        "references.parse_reference": lambda: parse_reference("Patient/123"),
        "summary.summarize true": lambda: summarize(observation, "true", definitions),
        "summary.elements": lambda: elements(observation, ("code", "value"), definitions),
        "formats.negotiate": lambda: negotiate("application/fhir+json", ""),
        "json_patch.apply": lambda: json_patch.apply(observation, json_document, definitions),
        "xml_patch.apply": lambda: xml_patch.apply(observation, xml_document, definitions),
        "fhirpath_patch.apply": lambda: fhirpath_patch.apply(observation, parameters, definitions),
    }.items():
        print(f"{name:<28}{measured(call):10.2f}")


if __name__ == "__main__":
    main()
