"""From clauses to conditions: one function for each kind of clause."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any as Anything

from fhir_server.core import query
from fhir_server.core.query import All, Any, Clause, Not
from fhir_server.storage.sqlite.search.chains import chain, has
from fhir_server.storage.sqlite.search.composites import composite_is
from fhir_server.storage.sqlite.search.condition import Condition, Never
from fhir_server.storage.sqlite.search.identity import id_in, in_list, type_in
from fhir_server.storage.sqlite.search.logic import all_of, any_of, not_
from fhir_server.storage.sqlite.search.missing import missing
from fhir_server.storage.sqlite.search.narratives import narrative_has
from fhir_server.storage.sqlite.search.positions import near
from fhir_server.storage.sqlite.search.quantities import quantity_is
from fhir_server.storage.sqlite.search.ranges import date_is, number_is
from fhir_server.storage.sqlite.search.reader import Reader
from fhir_server.storage.sqlite.search.references import refers_to, refers_within
from fhir_server.storage.sqlite.search.scope import Scope
from fhir_server.storage.sqlite.search.strings import string_is, text_is
from fhir_server.storage.sqlite.search.tokens import token_in, token_is
from fhir_server.storage.sqlite.search.units import UnitTable
from fhir_server.storage.sqlite.search.updated import updated_is
from fhir_server.storage.sqlite.search.uris import uri_is


def scope_of(reader: Reader, units: UnitTable, types: Iterable[str]) -> Scope:
    """Where the clauses of one statement about these types are compiled."""
    return Scope(reader, units, compile_clause, reader.types(tuple(types)))


def compile_clause(clause: Clause, scope: Scope) -> Condition:
    """The condition of a clause for the types of the scope."""
    return COMPILE[type(clause)](clause, scope) if scope.types else Never()


def _all(clause: All, scope: Scope) -> Condition:
    narrow = scope
    for part in clause.clauses:
        if isinstance(part, query.TypeIn):
            narrow = narrow.among(part.types)
    parts = [compile_clause(part, scope if isinstance(part, query.TypeIn) else narrow) for part in clause.clauses]
    return all_of(scope, parts)


def _any(clause: Any, scope: Scope) -> Condition:
    return any_of([compile_clause(part, scope) for part in clause.clauses])


def _not(clause: Not, scope: Scope) -> Condition:
    return not_(scope, compile_clause(clause.clause, scope))


COMPILE: dict[type, Callable[[Anything, Scope], Condition]] = {
    All: _all,
    Any: _any,
    Not: _not,
    query.IdIn: id_in,
    query.TypeIn: type_in,
    query.UpdatedIs: updated_is,
    query.StringIs: string_is,
    query.TokenIs: token_is,
    query.TokenIn: token_in,
    query.TextIs: text_is,
    query.UriIs: uri_is,
    query.RefersTo: refers_to,
    query.RefersWithin: refers_within,
    query.DateIs: date_is,
    query.NumberIs: number_is,
    query.QuantityIs: quantity_is,
    query.CompositeIs: composite_is,
    query.Near: near,
    query.Missing: missing,
    query.Chain: chain,
    query.Has: has,
    query.NarrativeHas: narrative_has,
    query.InList: in_list,
}
