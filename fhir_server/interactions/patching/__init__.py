"""The three forms of a patch (https://hl7.org/fhir/R4/http.html#patch), each a pure function on a copy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from fhir_server.codec import json
from fhir_server.core.errors import error
from fhir_server.definitions import Definitions

Resource = dict[str, Any]


class PatchDocument(NamedTuple):
    """A patch that was read and understood; apply(resource) gives the changed copy."""

    apply: Callable[[Resource], Resource]


def document_of(content_type: str, body: bytes, resource: Resource | None, definitions: Definitions) -> PatchDocument:
    """The patch in a request: JSON Patch or XML Patch bytes by content type, or a Parameters resource."""
    from fhir_server.interactions.patching import fhirpath_patch, json_patch, xml_patch

    if content_type == "application/json-patch+json":
        operations = json.parse_any(body)
        return PatchDocument(lambda target: json_patch.apply(target, operations, definitions))
    if content_type == "application/xml-patch+xml":
        return PatchDocument(lambda target: xml_patch.apply(target, body, definitions))
    if resource is not None and resource.get("resourceType") == "Parameters":
        return PatchDocument(lambda target: fhirpath_patch.apply(target, resource, definitions))
    raise error(
        "unsupported-media",
        "A patch is application/json-patch+json, application/xml-patch+xml, or a Parameters resource (FHIRPath Patch).",
    )
