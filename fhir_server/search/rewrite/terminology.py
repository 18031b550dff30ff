"""Value sets and hierarchies of codes, as the terminology knows them.

InValueSet(f, v)                ->  TokenIn(f, the codes of v)
Subsumes(f, below, s, c)        ->  TokenIn(f, c and all that it subsumes)
"""

from __future__ import annotations

from fhir_server.core.errors import error
from fhir_server.core.ports import TerminologyService
from fhir_server.core.query import NOTHING, Clause, InValueSet, Subsumes, TokenIn
from fhir_server.search.rewrite.walk import every, with_children

EXPANDED = frozenset({InValueSet, Subsumes})


def needs_terminology(clause: Clause) -> bool:
    """Whether something in the clause has to be expanded."""
    return any(type(inner) in EXPANDED for inner in every(clause))


async def expand(clause: Clause, terminology: TerminologyService | None) -> Clause:
    """See above; FhirError value where a value set or code is not known."""
    wanted = dict.fromkeys(inner for inner in every(clause) if isinstance(inner, (InValueSet, Subsumes)))
    expanded: dict[Clause, Clause] = {}
    for asked in wanted:
        if isinstance(asked, InValueSet):
            codings = await _value_set(asked.value_set, terminology)
        else:
            codings = await _hierarchy(asked, terminology)
        expanded[asked] = TokenIn(asked.fields, codings) if codings else NOTHING

    def replace(inner: Clause) -> Clause:
        return expanded.get(inner) or with_children(inner, replace)

    return replace(clause)


async def _value_set(url: str, terminology: TerminologyService | None) -> tuple[tuple[str | None, str], ...]:
    codes = await terminology.expand(url) if terminology else None
    if codes is None:
        raise error("value", f"The value set {url[:200]!r} is not known here; load it, or give another.")
    return tuple(dict.fromkeys(codes))


async def _hierarchy(asked: Subsumes, terminology: TerminologyService | None) -> tuple[tuple[str | None, str], ...]:
    codes = None
    if terminology:
        ask = terminology.below if asked.direction == "below" else terminology.above
        codes = await ask(asked.system, asked.code)
    if codes is None:
        raise error(
            "value",
            f"What lies {asked.direction} {asked.code[:100]!r} of {asked.system[:200]!r} is not known here; "
            "load the code system, or search for the codes themselves.",
        )
    return tuple((asked.system, code) for code in dict.fromkeys((asked.code, *codes)))
