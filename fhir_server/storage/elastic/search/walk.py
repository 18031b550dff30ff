"""What kinds of clauses a clause is made of."""

from __future__ import annotations

from collections.abc import Iterator

from fhir_server.core.query import (
    All,
    Any,
    Chain,
    Clause,
    CompositeIs,
    Has,
    InList,
    NarrativeHas,
    Not,
    QuantityIs,
    RefersWithin,
)

LINKS = (Chain, Has, InList, RefersWithin)


def walk(clause: Clause) -> Iterator[Clause]:
    """The clause and all those in it."""
    waiting = [clause]
    while waiting:
        each = waiting.pop()
        yield each
        if isinstance(each, All | Any):
            waiting += each.clauses
        elif isinstance(each, Not | Has):
            waiting.append(each.clause)
        elif isinstance(each, Chain):
            waiting += [inner for _, inner in each.targets]
        elif isinstance(each, CompositeIs):
            waiting += each.parts


def is_linked(clause: Clause) -> bool:
    """Whether it speaks of other resources."""
    return any(isinstance(each, LINKS) for each in walk(clause))


def has_units(clause: Clause) -> bool:
    """Whether a quantity in a unit is asked for."""
    return any(isinstance(each, QuantityIs) and each.unit is not None for each in walk(clause))


def reads_content(clause: Clause) -> bool:
    """Whether words of the whole content are asked for."""
    return any(isinstance(each, NarrativeHas) and each.scope == "content" for each in walk(clause))
