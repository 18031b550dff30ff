"""parse_query: the parameters of a request as a typed Query."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from fhir_server.core.errors import FhirError, Issue, error
from fhir_server.core.query import All, Any, Clause, Query, TypeIn
from fhir_server.search.parse.builtin import resource_type
from fhir_server.search.parse.compartment import compartment_types, in_compartment
from fhir_server.search.parse.contained import search_containers
from fhir_server.search.parse.context import SearchContext
from fhir_server.search.parse.criteria import Criteria
from fhir_server.search.parse.draft import Draft
from fhir_server.search.parse.results import REPEATABLE, RESULTS, read_result
from fhir_server.search.parse.suggestions import shorten

FORGIVABLE = frozenset({"value", "unsupported-parameter"})  # what lenient handling passes over
MAX_PARAMETERS = 500
MAX_WARNINGS = 20


def parse_query(
    type: str | None,
    parameters: Sequence[tuple[str, str]],
    context: SearchContext,
    *,
    lenient: bool = False,
    blank: bool = False,
    compartment: tuple[str, str] | None = None,
) -> Query:
    """What a search asks: its type (None: all, or those of _type) and its decoded parameters in order.

    compartment: (type, id) of the compartment searched in. lenient: parameters that are unknown or have values that
    can't be understood are left out, with a warning in Query.warnings; otherwise FhirError unsupported-parameter or
    value, with the parameter's name as location. blank: known parameters that have no value are left out likewise
    ("empty parameters are not an error", https://hl7.org/fhir/R4/search.html#errors). Query.where may hold InValueSet
    and Subsumes: see search.rewrite.
    """
    if type is not None and not context.definitions.is_resource(type):
        raise error("unknown-type", f"{shorten(type)} is no resource type.")
    if len(parameters) > MAX_PARAMETERS:
        raise error("value", f"The search has {len(parameters)} parameters; {MAX_PARAMETERS} are the most.")
    reading = _Reading(Draft(context, (type,) if type else ()), lenient, blank)
    if type is None:
        reading.draft.types = _all_types(compartment, context)
        reading.each(parameters, lambda name: name == "_type", reading.types)
    draft = reading.draft
    if compartment is not None:
        draft.clauses.append(in_compartment(draft.types, compartment, context))
    reading.each(parameters, lambda name: not is_result(name) and not (type is None and name == "_type"), reading.find)
    reading.each(parameters, is_result, reading.answer)
    try:
        search_containers(draft)
    except FhirError as refusal:
        raise FhirError(refusal.category, [_about("_contained", issue) for issue in refusal.issues]) from None
    if draft.summary == "text" and draft.includes:
        raise error("value", "_include and _revinclude can't go with _summary=text; leave it out.", location="_summary")
    where = draft.clauses[0] if len(draft.clauses) == 1 else All(tuple(draft.clauses))
    return Query(
        types=draft.types,
        where=where,
        sort=draft.sort,
        includes=tuple(draft.includes),
        count=context.default_count if draft.count is None else draft.count,
        cursor=draft.cursor,
        total=draft.total,
        only_count=draft.only_count or draft.count == 0,
        summary=draft.summary,
        elements=draft.elements,
        used=tuple(pair for _, pair in sorted(reading.used.items())),
        warnings=reading.told(),
    )


def parse_criteria(type: str, parameters: Sequence[tuple[str, str]], context: SearchContext) -> Clause | None:
    """The clause of parameters that only say what to find, spared what a search needs besides; None where parse_query
    has to look at them."""
    if len(parameters) != 1 or is_result(parameters[0][0]) or not context.definitions.is_resource(type):
        return None
    try:
        return Criteria(context).clause(type, *parameters[0])
    except FhirError:
        return None


def is_result(name: str) -> bool:
    """Whether a parameter says how to answer and nothing of what to find."""
    return name.partition(":")[0] in RESULTS


def _all_types(compartment: tuple[str, str] | None, context: SearchContext) -> tuple[str, ...]:
    if compartment is None:
        return context.definitions.resource_types
    return compartment_types(compartment[0], context)


def _in_each(types: Sequence[str], clause_of: Callable[[str], Clause]) -> Clause:
    """The clause of every type; where it is not the same in all, each for its own types."""
    if len(types) == 1:
        return clause_of(types[0])
    groups: dict[Clause, list[str]] = {}
    for type_name in types:
        groups.setdefault(clause_of(type_name), []).append(type_name)
    if len(groups) == 1:
        return next(iter(groups))
    return Any(tuple(All((TypeIn(tuple(names)), clause)) for clause, names in groups.items()))


class _Reading:
    def __init__(self, draft: Draft, lenient: bool, blank: bool) -> None:
        self.draft = draft
        self.used: dict[int, tuple[str, str]] = {}
        self.warnings: list[Issue] = []
        self._lenient = lenient
        self._blank = blank
        self._empties: list[str] = []
        self._criteria = Criteria(draft.context)

    def each(
        self, parameters: Sequence[tuple[str, str]], belongs: Callable[[str], bool], read: Callable[[str, str], str]
    ) -> None:
        """Reads the parameters that belong here; read gives the value as it was understood."""
        seen: set[str] = set()
        for position, (name, value) in enumerate(parameters):
            if not belongs(name):
                continue
            try:
                if name in seen and name in RESULTS and name not in REPEATABLE:
                    raise error("value", "It is given more than once; give it once.")
                seen.add(name)
                self.used[position] = (name, read(name, value))
            except FhirError as refusal:
                issues = [_about(name, issue) for issue in refusal.issues]
                if self._empty(value, refusal):
                    self._empties.append(name)
                    if len(self._empties) > MAX_WARNINGS:
                        continue  # told together
                elif not self._forgives(refusal):
                    raise FhirError(refusal.category, issues) from None
                self.warnings += [msgspec.structs.replace(issue, severity="warning") for issue in issues]

    def _empty(self, value: str, refusal: FhirError) -> bool:
        return self._blank and not value and refusal.category == "value"

    def _forgives(self, refusal: FhirError) -> bool:
        mistakes = len(self.warnings) - min(len(self._empties), MAX_WARNINGS)
        return self._lenient and refusal.category in FORGIVABLE and mistakes < MAX_WARNINGS

    def told(self) -> tuple[Issue, ...]:
        """Warnings of all that was left out; a form of a web page may have any number of empty fields."""
        if len(self._empties) <= MAX_WARNINGS:
            return tuple(self.warnings)
        more = ", ".join(name[:40] for name in self._empties[MAX_WARNINGS:])
        text = f"These parameters have no value either and are left out: {more}."
        return (*self.warnings, Issue("warning", "value", text))

    def types(self, name: str, value: str) -> str:
        """_type of a search across types."""
        names = [resource_type(part.strip(), self.draft.context) for part in value.split(",")]
        outside = [found for found in names if found not in self.draft.types]
        if outside:
            raise error("value", f"{outside[0]} is not part of what is searched.")
        self.draft.types = tuple(dict.fromkeys(names))
        return value

    def find(self, name: str, value: str) -> str:
        """A parameter that says what to find."""
        types = self.draft.types
        try:
            self.draft.clauses.append(_in_each(types, lambda t: self._criteria.clause(t, name, value)))
        except FhirError as refusal:
            if len(types) > 1 and refusal.category == "unsupported-parameter":
                hint = " A search across types can only use what all of them have; choose types with _type=A,B."
                issues = [msgspec.structs.replace(i, diagnostics=i.diagnostics + hint) for i in refusal.issues]
                raise FhirError(refusal.category, issues) from None
            raise
        return value

    def answer(self, name: str, value: str) -> str:
        """A parameter that says how to answer."""
        read_result(self.draft, name, value)
        return str(self.draft.count) if name == "_count" else value


def _about(name: str, issue: Issue) -> Issue:
    return msgspec.structs.replace(
        issue, diagnostics=f"Search parameter {shorten(name)}: {issue.diagnostics}", location=f"http.{name[:100]}"
    )
