"""Not goes where its clause has an opposite.

Not(Not(a))            ->  a
Not(EVERYTHING)        ->  NOTHING
Not(Missing(f, true))  ->  Missing(f, false)
"""

from __future__ import annotations

from fhir_server.core.query import EVERYTHING, NOTHING, Clause, Missing, Not
from fhir_server.search.fields import Fields


def negation(clause: Clause, fields: Fields) -> Clause:
    """See above."""
    if not isinstance(clause, Not):
        return clause
    inner = clause.clause
    if isinstance(inner, Not):
        return inner.clause
    if isinstance(inner, Missing):
        return Missing(inner.fields, not inner.missing, inner.target_types)
    if inner == EVERYTHING:
        return NOTHING
    return EVERYTHING if inner == NOTHING else clause
