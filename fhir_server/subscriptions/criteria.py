"""Criteria as a Subscription writes them, and how one is refused."""

from __future__ import annotations

from urllib.parse import parse_qsl

from fhir_server.core.errors import FhirError, error
from fhir_server.definitions import Definitions
from fhir_server.search.parse import is_result

TYPE = "Subscription"
Search = tuple[str, list[tuple[str, str]]]  # a type, and decoded names and values


def refused(element: str, diagnostics: str) -> FhirError:
    """The error for an element of a Subscription that can't be served."""
    return error("unprocessable", diagnostics, expression=f"{TYPE}.{element}")


def search_of(text: str, definitions: Definitions, element: str = "criteria") -> Search:
    """The search in a text such as Observation?code=…; FhirError for anything else."""
    type, _, query = text.partition("?")
    if not definitions.is_resource(type):
        raise refused(element, f"The criteria begin with {type[:60]!r}, which is no resource type; write them as a "
                      "search, such as Observation?code=http://loinc.org|1975-2.")  # fmt: skip
    pairs = parse_qsl(query, keep_blank_values=True)
    for name, _ in pairs:
        if is_result(name):
            raise refused(element, f"{name[:60]} says how a search is answered; criteria say what to find.")
    return type, pairs
