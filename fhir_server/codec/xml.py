"""XML, both ways, without loss against JSON: https://hl7.org/fhir/R4/xml.html."""

from __future__ import annotations

from typing import Any

from fhir_server.codec.xml_reader import Reader
from fhir_server.codec.xml_shapes import shapes
from fhir_server.codec.xml_writer import Writer
from fhir_server.core.errors import FhirError, Issue
from fhir_server.definitions import Definitions


def parse(data: bytes, definitions: Definitions) -> dict[str, Any]:
    """The resource in XML bytes from outside, as JSON would give it; comments are left out.

    FhirError malformed, of all that read() gives.
    """
    resource, problems = read(data, definitions)
    if problems:
        raise FhirError("malformed", problems)
    return resource


def read(data: bytes, definitions: Definitions) -> tuple[dict[str, Any], list[Issue]]:
    """The resource in XML bytes from outside, and what keeps it from being one of R4's, with path and line.

    That is: another namespace, an element or attribute that R4 does not have there (the nearest right name is
    suggested), an element out of order or repeated, text between elements, a value that is no boolean or number where
    one belongs, an empty element. Where there is such, the resource is not to be stored.
    FhirError malformed for what can't be read at all: not XML, not UTF-8, a DOCTYPE or entities, nested too deep, no
    resource.
    """
    reader = Reader(shapes(definitions.official))
    resource = reader.document(data)
    return resource, reader.problems


def serialize(resource: dict[str, Any], definitions: Definitions, *, pretty: bool = False) -> bytes:
    """The XML bytes of a resource, compact unless pretty; the narrative is written as it is.

    FhirError not-acceptable, with the path, for what XML can't say: a control character, a narrative that is not
    well-formed, an element that R4 does not have.
    """
    return Writer(shapes(definitions.official), pretty).document(resource)
