"""Token clauses."""

from __future__ import annotations

import json
from collections.abc import Sequence

from fhir_server.core.query import TokenIn, TokenIs
from fhir_server.storage.sqlite.search.condition import Condition, Never, Row
from fhir_server.storage.sqlite.search.scope import Scope
from fhir_server.storage.sqlite.search.sql import LISTED, Sql, member

STATED = 200  # codings with systems whose terms are kept once they are found


def token_is(clause: TokenIs, scope: Scope) -> Condition:
    """A row of token with the term, with one of the terms of the code in whatever system, or of the system."""
    fields = scope.fields(clause.fields)
    if not fields:
        return Never()
    if clause.code is None and clause.system is None:
        return Row(scope, "token", scope.alias(), fields)
    if clause.code is None:
        return _of_system(scope, fields, clause.system or "")
    return having_terms(scope, fields, terms_of(scope, clause.system, clause.code))


def terms_of(scope: Scope, system: str | None, code: str) -> list[int]:
    """The terms of a code in a system; system None: in whatever system."""
    if system is None:
        return scope.reader.known.find_terms(code)
    term = scope.reader.known.find_term(system, code)
    return [] if term is None else [term]


def having_terms(scope: Scope, fields: Sequence[int], terms: Sequence[int]) -> Condition:
    """A row of token with one of these terms."""
    if not terms:
        return Never()
    alias = scope.alias()
    if len(terms) <= LISTED:
        return Row(scope, "token", alias, fields, member(f"{alias}.term", terms), keyed=len(terms) == 1)
    return _ManyTerms(scope, alias, fields, json.dumps(terms))


def _of_system(scope: Scope, fields: Sequence[int], system: str) -> Condition:
    system_id = scope.reader.known.find_system(system)
    if system_id is None:
        return Never()
    alias = scope.alias()
    test = Sql(f"(SELECT system FROM term WHERE term = {alias}.term) = ?", (system_id,))
    return Row(scope, "token", alias, fields, test)


def token_in(clause: TokenIn, scope: Scope) -> Condition:
    """A row of token with one of the codings, be they thousands."""
    fields = scope.fields(clause.fields)
    if not fields:
        return Never()
    return having_terms(scope, fields, known_terms(scope, clause.codings))


def known_terms(scope: Scope, codings: Sequence[tuple[str | None, str]]) -> list[int]:
    """The terms of codings, be they thousands, that the store has."""
    if len(codings) <= LISTED:
        return sorted({term for system, code in codings for term in terms_of(scope, system, code)})
    if len(codings) <= STATED and all(system is not None for system, _ in codings):
        return sorted(set(scope.reader.known.known_terms([(system or "", code) for system, code in codings])))
    find_system = scope.reader.known.find_system
    systems = {system: find_system(system) for system in {system for system, _ in codings if system is not None}}
    pairs = [
        (code, None if system is None else systems[system])
        for system, code in codings
        if system is None or systems[system] is not None
    ]
    found = scope.reader.rows(
        Sql(
            "SELECT t.term FROM json_each(?) j CROSS JOIN term t ON t.code = j.value ->> 0 "
            "AND (j.value ->> 1 IS NULL OR t.system = j.value ->> 1)",
            (json.dumps(pairs),),
        )
    )
    return sorted({row[0] for row in found})


class _ManyTerms(Row):
    """A row of token with one of many terms: each is looked up, or the row's term among them."""

    def __init__(self, scope: Scope, alias: str, fields: Sequence[int], terms: str) -> None:
        super().__init__(
            scope, "token", alias, fields, Sql(f"{alias}.term IN (SELECT value FROM json_each(?))", (terms,))
        )
        self._fields = member(f"{alias}.field", fields)
        self._terms = terms

    def driver(self) -> Sql:
        """The rows of each term in turn."""
        return Sql(
            f"SELECT {self.alias}.rid AS rid FROM json_each(?) j CROSS JOIN token {self.alias} "
            f"ON {self._fields.text} AND {self.alias}.term = j.value",
            (self._terms, *self._fields.bound),
        )
