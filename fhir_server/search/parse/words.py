"""What _text and _content look for: words, "phrases", AND, OR, NOT and parentheses.

expression = both ("OR" both)*
both       = each ("AND"? each)*
each       = "NOT" each / "(" expression ")" / "a phrase" / word

AND and OR may be small letters, as on the page; NOT may not, as "not" is a word of many narratives.
Specification: https://hl7.org/fhir/R4/search.html#text
"""

from __future__ import annotations

import re
from typing import Literal

from fhir_server.core.errors import FhirError, error
from fhir_server.core.folding import unaccented
from fhir_server.core.query import All, Any, Clause, NarrativeHas, Not
from fhir_server.search.parse.escaping import unescape
from fhir_server.search.parse.suggestions import shorten

MAX_DEPTH = 40

_PIECE = re.compile(r'"[^"]*"|[()]|[^\s()"]+|"')
_WORD = re.compile(r"[^\W_]+")
_OPERATORS = {"AND": "AND", "and": "AND", "OR": "OR", "or": "OR", "NOT": "NOT"}


def words_clause(text: str, scope: Literal["text", "content"]) -> Clause:
    """The clause of an expression; FhirError value that says where it can't be read."""
    reader = _Reader(unescape(text), scope)
    clause = reader.either(0)
    if reader.pieces:
        raise reader.expected("a word or the end")
    return clause


class _Reader:
    def __init__(self, text: str, scope: Literal["text", "content"]) -> None:
        if not _WORD.search(unaccented(text)):
            raise error("value", f"{shorten(text)} has no words to search for.")
        self.pieces = _PIECE.findall(text)
        self._scope: Literal["text", "content"] = scope
        self.pieces.reverse()

    def either(self, depth: int) -> Clause:
        clauses = [self._both(depth)]
        while self._operator() == "OR":
            self.pieces.pop()
            clauses.append(self._both(depth))
        return clauses[0] if len(clauses) == 1 else Any(tuple(clauses))

    def _both(self, depth: int) -> Clause:
        words: list[str] = []
        others: list[Clause] = []
        while True:
            each = self._each(depth)
            if isinstance(each, NarrativeHas):
                words += each.words
            elif each is not None:
                others.append(each)
            if self._operator() == "AND":
                self.pieces.pop()
            elif not self.pieces or self.pieces[-1] == ")" or self._operator() == "OR":
                break
        clauses = [NarrativeHas(tuple(words), self._scope), *others] if words else others
        if not clauses:
            raise self.expected("a word")
        return clauses[0] if len(clauses) == 1 else All(tuple(clauses))

    def _each(self, depth: int) -> Clause | None:
        """One term; None for a piece that has no word."""
        if depth > MAX_DEPTH:
            raise error("value", f"The words are nested more than {MAX_DEPTH} deep.")
        operator = self._operator()
        if not self.pieces or operator in ("AND", "OR") or self.pieces[-1] in (")", '"'):
            raise self.expected("a word, a phrase that ends with a quotation mark, or what is in parentheses")
        piece = self.pieces.pop()
        if operator == "NOT":
            inner = self._each(depth + 1)
            if inner is None:
                raise self.expected("a word")
            return Not(inner)
        if piece == "(":
            inner = self.either(depth + 1)
            if not self.pieces or self.pieces.pop() != ")":
                raise self.expected("')'")
            return inner
        phrase = " ".join(_WORD.findall(unaccented(piece)))
        return NarrativeHas((phrase,), self._scope) if phrase else None

    def _operator(self) -> str:
        return _OPERATORS.get(self.pieces[-1], "") if self.pieces else ""

    def expected(self, what: str) -> FhirError:
        where = f"at {shorten(' '.join(reversed(self.pieces[-5:])))}" if self.pieces else "at its end"
        hint = 'AND, OR and NOT join words; put them in quotation marks, "or", to search for the word itself.'
        return error("value", f"The words can't be read {where}: {what} was expected there. {hint}")
