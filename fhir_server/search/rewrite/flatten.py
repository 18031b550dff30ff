"""Nested All and Any become one; what always or never holds goes, and so do repeats.

All(All(a, b), c)      ->  All(a, b, c)
All(a, a)              ->  a
All(a, EVERYTHING)     ->  a
All(a, NOTHING)        ->  NOTHING
Any(a, EVERYTHING)     ->  EVERYTHING
"""

from __future__ import annotations

from fhir_server.core.query import EVERYTHING, NOTHING, All, Any, Clause
from fhir_server.search.fields import Fields


def flatten(clause: Clause, fields: Fields) -> Clause:
    """See above."""
    if isinstance(clause, All):
        kind, neutral, absorbing = All, EVERYTHING, NOTHING
    elif isinstance(clause, Any):
        kind, neutral, absorbing = Any, NOTHING, EVERYTHING
    else:
        return clause
    flat: dict[Clause, None] = {}
    for inner in clause.clauses:
        if inner == absorbing:
            return absorbing
        if isinstance(inner, kind):
            flat.update(dict.fromkeys(inner.clauses))
        else:
            flat[inner] = None
    if len(flat) == 1:
        return next(iter(flat))
    if not flat:
        return neutral
    return clause if len(flat) == len(clause.clauses) else kind(tuple(flat))
