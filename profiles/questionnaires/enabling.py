"""Whether an item is enabled by the answers given so far.

https://hl7.org/fhir/R4/questionnaire.html#enableWhen, and by an expression:
https://hl7.org/fhir/uv/sdc/STU3/StructureDefinition-sdc-questionnaire-enableWhenExpression.html
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from fhir_server.definitions import Definitions
from fhir_server.fhirpath import Environment, FhirPathError, compile_path
from profiles.questionnaires.items import items_of, same, value_of

Json = dict[str, Any]

EXPRESSION = "http://hl7.org/fhir/uv/sdc/StructureDefinition/sdc-questionnaire-enableWhenExpression"

_ORDER: dict[str, Callable[[Any, Any], bool]] = {
    ">": lambda one, other: one > other,
    "<": lambda one, other: one < other,
    ">=": lambda one, other: one >= other,
    "<=": lambda one, other: one <= other,
}


class Enabling:
    """Which items of a Questionnaire are to be answered in a response."""

    def __init__(self, response: Json, questionnaire: Json, definitions: Definitions) -> None:
        self._response = response
        self._definitions = definitions
        self._environment = Environment(variables={"questionnaire": questionnaire})

    def enabled(self, item: Json, around: Sequence[Json]) -> bool | None:
        """Whether an item is to be answered; None where only the form that was filled in can tell.

        around: what holds the item in the response, from the response itself inwards; answers further in come first.
        """
        for extension in item.get("extension", ()):
            if extension.get("url") == EXPRESSION:
                return self._by_expression(extension.get("valueExpression", {}))
        conditions = item.get("enableWhen")
        if not conditions:
            return True
        results = [_holds(condition, around) for condition in conditions]
        return any(results) if item.get("enableBehavior", "any") == "any" else all(results)

    def _by_expression(self, stated: Json) -> bool | None:
        """Only FHIRPath from the response on is asked: not CQL, a form's variables, or what is relative to an item."""
        text = str(stated.get("expression", "")).strip()
        if stated.get("language") != "text/fhirpath" or not text.startswith("%resource"):
            return None
        try:
            path = compile_path(text, self._definitions, "QuestionnaireResponse")
            values = path.values(self._response, self._response, self._environment)
        except FhirPathError:
            return None
        return values == [("boolean", True)]


def _holds(condition: Json, around: Sequence[Json]) -> bool:
    answers = _answers(str(condition.get("question")), around)
    operator = condition.get("operator")
    _, expected = value_of(condition, "answer")
    if operator == "exists":
        return bool(answers) is (expected is True)
    if operator == "=":
        return any(same(answer, expected) for answer in answers)
    if operator == "!=":
        return not any(same(answer, expected) for answer in answers)
    compare = _ORDER.get(str(operator))
    return compare is not None and any(_compare(compare, answer, expected) for answer in answers)


def _compare(compare: Callable[[Any, Any], bool], answer: Any, expected: Any) -> bool:
    if isinstance(answer, dict) and isinstance(expected, dict):
        if answer.get("code", answer.get("unit")) != expected.get("code", expected.get("unit")):
            return False
        answer, expected = answer.get("value"), expected.get("value")
    try:
        return compare(answer, expected)
    except TypeError:
        return False


def _answers(link_id: str, around: Sequence[Json]) -> list[Any]:
    """The answers to a question, those nearest to the item where it is asked more than once."""
    for holder in reversed(around):
        found = _within(link_id, holder)
        if found:
            return found
    return []


def _within(link_id: str, holder: Json) -> list[Any]:
    found = []
    for item in items_of(holder):
        answers = [answer for answer in item.get("answer", ()) if isinstance(answer, dict)]
        if item.get("linkId") == link_id:
            found.extend(value_of(answer)[1] for answer in answers)
        found.extend(_within(link_id, item))
        for answer in answers:
            found.extend(_within(link_id, answer))
    return [value for value in found if value is not None]
