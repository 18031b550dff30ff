"""What a caller may see, as part of the typed query.

A restriction gives a Clause by type, None where all of the type may be seen. It is added for the types that are
searched and for resources that a search only passes through: the targets of chains, the sources of _has, the steps of
a hierarchy, what is included. So a search tells a caller nothing that reads would not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from fhir_server.core.query import (
    All,
    Any,
    Chain,
    Clause,
    Has,
    IdIn,
    InList,
    Query,
    RefersWithin,
    TypeIn,
)
from fhir_server.search.rewrite.walk import with_children

Restriction = Callable[[str], Clause | None]


def restrict(restriction: Restriction, query: Query, passing: Restriction | None = None) -> Query:
    """The query of what may be seen, over nothing but what may be seen.

    passing: the restriction of what is only passed through, where that is another.
    """
    where = visible(restriction, query.types, query.where, passing)
    if where is query.where and not query.includes:
        return query
    return replace(query, where=where, restriction=restriction)


def visible(
    restriction: Restriction, types: Sequence[str], where: Clause, passing: Restriction | None = None
) -> Clause:
    """The clause about resources of these types, for those that may be seen."""
    inner = within(passing or restriction, where)
    found = [(type, restriction(type)) for type in types]
    if found and all(limit is None for _, limit in found):
        return inner
    limits = [TypeIn((type,)) if limit is None else All((TypeIn((type,)), limit)) for type, limit in found]
    return All((inner, Any(tuple(limits))))


def within(restriction: Restriction, clause: Clause) -> Clause:
    """The clause with every resource that it passes through among those that may be seen."""
    if isinstance(clause, InList):
        clause = Has("List", ("item",), IdIn((clause.id,)))
    clause = with_children(clause, lambda inner: within(restriction, inner))
    if isinstance(clause, Chain):
        return Chain(
            clause.fields, tuple([(name, _limited(restriction(name), inner)) for name, inner in clause.targets])
        )
    if isinstance(clause, Has):
        return Has(clause.source, clause.fields, _limited(restriction(clause.source), clause.clause))
    if isinstance(clause, RefersWithin):
        return replace(clause, through=_limited(restriction(clause.type), clause.through))
    return clause


def _limited(limit: Clause | None, clause: Clause) -> Clause:
    return clause if limit is None else All((clause, limit))
