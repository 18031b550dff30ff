"""_summary and _elements of an answer that is one resource (https://hl7.org/fhir/R4/http.html#general).

Searches and histories apply their own to each resource that they find. What is wrong with them is said before anything
is stored.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from fhir_server.codec.summary import element_names, require_elements, subset
from fhir_server.core.errors import error
from fhir_server.definitions import Definitions
from fhir_server.interactions.request import Request, Response

SUMMARIES = ("true", "text", "data", "false")
COUNT = "count"  # of searches, histories and operations that search
WHOLE = tuple(b'{"resourceType":"%b"' % name for name in (b"Bundle", b"OperationOutcome", b"Parameters"))


class Shape(NamedTuple):
    """What is asked for: a _summary, "" for all, or names of elements."""

    summary: str
    names: tuple[str, ...]


def shape_of(request: Request, definitions: Definitions) -> Shape | None:
    """What the request asks for where it is answered by one resource; FhirError value for what can't be asked."""
    if not _is_of_one(request):
        return None
    summary = ""
    names: tuple[str, ...] = ()
    for name, value in request.query:
        if name == "_summary":
            counted = value == COUNT and request.path[-1].startswith("$")
            if value not in SUMMARIES and not counted:
                told = f"_summary={value[:40]} is not known; use {', '.join(SUMMARIES)}; count is for searches."
                raise error("value", told, location="_summary")
            summary = "" if counted or value == "false" else value
        elif name == "_elements":
            names += element_names(value)
    types = _types(request, definitions)
    if names and types and not request.lenient:
        require_elements(names, types, definitions)
    return Shape(summary, names) if summary or names else None


def shaped(response: Response, shape: Shape, definitions: Definitions) -> Response:
    """The response with the part of its resource that is asked for."""
    if response.body and not response.content_type and not response.body.startswith(WHOLE):
        response.body = subset(response.body, *shape, definitions)
    return response


def _is_of_one(request: Request) -> bool:
    match request.path:
        case ():
            return False
        case ("metadata",):
            return True
        case (*_, last) if last.startswith("$"):
            return True
        case (*_, "_search" | "_history"):
            return False
        case (_,):
            return request.method != "GET"
        case (_, _):
            return True
    return len(request.path) == 4 and request.path[2] == "_history"


def _types(request: Request, definitions: Definitions) -> Sequence[str]:
    """What the one resource may be; none for a path of another type, which is told apart from this."""
    if request.path[-1].startswith("$"):
        return definitions.resource_types
    if request.path == ("metadata",):
        return ("CapabilityStatement", "TerminologyCapabilities")
    return (request.path[0],) if definitions.is_resource(request.path[0]) else ()
