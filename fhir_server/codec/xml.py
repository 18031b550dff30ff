"""XML, both ways, without loss against JSON: https://hl7.org/fhir/R4/xml.html."""

from __future__ import annotations

from typing import Any

from fhir_server.codec.xml_reader import Reader
from fhir_server.codec.xml_shapes import shapes
from fhir_server.codec.xml_writer import Writer
from fhir_server.definitions import Definitions


def parse(data: bytes, definitions: Definitions) -> dict[str, Any]:
    """The resource in XML bytes from outside, as JSON would give it; comments are left out.

    FhirError malformed, with path and line: not XML, not UTF-8, a DOCTYPE or entities, another namespace, nested too
    deep, an element or attribute that R4 does not have there (the nearest right name is suggested), an element out of
    order or repeated, text between elements, a value that is no boolean or number where one belongs, an empty element.
    """
    return Reader(shapes(definitions.official)).document(data)


def serialize(resource: dict[str, Any], definitions: Definitions, *, pretty: bool = False) -> bytes:
    """The XML bytes of a resource, compact unless pretty; the narrative is written as it is.

    FhirError not-acceptable, with the path, for what XML can't say: a control character, a narrative that is not
    well-formed, an element that R4 does not have.
    """
    return Writer(shapes(definitions.official), pretty).document(resource)
