"""_include and _revinclude (https://hl7.org/fhir/R4/search.html#include)."""

from __future__ import annotations

from fhir_server.core.errors import error
from fhir_server.core.query import Include
from fhir_server.search.parse.builtin import resource_type
from fhir_server.search.parse.context import SearchContext
from fhir_server.search.parse.draft import Draft
from fhir_server.search.parse.lookup import reference_parameter
from fhir_server.search.parse.suggestions import one_of, shorten

ITERATE = frozenset({"iterate", "recurse"})  # recurse was its name before R4


def read_include(draft: Draft, value: str, iterate: bool) -> None:
    """`Observation:subject`, `Observation:subject:Patient`, `Observation:*` or `*`."""
    if value == "*":
        sources = draft.context.definitions.resource_types if iterate else draft.types
        draft.includes += draft.context.fields.includes(tuple(sources), (), False, iterate)
        return
    source, code, target = _parts(value, draft.context)
    if source not in draft.types and not iterate:
        raise error(
            "value", f"{source} is not what is searched; to include from included resources use _include:iterate."
        )
    if code == "*":
        draft.includes += draft.context.fields.includes((source,), (), False, iterate)
    else:
        draft.includes.append(_include(source, code, target, draft.context, reverse=False, iterate=iterate))


def read_revinclude(draft: Draft, value: str, iterate: bool) -> None:
    """`Provenance:target`, `Observation:subject:Patient`, `Observation:*` or `*`."""
    if value == "*":
        sources, targets = draft.context.definitions.resource_types, () if iterate else tuple(draft.types)
        draft.includes += draft.context.fields.includes(sources, targets, True, iterate)
        return
    source, code, target = _parts(value, draft.context)
    if code == "*":
        draft.includes += draft.context.fields.includes((source,), (), True, iterate)
        return
    targets = reference_parameter(source, code, draft.context).targets
    if not iterate and not set(targets) & set(draft.types):
        raise error("value", f"{source}'s '{code}' does not refer to what is searched, but to {', '.join(targets)}.")
    draft.includes.append(_include(source, code, target, draft.context, reverse=True, iterate=iterate))


def _parts(value: str, context: SearchContext) -> tuple[str, str, str]:
    source, _, rest = value.partition(":")
    code, colon, target = rest.partition(":")
    if not code or (colon and not target):
        raise error("value", f"{shorten(value)} has to be Type:parameter, Type:parameter:TargetType, Type:* or *.")
    return resource_type(source, context), code, target


def _include(source: str, code: str, target: str, context: SearchContext, *, reverse: bool, iterate: bool) -> Include:
    parameter = reference_parameter(source, code, context)
    if target and target not in parameter.targets:
        raise one_of(f"type that {source}'s '{code}' refers to", target, parameter.targets)
    target_types = (target,) if target else parameter.target_types
    return Include(source, parameter.fields, target_types, reverse, iterate)
