"""Token parameters (https://hl7.org/fhir/R4/search.html#token)."""

from __future__ import annotations

from fhir_server.core.errors import error
from fhir_server.core.query import Clause, InValueSet, Subsumes, TextIs, TokenIs
from fhir_server.search.fields import ParameterFields
from fhir_server.search.of_type import OF_TYPE, of_type
from fhir_server.search.parse.context import SearchContext
from fhir_server.search.parse.escaping import split, unescape
from fhir_server.search.parse.string import folded_text
from fhir_server.search.parse.suggestions import shorten

SYSTEM_ALIASES = {"http://hl7.org/fhir/special-values": "http://terminology.hl7.org/CodeSystem/special-values"}


def split_token(text: str) -> tuple[str | None, str | None]:
    """(system, code) of code, system|code, |code and system|; None: any, system "": none."""
    parts = text.split("|") if "\\" not in text else [unescape(part) for part in split(text, "|")]
    if len(parts) == 1:
        return None, parts[0]
    if len(parts) != 2 or not (parts[0] or parts[1]):
        raise error(
            "value",
            rf"{shorten(text)} is no token; write code, system|code, |code or system| and escape a | inside as \|.",
        )
    return SYSTEM_ALIASES.get(parts[0], parts[0]), parts[1] or None


def token_is(parameter: ParameterFields, text: str, context: SearchContext) -> Clause:
    """`gender=male`, `identifier=http://acme.org/mrn|123`."""
    return TokenIs(parameter.fields, *split_token(text))


def token_text(parameter: ParameterFields, text: str, context: SearchContext) -> Clause:
    """`code:text=headache`."""
    return TextIs(parameter.fields, folded_text(text))


def token_of_type(parameter: ParameterFields, text: str, context: SearchContext) -> Clause:
    """`identifier:of-type=http://terminology.hl7.org/CodeSystem/v2-0203|MR|446053`."""
    parts = [unescape(part) for part in split(text, "|")]
    if len(parts) != 3 or not all(parts):
        raise error("value", f"{shorten(text)} has to be system|code|value: the identifier's type and its value.")
    return TokenIs(tuple(field + OF_TYPE for field in parameter.fields), "", of_type(*parts))


def token_in(parameter: ParameterFields, text: str, context: SearchContext) -> Clause:
    """`code:in=http://hl7.org/fhir/ValueSet/observation-vitalsignresult`, or `code:in=ValueSet/42` of this server."""
    return InValueSet(parameter.fields, unescape(text))


def token_below(parameter: ParameterFields, text: str, context: SearchContext) -> Clause:
    """`code:below=http://snomed.info/sct|235862008`: that code and all that it subsumes."""
    return Subsumes(parameter.fields, "below", *concept(text))


def token_above(parameter: ParameterFields, text: str, context: SearchContext) -> Clause:
    """`code:above=http://snomed.info/sct|235862008`: that code and all that subsume it."""
    return Subsumes(parameter.fields, "above", *concept(text))


def concept(text: str) -> tuple[str, str]:
    """system|code, both of which must be there."""
    system, code = split_token(text)
    if not system or not code:
        raise error("value", f"{shorten(text)} needs the code system, as system|code, to be searched below or above.")
    return system, code
