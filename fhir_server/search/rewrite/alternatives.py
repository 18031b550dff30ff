"""Alternatives about the same fields become one clause, so that an index looks once.

Any(TokenIs(f, s, a), TokenIs(f, s, b))    ->  TokenIn(f, ((s, a), (s, b)))
Any(RefersTo(f, (x)), RefersTo(f, (y)))    ->  RefersTo(f, (x, y))
Any(IdIn(a), IdIn(b))                      ->  IdIn(a, b)
Any(TypeIn(a), TypeIn(b))                  ->  TypeIn(a, b)
"""

from __future__ import annotations

from fhir_server.core.query import Any, Clause, IdIn, RefersTo, TokenIn, TokenIs, TypeIn
from fhir_server.search.fields import Fields


def alternatives(clause: Clause, fields: Fields) -> Clause:
    """See above."""
    if not isinstance(clause, Any):
        return clause
    groups: dict[tuple, list[Clause]] = {}
    for position, inner in enumerate(clause.clauses):
        groups.setdefault(_group(inner) or (position,), []).append(inner)
    if len(groups) == len(clause.clauses):
        return clause
    merged = [_merge(group) for group in groups.values()]
    return merged[0] if len(merged) == 1 else Any(tuple(merged))


def _group(clause: Clause) -> tuple | None:
    """What clauses must have in common to be merged; None for those that stay alone."""
    if isinstance(clause, TokenIs) and clause.code is not None:
        return "token", clause.fields
    if isinstance(clause, TokenIn):
        return "token", clause.fields
    if isinstance(clause, RefersTo):
        return "reference", clause.fields, clause.target_types, clause.version
    if isinstance(clause, IdIn):
        return ("id",)
    return ("type",) if isinstance(clause, TypeIn) else None


def _merge(group: list) -> Clause:
    first = group[0]
    if len(group) == 1:
        return first
    if isinstance(first, IdIn):
        return IdIn(tuple(dict.fromkeys(id_ for clause in group for id_ in clause.ids)))
    if isinstance(first, TypeIn):
        return TypeIn(tuple(dict.fromkeys(name for clause in group for name in clause.types)))
    if isinstance(first, RefersTo):
        targets = dict.fromkeys(target for clause in group for target in clause.targets)
        return RefersTo(first.fields, tuple(targets), first.target_types, first.version)
    codings = dict.fromkeys(coding for clause in group for coding in _codings(clause))
    return TokenIn(first.fields, tuple(codings))


def _codings(clause: TokenIs | TokenIn) -> tuple:
    return clause.codings if isinstance(clause, TokenIn) else ((clause.system, clause.code),)
