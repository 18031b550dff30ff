"""The forms of a patch, each a pure function on a copy.

Three are of R4's page (https://hl7.org/fhir/R4/http.html#patch); clients also send JSON Merge Patch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from fhir_server.codec import json
from fhir_server.core.errors import error
from fhir_server.definitions import Definitions

Resource = dict[str, Any]

MERGE_TYPES = ("application/merge-patch+json", "application/json")


class PatchDocument(NamedTuple):
    """A patch that was read and understood; apply(resource) gives the changed copy."""

    apply: Callable[[Resource], Resource]


def document_of(content_type: str, body: bytes, resource: Resource | None, definitions: Definitions) -> PatchDocument:
    """The patch in a request: JSON Patch or XML Patch bytes by content type, Parameters, or a Merge Patch."""
    from fhir_server.interactions.patching import fhirpath_patch, json_patch, merge_patch, xml_patch

    if content_type == "application/json-patch+json":
        operations = json.parse_any(body)
        return PatchDocument(lambda target: json_patch.apply(target, operations, definitions))
    if content_type == "application/xml-patch+xml":
        return PatchDocument(lambda target: xml_patch.apply(target, body, definitions))
    if resource is not None and resource.get("resourceType") == "Parameters":
        return PatchDocument(lambda target: fhirpath_patch.apply(target, resource, definitions))
    if content_type in MERGE_TYPES:
        changes = json.parse(body)
        return PatchDocument(lambda target: merge_patch.apply(target, changes))
    raise error(
        "unsupported-media",
        "A patch is application/json-patch+json, application/xml-patch+xml, a Parameters resource (FHIRPath Patch) or "
        "application/merge-patch+json.",
    )
