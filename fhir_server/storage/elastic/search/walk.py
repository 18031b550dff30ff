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
    TypeIn,
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


def types_of(clause: Clause) -> frozenset[str] | None:
    """Types of which everything is that it holds for; None where it doesn't tell."""
    match clause:
        case TypeIn(types):
            return frozenset(types)
        case All(clauses):
            known = [types for part in clauses if (types := types_of(part)) is not None]
            return frozenset.intersection(*known) if known else None
        case Any(clauses):
            each = [types_of(part) for part in clauses]
            known = [types for types in each if types is not None]
            return frozenset[str]().union(*known) if len(known) == len(each) else None
    return None


def is_linked(clause: Clause) -> bool:
    """Whether it speaks of other resources."""
    return any(isinstance(each, LINKS) for each in walk(clause))


def has_units(clause: Clause) -> bool:
    """Whether a quantity in a unit is asked for."""
    return any(isinstance(each, QuantityIs) and each.unit is not None for each in walk(clause))


def reads_content(clause: Clause) -> bool:
    """Whether words of the whole content are asked for."""
    return any(isinstance(each, NarrativeHas) and each.scope == "content" for each in walk(clause))
