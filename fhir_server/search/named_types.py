"""What a reference that is none to a resource of this server says of the type that it names.

`http://other.org/fhir/Patient/7` names a Patient, so does one with `"type": "Patient"`, and `#p` names what is
contained as p. Each puts the type beside the field of the reference, as a token; a local one has it in its value.
Specification: https://hl7.org/fhir/R4/search.html#missing, https://hl7.org/fhir/R4/references.html#Reference
"""

from __future__ import annotations

import re

from fhir_server.core.query import Any, Clause, Missing, Not, TokenIn
from fhir_server.search.fields import ParameterFields

NAMED = ":named"  # the ending of the field that has the types
_ADDRESS = re.compile(r"https?://.+/([A-Z][A-Za-z]+)/[A-Za-z0-9\-.]{1,64}(?:/_history/[A-Za-z0-9\-.]{1,64})?(?:#.*)?\Z")


def type_in(address: str) -> str:
    """The type in the URL of a resource of some server, "" where it has none."""
    found = _ADDRESS.match(address)
    return found[1] if found else ""


def missing(parameter: ParameterFields, is_missing: bool) -> Clause:
    """That the parameter has no value, or that it has one: of a reference, one that names a type that counts."""
    types = parameter.target_types
    if not types:
        return Missing(parameter.fields, is_missing)
    elsewhere = TokenIn(tuple(field + NAMED for field in parameter.fields), tuple(("", name) for name in types))
    found = Any((Missing(parameter.fields, False, types), elsewhere))
    return Not(found) if is_missing else found
