"""Reference parameters (https://hl7.org/fhir/R4/search.html#reference)."""

from __future__ import annotations

import re
from typing import Literal

from fhir_server.core.errors import error
from fhir_server.core.keys import ID_PATTERN
from fhir_server.core.query import NOTHING, Any, Clause, RefersTo, RefersWithin, TokenIs, UriIs
from fhir_server.search.fields import ParameterFields
from fhir_server.search.parse.context import SearchContext
from fhir_server.search.parse.escaping import unescape
from fhir_server.search.parse.suggestions import nearest, shorten
from fhir_server.search.parse.token import split_token
from fhir_server.search.parse.uri import canonical

FEW_TARGETS = 12  # a bare id is looked for as each of the types that a parameter may name, if they are not more
_LOCAL = re.compile(r"([A-Za-z]+)/([A-Za-z0-9\-.]{1,64})(?:/_history/([A-Za-z0-9\-.]{1,64}))?\Z")
_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:")


def reference_is(parameter: ParameterFields, text: str, context: SearchContext) -> Clause:
    """`subject=Patient/23`, `subject=23`, an absolute URL, or a canonical such as `http://acme.org/Library/1|2.0`."""
    reference = unescape(text)
    if context.base and reference.startswith(context.base + "/"):
        relative = reference[len(context.base) + 1 :]
        if not parameter.addresses:
            return _local(parameter, relative, context)
        as_it_stands = canonical(parameter.fields, "exact", text)
        match = _LOCAL.match(relative.partition("|")[0])
        if match is None or not context.definitions.is_resource(match[1]):
            return as_it_stands
        return Any((_relative(parameter, relative, context), as_it_stands))
    if _ABSOLUTE.match(reference):
        return canonical(parameter.fields, "exact", text)
    return _relative(parameter, reference, context)


def _relative(parameter: ParameterFields, reference: str, context: SearchContext) -> Clause:
    """A local reference; as `Questionnaire/23|2.0` the canonicals that name this version beside it."""
    address, bar, version = reference.partition("|")
    if not bar or not parameter.addresses or _LOCAL.match(address) is None:
        return _local(parameter, reference, context)
    local = _local(parameter, address, context)
    return UriIs(parameter.fields, "exact", address, version) if version and local != NOTHING else local


def _local(parameter: ParameterFields, reference: str, context: SearchContext) -> Clause:
    match = _LOCAL.match(reference)
    if match is None:
        if not ID_PATTERN.match(reference):
            raise error("value", f"{shorten(reference)} is no reference; write Type/id, id or an absolute URL.")
        return _with_id(parameter, reference)
    type_name, id_, version = match[1], match[2], match[3] or ""
    if not context.definitions.is_resource(type_name):
        known = parameter.targets or context.definitions.resource_types
        raise error("value", f"{shorten(type_name)} is no resource type.{nearest(type_name, known)}")
    if parameter.target_types and type_name not in parameter.target_types:
        return NOTHING
    return RefersTo(parameter.fields, ((type_name, id_),), version=version)


def _with_id(parameter: ParameterFields, id_: str) -> Clause:
    if len(parameter.targets) <= FEW_TARGETS:
        return RefersTo(parameter.fields, tuple((target, id_) for target in parameter.targets))
    return RefersTo(parameter.fields, (("", id_),), parameter.target_types)


def reference_identifier(parameter: ParameterFields, text: str, context: SearchContext) -> Clause:
    """`subject:identifier=http://acme.org/mrn|123`: Reference.identifier, not what the reference resolves to."""
    return TokenIs(parameter.fields, *split_token(text))


def reference_below(parameter: ParameterFields, text: str, context: SearchContext) -> Clause:
    """`location:below=Location/42`: that location and all that are parts of it; or a canonical's URL and below."""
    return _within(parameter, "below", text, context)


def reference_above(parameter: ParameterFields, text: str, context: SearchContext) -> Clause:
    """`location:above=Location/42`: that location and all that it is a part of; or a canonical's URL and above."""
    return _within(parameter, "above", text, context)


def _within(
    parameter: ParameterFields, direction: Literal["below", "above"], text: str, context: SearchContext
) -> Clause:
    found = reference_is(parameter, text, context)
    if not isinstance(found, RefersTo):
        return found if found == NOTHING else canonical(parameter.fields, direction, text)
    clauses = []
    for type_name, id_ in found.targets:
        parents = hierarchy(type_name, context) if type_name else ()
        if parents:
            clauses.append(RefersWithin(parameter.fields, direction, type_name, id_, parents))
    if not clauses:
        raise error("value", f"{shorten(text)} is not of a type that has a hierarchy (an element partOf).")
    return Any(tuple(clauses))


def hierarchy(type_name: str, context: SearchContext) -> tuple[str, ...]:
    """The fields by which a resource of this type names the one that it is a part of; () for no such type."""
    type_fields = context.fields.of(type_name)
    return tuple(
        sorted(
            {
                field
                for parameter in type_fields.parameters.values()
                if type_name in parameter.targets
                for field in parameter.fields
                if all(path.endswith(".partOf") for path in type_fields.fields[field].paths)
            }
        )
    )
