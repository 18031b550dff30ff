"""_filter as a clause (https://hl7.org/fhir/R4/search_filter.html)."""

from __future__ import annotations

from fhir_server.core.errors import error
from fhir_server.core.query import All, Any, Clause, Not
from fhir_server.search.parse.builtin import BUILT_IN
from fhir_server.search.parse.chain import forward, reverse
from fhir_server.search.parse.context import SearchContext
from fhir_server.search.parse.filter_grammar import Logic, Negation, Node, Step, Test, parse_filter
from fhir_server.search.parse.filter_operators import compare, compare_built_in
from fhir_server.search.parse.lookup import search_parameter
from fhir_server.search.parse.suggestions import shorten

MAX_STEPS = 2000


def filter_clause(type_name: str, text: str, context: SearchContext) -> Clause:
    """What a filter asks of a resource of this type; FhirError value or unsupported-parameter."""
    return _Translator(context).node(type_name, parse_filter(text))


class _Translator:
    def __init__(self, context: SearchContext) -> None:
        self._context = context
        self._steps = 0

    def node(self, type_name: str, node: Node) -> Clause:
        match node:
            case Logic(operator, operands):
                clauses = tuple([self.node(type_name, operand) for operand in operands])
                return All(clauses) if operator == "and" else Any(clauses)
            case Negation(inner):
                return Not(self.node(type_name, inner))
            case Test():
                return self.test(type_name, node.path, node)

    def test(self, type_name: str, path: tuple[Step, ...], test: Test) -> Clause:
        """The test from this step of its path on."""
        self._steps += 1
        if self._steps > MAX_STEPS:
            raise error(
                "too-costly",
                f"The filter comes to more than {MAX_STEPS} tests; split it, and name the types of its chains, as in "
                "subject:Patient.name.",
            )
        step, *rest = path

        def inner(target: str) -> Clause:
            clause = self.test(target, tuple(rest), test)
            return All((self.node(target, step.filter), clause)) if step.filter else clause

        code, _, target = step.name.partition(":")
        if code == "_has":
            source, _, reference = target.rstrip(":").partition(":")
            return reverse(type_name, source, reference, inner, self._context)
        if rest:
            return forward(type_name, code, target, rest[0].name, inner, self._context)
        if target:
            raise error("value", f"{shorten(step.name)} in the filter needs a path after the type.")
        if code in BUILT_IN:
            return compare_built_in(code, test.operator, test.value, self._context)
        return compare(search_parameter(type_name, code, self._context), test.operator, test.value, self._context)
