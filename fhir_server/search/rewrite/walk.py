"""Clauses inside clauses: the one place that knows which clauses have others in them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from fhir_server.core.query import All, Any, Chain, Clause, CompositeIs, Has, Not


def with_children(clause: Clause, change: Callable[[Clause], Clause]) -> Clause:
    """The clause with change applied to each clause right inside it; the very same where nothing changed."""
    if isinstance(clause, (All, Any)):
        changed = tuple([change(inner) for inner in clause.clauses])
        return type(clause)(changed) if _differ(changed, clause.clauses) else clause
    if isinstance(clause, Not):
        inner = change(clause.clause)
        return Not(inner) if inner is not clause.clause else clause
    if isinstance(clause, Chain):
        before = [inner for _, inner in clause.targets]
        after = [change(inner) for inner in before]
        if not _differ(after, before):
            return clause
        names = [name for name, _ in clause.targets]
        return Chain(clause.fields, tuple(zip(names, after, strict=True)))
    if isinstance(clause, Has):
        inner = change(clause.clause)
        return Has(clause.source, clause.fields, inner) if inner is not clause.clause else clause
    return clause


def _differ(after: Sequence[Clause], before: Sequence[Clause]) -> bool:
    return any(new is not old for new, old in zip(after, before, strict=True))


def every(clause: Clause) -> Iterator[Clause]:
    """The clause and all inside it, parts of composites too."""
    todo = [clause]
    while todo:
        clause = todo.pop()
        yield clause
        if isinstance(clause, (All, Any)):
            todo.extend(clause.clauses)
        elif isinstance(clause, (Not, Has)):
            todo.append(clause.clause)
        elif isinstance(clause, Chain):
            todo.extend(inner for _, inner in clause.targets)
        elif isinstance(clause, CompositeIs):
            todo.extend(clause.parts)
