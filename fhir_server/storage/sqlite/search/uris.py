"""URI clauses, over URIs and canonicals, which are terms: the address as code, the canonical's version as system."""

from __future__ import annotations

from collections.abc import Sequence

from fhir_server.core.query import UriIs
from fhir_server.storage.sqlite.search.condition import Condition, Never, Row
from fhir_server.storage.sqlite.search.scope import Scope
from fhir_server.storage.sqlite.search.sql import Sql, member
from fhir_server.storage.sqlite.search.tokens import having_terms, terms_of


def uri_is(clause: UriIs, scope: Scope) -> Condition:
    """A row of token with the term of the address, of one below it, or of one above it."""
    fields = scope.fields(clause.fields)
    if not fields:
        return Never()
    if clause.mode == "below":
        return _Below(scope, fields, clause.uri, clause.version)
    return having_terms(scope, fields, uri_terms(clause, scope))


def uri_terms(clause: UriIs, scope: Scope) -> list[int]:
    """The terms of a URI clause that asks for what is equal or above."""
    addresses = [clause.uri] if clause.mode == "exact" else above(clause.uri)
    return [term for address in addresses for term in terms_of(scope, clause.version or None, address)]


def above(uri: str) -> list[str]:
    """The URI and all that it lies below: what is left of it before and with each slash."""
    found = {uri}
    for at, character in enumerate(uri):
        if character == "/":
            found.update((uri[:at], uri[: at + 1]))
    found.discard("")
    return sorted(found)


def below_test(uri: str, version: int | None, code: str, system: str) -> Sql:
    """The test that a term lies below; the first range is one that an index serves."""
    stem = uri if uri.endswith("/") else f"{uri}/"
    end = stem[:-1] + "0"  # the character after the slash
    test = Sql(f"{code} >= ? AND {code} < ? AND ({code} = ? OR {code} >= ?)", (uri, end, uri, stem))
    return test if version is None else Sql(f"{test.text} AND {system} = ?", (*test.bound, version))


class _Below(Row):
    """A row of token whose term lies below an address."""

    def __init__(self, scope: Scope, fields: Sequence[int], uri: str, version: str) -> None:
        alias, term = scope.alias(), scope.alias()
        version_id = scope.reader.known.find_system(version) if version else None
        test = below_test(uri, -1 if version and version_id is None else version_id, f"{term}.code", f"{term}.system")
        self._fields = member(f"{alias}.field", fields)
        self._term = term
        self._below = test
        among = Sql(f"{alias}.term IN (SELECT {term}.term FROM term {term} WHERE {test.text})", test.bound)
        super().__init__(scope, "token", alias, fields, among)

    def driver(self) -> Sql:
        """The rows of each term in turn."""
        return Sql(
            f"SELECT {self.alias}.rid AS rid FROM term {self._term} CROSS JOIN token {self.alias} "
            f"ON {self._fields.text} AND {self.alias}.term = {self._term}.term WHERE {self._below.text}",
            (*self._fields.bound, *self._below.bound),
        )
