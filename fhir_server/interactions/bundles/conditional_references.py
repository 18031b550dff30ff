"""References by search criteria: `Patient?identifier=system|value` (https://hl7.org/fhir/R4/http.html#trules).

A transaction resolves them last, so they may name what it creates itself. A batch's entries stand alone: theirs name
what is stored.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any, NamedTuple

from fhir_server.codec.references import references, rewrite
from fhir_server.core.errors import FhirError, error
from fhir_server.core.query import Clause, Query
from fhir_server.interactions.environment import Environment
from fhir_server.interactions.request import Request

_IN_JSON = re.compile(rb'"reference"\s*:\s*"(?:http[^"?]*/)?[A-Z][A-Za-z]+\?')  # of this server by its base URL too
_ESCAPED = b"\\u00"  # how one may be written otherwise
_CONDITIONAL = re.compile(r"([A-Z][A-Za-z]+)\?(.*)\Z", re.DOTALL)


class ConditionalReference(NamedTuple):
    """What one asks for, and where it stands: the number of its entry and its path in the resource."""

    type: str
    where: Clause
    number: int
    path: str


def may_have(body: bytes) -> bool:
    """Whether a Bundle's JSON may have some, b"" for XML; spares looking through most."""
    return not body or _ESCAPED in body or _IN_JSON.search(body) is not None


async def conditional_references(
    environment: Environment, request: Request, resource: dict[str, Any], number: int, known: Collection[str] = ()
) -> dict[str, ConditionalReference]:
    """Those of a resource by their text, but for known ones; FhirError with the path where one can't be understood."""
    found: dict[str, ConditionalReference] = {}
    for path, text in references(resource):
        match = _CONDITIONAL.match(text)
        if match and text not in known and text not in found:
            try:
                where = await environment.searching.criteria(match[1], match[2], request)
            except FhirError as problem:
                raise error(problem.category, str(problem), expression=path) from None
            found[text] = ConditionalReference(match[1], where, number, path)
    return found


def the_one(text: str, reference: ConditionalReference, ids: Collection[str]) -> str:
    """Type/id of the one resource that it names; FhirError precondition for none and for several."""
    if len(ids) == 1:
        return f"{reference.type}/{next(iter(ids))}"
    how = "more than one resource" if ids else "no resource"
    raise error(
        "precondition",
        f"The conditional reference {text[:200]} matches {how}; it must match exactly one.",
        expression=reference.path,
    )


async def resolve_stored(environment: Environment, request: Request) -> None:
    """Puts what is stored in the place of the conditional references of a request's resource."""
    if request.resource is None:
        return
    asked = await conditional_references(environment, request, request.resource, 0)
    mapping = {}
    for text, reference in asked.items():
        page = await environment.index.search(Query((reference.type,), reference.where, count=2))
        mapping[text] = the_one(text, reference, {version.id for version in page.matches})
    rewrite(request.resource, mapping)
