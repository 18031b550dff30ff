"""One `name=value` of a search as a clause: the name taken apart, its values read, chains followed."""

from __future__ import annotations

from functools import partial

from fhir_server.core.errors import error
from fhir_server.core.query import Any, Clause, IdIn, Not, RefersTo, TokenIn, TokenIs, TypeIn
from fhir_server.search.fields import ParameterFields
from fhir_server.search.named_types import missing
from fhir_server.search.parse.builtin import BUILT_IN, BUILT_IN_MODIFIERS
from fhir_server.search.parse.chain import forward, reverse
from fhir_server.search.parse.context import SearchContext
from fhir_server.search.parse.escaping import split
from fhir_server.search.parse.filter import filter_clause
from fhir_server.search.parse.lookup import FILTER, HAS, search_parameter
from fhir_server.search.parse.modifiers import MISSING, MODIFIERS, NEGATED
from fhir_server.search.parse.suggestions import one_of, shorten, unknown_modifier
from fhir_server.search.phonetic import kind_of

MAX_STEPS = 2000  # clauses that one parameter may grow to; chains without types multiply
MAX_CHAIN = 60  # links
MAX_TOGETHER = 50_000  # alternatives of one parameter
MAX_ALTERNATIVES = 1000  # of those that an index looks for one by one
TOGETHER = (IdIn, TypeIn, TokenIs, TokenIn, RefersTo)  # what search.rewrite makes one clause, however many they are


class Criteria:
    """Reads the criteria of one request."""

    def __init__(self, context: SearchContext) -> None:
        self.context = context
        self._steps = 0
        self._alternatives = 0

    def clause(self, type_name: str, name: str, value: str, links: int = 0) -> Clause:
        """What `name=value` asks of a resource of this type; FhirError value or unsupported-parameter."""
        self._steps += 1
        if self._steps > MAX_STEPS or links > MAX_CHAIN:
            raise error(
                "too-costly", "The chain is too long or fits too many types; name the types, as in subject:Patient."
            )
        if name.startswith(HAS + ":"):
            parts = name.split(":", 3)
            if len(parts) < 4 or not all(parts):
                raise error("unsupported-parameter", f"{shorten(name)} has to be _has:Type:reference:parameter.")
            _, source, code, rest = parts
            inner = partial(self.clause, name=rest, value=value, links=links + 1)
            return reverse(type_name, source, code, inner, self.context)
        head, dot, rest = name.partition(".")
        code, _, modifier = head.partition(":")
        if dot:
            inner = partial(self.clause, name=rest, value=value, links=links + 1)
            return forward(type_name, code, modifier, rest, inner, self.context)
        if not value:
            raise error("value", "There is no value; leave the parameter out or give it one.")
        if code == FILTER:
            if modifier:
                raise unknown_modifier(code, modifier, ())
            return filter_clause(type_name, value, self.context)
        if code in BUILT_IN:
            return self._built_in(code, modifier, value)
        return self._parameter(search_parameter(type_name, code, self.context), modifier, value)

    def _built_in(self, code: str, modifier: str, value: str) -> Clause:
        if modifier and modifier not in BUILT_IN_MODIFIERS.get(code, ()):
            raise unknown_modifier(code, modifier, BUILT_IN_MODIFIERS.get(code, ()))
        read = BUILT_IN[code]
        clause = self._any([read(text, self.context) for text in _alternatives(value)])
        return Not(clause) if modifier else clause

    def _parameter(self, parameter: ParameterFields, modifier: str, value: str) -> Clause:
        if modifier == MISSING:
            return is_missing(parameter, value)
        readers = MODIFIERS[kind_of(parameter.parameter)]
        read = readers.get(modifier)
        if read is None:
            if modifier not in parameter.targets:
                raise unknown_modifier(parameter.parameter.code, modifier, [*readers, MISSING, *parameter.targets[:12]])
            parameter = parameter._replace(target_types=(modifier,), targets=(modifier,))
            read = readers[""]
        if "," not in value:
            clause = read(parameter, value, self.context)
        else:
            clause = self._any([read(parameter, text, self.context) for text in _alternatives(value)])
        return Not(clause) if modifier in NEGATED else clause

    def _any(self, clauses: list[Clause]) -> Clause:
        if len(clauses) == 1:
            return clauses[0]
        self._alternatives += sum(not isinstance(clause, TOGETHER) for clause in clauses)
        if self._alternatives > MAX_ALTERNATIVES:
            raise error(
                "too-costly",
                f"The search has more than {MAX_ALTERNATIVES} alternatives that have to be looked for one by one; "
                "split it into several.",
            )
        return Any(tuple(clauses))


def is_missing(parameter: ParameterFields, value: str) -> Clause:
    """`birthdate:missing=true`."""
    if value not in ("true", "false"):
        raise one_of("value for :missing", value, ("true", "false"))
    return missing(parameter, value == "true")


def _alternatives(value: str) -> list[str]:
    parts = split(value, ",")
    if len(parts) > MAX_TOGETHER:
        raise error(
            "too-costly", f"There are {len(parts)} alternatives; {MAX_TOGETHER} are the most. Split the search."
        )
    if not all(parts):
        raise error("value", rf"{shorten(value)} has an empty alternative; escape a comma that is meant as \,.")
    return parts
