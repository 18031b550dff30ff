"""Which Binaries may be searched, as a clause: those whose securityContext names what may be seen.

As a chain it is answered from what may be seen to the Binaries that name it, and follows when that becomes another
patient's. Every resource that may be seen is gone through for that: so it is for callers who may see no more than the
records of some patients, and named resources; for others each Binary that is found is looked into (contents.py).
"""

from __future__ import annotations

from collections.abc import Mapping

from fhir_server.core.query import NOTHING, All, Any, Chain, Clause, IdIn, Missing, RefersTo, TypeIn
from fhir_server.search.fields import SECURITY_CONTEXT

BINARY = "Binary"
FIELDS = (SECURITY_CONTEXT.code,)


def naming(limits: Mapping[str, Clause | None], *, always: bool) -> Clause | None:
    """The Binaries that name what these limits by type leave; None where that may be too much to go through.

    always: those that name nothing are not among them.
    """
    if not all(map(_is_narrow, limits.values())):
        return None
    types: dict[Clause, list[str]] = {}
    for type, limit in limits.items():
        if limit is not None and not _is_nothing(limit):
            types.setdefault(limit, []).append(type)
    each = [All((TypeIn(tuple(names)), limit)) for limit, names in types.items()]
    what = each[0] if len(each) == 1 else Any(tuple(each))
    named = Chain(FIELDS, tuple([(type, what) for names in types.values() for type in names]))
    return named if always else Any((Missing(FIELDS, True), named))


def _is_narrow(limit: Clause | None) -> bool:
    """Whether a clause holds for resources that name one of a few, or are one of a few."""
    if isinstance(limit, All):
        return any(map(_is_narrow, limit.clauses))
    if isinstance(limit, Any):
        return all(map(_is_narrow, limit.clauses))
    return isinstance(limit, RefersTo | IdIn)


def _is_nothing(clause: Clause) -> bool:
    if isinstance(clause, All):
        return any(map(_is_nothing, clause.clauses))
    return clause == NOTHING or (isinstance(clause, Any) and all(map(_is_nothing, clause.clauses)))
