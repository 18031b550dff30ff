"""Uri parameters (https://hl7.org/fhir/R4/search.html#uri)."""

from __future__ import annotations

from typing import Literal

from fhir_server.core.errors import error
from fhir_server.core.query import Clause, UriIs
from fhir_server.search.fields import ParameterFields
from fhir_server.search.parse.context import SearchContext
from fhir_server.search.parse.escaping import unescape

MAX_SEGMENTS = 100  # of an address whose parts are all looked for


def canonical(fields: tuple[str, ...], mode: Literal["exact", "below", "above"], text: str) -> UriIs:
    """A URI, or a canonical with its version after a |."""
    uri, _, version = unescape(text).partition("|")
    return UriIs(fields, mode, uri, version)


def uri_is(parameter: ParameterFields, text: str, context: SearchContext) -> Clause:
    """`url=http://acme.org/fhir/ValueSet/123`."""
    return canonical(parameter.fields, "exact", text)


def uri_below(parameter: ParameterFields, text: str, context: SearchContext) -> Clause:
    """`url:below=http://acme.org/fhir/`: that and all that lies under it."""
    return canonical(parameter.fields, "below", text)


def uri_above(parameter: ParameterFields, text: str, context: SearchContext) -> Clause:
    """`url:above=http://acme.org/fhir/ValueSet/123/_history/5`: that and all that it lies under."""
    if text.count("/") > MAX_SEGMENTS:
        raise error("value", f"The address has more than {MAX_SEGMENTS} segments.")
    return canonical(parameter.fields, "above", text)
