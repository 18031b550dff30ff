"""Chains that end at an id are references, and chains to nothing find nothing.

Chain(f, ((Patient, IdIn(1, 2)),))         ->  RefersTo(f, ((Patient, 1), (Patient, 2)))
Chain(f, ((Patient, NOTHING), (Group, a))) ->  Chain(f, ((Group, a),))
Chain(f, ((Patient, NOTHING),))            ->  NOTHING
Has(Observation, f, NOTHING)               ->  NOTHING
"""

from __future__ import annotations

from fhir_server.core.query import NOTHING, Chain, Clause, Has, IdIn, RefersTo
from fhir_server.search.fields import Fields


def chains(clause: Clause, fields: Fields) -> Clause:
    """See above."""
    if isinstance(clause, Has):
        return NOTHING if clause.clause == NOTHING else clause
    if not isinstance(clause, Chain):
        return clause
    targets = tuple((name, inner) for name, inner in clause.targets if inner != NOTHING)
    if not targets:
        return NOTHING
    named = [(name, id_) for name, inner in targets if isinstance(inner, IdIn) for id_ in inner.ids]
    if all(isinstance(inner, IdIn) for _, inner in targets):
        return RefersTo(clause.fields, tuple(named))
    return clause if len(targets) == len(clause.targets) else Chain(clause.fields, targets)
