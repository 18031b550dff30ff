"""Clauses about words of the narrative (_text) and of the whole content (_content)."""

from __future__ import annotations

from fhir_server.core.query import NarrativeHas
from fhir_server.storage.sqlite.search.condition import Condition, Never, Test
from fhir_server.storage.sqlite.search.scope import Scope
from fhir_server.storage.sqlite.search.sql import Sql, member
from fhir_server.storage.words import words_of


def narrative_has(clause: NarrativeHas, scope: Scope) -> Condition:
    """All the words; what is asked as one word may be several one after the other (covid-19)."""
    phrases = [phrase for word in clause.words if (phrase := " ".join(words_of(word)))]
    if not phrases:
        return Never()
    return _Narrative(scope, phrases) if clause.scope == "text" else _Content(scope, phrases)


class _Narrative(Condition):
    """By the full-text index of narratives."""

    typed = False

    def __init__(self, scope: Scope, phrases: list[str]) -> None:
        self._scope = scope
        self._alias = scope.alias()
        self._match = " AND ".join(f'"{phrase}"' for phrase in phrases)

    def probe(self, rid: str) -> Sql:
        """Among those that the index finds, once for the whole statement."""
        return Sql(f"{rid} IN (SELECT rowid FROM narrative WHERE narrative MATCH ?)", (self._match,))

    def driver(self) -> Sql:
        """Those that the index finds, if they are of the types."""
        a = self._alias
        types = member(f"{a}.type", self._scope.type_ids)
        return Sql(
            f"SELECT {a}.rid AS rid FROM (SELECT rowid AS rid FROM narrative WHERE narrative MATCH ?) {a}n "
            f"CROSS JOIN resource {a} NOT INDEXED ON {a}.rid = {a}n.rid WHERE {a}.live = 1 AND {types.text}",
            (self._match, *types.bound),
        )

    def cost(self, bound: int) -> int:
        """What the index finds."""
        found = Sql("SELECT rowid FROM narrative WHERE narrative MATCH ?", (self._match,))
        return self._scope.reader.rough_count(found, bound)


class _Content(Test):
    """By reading the resource."""

    weight = 100

    def __init__(self, scope: Scope, phrases: list[str]) -> None:
        super().__init__(scope)
        scope.reader.takes_long()
        self._version = scope.alias()
        self._phrases = phrases

    def probe(self, rid: str) -> Sql:
        """The newest version's body."""
        r, v = f"{self._version}r", self._version
        asked = ", ".join("?" * len(self._phrases))
        return Sql(
            f"(SELECT content_has({v}.body, {asked}) FROM resource {r} NOT INDEXED "
            f"CROSS JOIN version {v} NOT INDEXED ON {v}.seq = {r}.seq WHERE {r}.rid = {rid})",
            tuple(self._phrases),
        )
