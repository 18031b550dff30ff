"""Whether a QuestionnaireResponse answers its Questionnaire (https://hl7.org/fhir/R4/questionnaireresponse.html#notes)."""

from __future__ import annotations

from typing import Any

from profiles.conformance.context import Surroundings
from profiles.questionnaires.enabling import Enabling
from profiles.questionnaires.items import ANSWERS, WITHOUT_ANSWER, items_of, same, value_of, walk
from profiles.questionnaires.kinds import kind_problems
from profiles.questionnaires.limits import limit_problems
from profiles.questionnaires.numbers import number_problems, repetition_problems
from profiles.structure.problems import Problem, Problems, listed, nearest, shown, under
from profiles.structure.references import reference_type

Json = dict[str, Any]

FINISHED = ("completed", "amended")  # when what is required must be there
OPEN = "open-choice"


def response_problems(response: Json, questionnaire: Json, shared: Surroundings) -> Problems:
    """What in a response does not fit its Questionnaire."""
    checks = _Response(response, questionnaire, shared)
    found = checks.items(response, questionnaire, (response,))
    subject = response.get("subject")
    allowed = questionnaire.get("subjectType")
    if allowed and isinstance(subject, dict):
        named = reference_type(subject.get("reference", ""))[0] or subject.get("type", "")
        if named and named not in allowed:
            text = f"the questionnaire is about {listed(allowed)}, not about a {named}"
            found.append(Problem("questionnaire-subject", "business-rule", text, ".subject"))
    return found


class _Response:
    """The walk over response and questionnaire side by side."""

    def __init__(self, response: Json, questionnaire: Json, shared: Surroundings) -> None:
        self.finished = response.get("status") in FINISHED
        self.shared = shared
        self.enabling = Enabling(response, questionnaire, shared.definitions)
        self.contained = {f"#{each.get('id')}": each for each in questionnaire.get("contained", ())}
        self.known = [str(item.get("linkId")) for _, item in walk(questionnaire)]

    def items(self, holder: Json, asked: Json, around: tuple[Json, ...]) -> Problems:
        """The items right in a response, group or answer, against those asked there."""
        questions = {str(item.get("linkId")): item for item in items_of(asked)}
        order = list(questions)
        found: Problems = []
        given: dict[str, int] = {}
        last = -1
        for position, item in enumerate(items_of(holder)):
            link_id = str(item.get("linkId"))
            place = f".item[{position}]"
            question = questions.get(link_id)
            if question is None:
                found.append(self._stranger(link_id, place))
                continue
            given[link_id] = given.get(link_id, 0) + 1
            if order.index(link_id) < last:
                text = f"the item {shown(link_id)} must stand before {shown(order[last])}, as in the questionnaire"
                found.append(Problem("questionnaire-order", "structure", text, place))
            last = max(last, order.index(link_id))
            if given[link_id] == 2 and not (question.get("type") == "group" and question.get("repeats")):
                hint = "give all its answers in one item" if question.get("type") != "group" else "it does not repeat"
                text = f"the item {shown(link_id)} is there more than once: {hint}"
                found.append(Problem("questionnaire-repeats", "structure", text, place))
            found.extend(under(None, place, self._item(item, question, around)) or ())
        found += repetition_problems(given, questions, self.finished)
        for link_id, question in questions.items():
            missing = question.get("required") is True and link_id not in given and question.get("type") != "display"
            if missing and self.finished and self.enabling.enabled(question, around) is True:
                text = f"the item {shown(link_id)} is required: {question.get('text', 'answer it')}"
                found.append(Problem("questionnaire-required", "required", text, ".item"))
        return found

    def _stranger(self, link_id: str, place: str) -> Problem:
        if link_id in self.known:
            text = f"the item {shown(link_id)} stands elsewhere in the questionnaire"
        else:
            text = f"the questionnaire has no item {shown(link_id)}{nearest(link_id, self.known)}"
        return Problem("questionnaire-item", "not-found", text, f"{place}.linkId")

    def _item(self, item: Json, question: Json, around: tuple[Json, ...]) -> Problems:
        kind = str(question.get("type"))
        answers = item.get("answer") or []
        if self.enabling.enabled(question, around) is False:
            if answers or items_of(item):
                text = "this item is not enabled by the other answers, so it must not be answered"
                return [Problem("questionnaire-disabled", "business-rule", text)]
            return []
        if kind in WITHOUT_ANSWER and answers:
            return [Problem("questionnaire-type", "structure", f"an item of type {kind} has no answers", ".answer")]
        if kind == "group":
            empty = question.get("required") is True and self.finished and not items_of(item)
            if empty and any(self.enabling.enabled(inner, (*around, item)) is True for inner in items_of(question)):
                text = "this group is required: answer an item of it"
                return [Problem("questionnaire-required", "required", text, ".item")]
            return self.items(item, question, (*around, item))
        if items_of(item):
            text = "items that follow from a question stand in its answer"
            return [Problem("questionnaire-nesting", "structure", text, ".item")]
        found: Problems = []
        if question.get("required") is True and self.finished and not answers and kind != "display":
            found.append(Problem("questionnaire-required", "required", "this item is required: answer it", ".answer"))
        else:
            found.extend(number_problems(answers, question, self.finished))
        if len(answers) > 1 and not question.get("repeats"):
            found.append(Problem("questionnaire-repeats", "structure", "takes one answer only", ".answer[1]"))
        for position, answer in enumerate(answers):
            place = f".answer[{position}]"
            found.extend(under(None, place, self._answer(answer, question, kind)) or ())
            found.extend(under(None, place, self.items(answer, question, (*around, item, answer))) or ())
        return found

    def _answer(self, answer: Json, question: Json, kind: str) -> Problems:
        key, value = value_of(answer)
        if not key:
            return []
        options = [value_of(option) for option in question.get("answerOption", ())]
        allowed = {name for name, _ in options} if kind in ("choice", OPEN) and options else set(ANSWERS.get(kind, ()))
        if kind in ("choice", OPEN) and not options:
            allowed = {"valueCoding"}
        if kind == OPEN:
            allowed.add("valueString")
        if key not in allowed:
            types = listed(name.removeprefix("value") for name in allowed)
            text = f"{key} does not fit a question of type {kind}: answer with {types}"
            return [Problem("questionnaire-type", "value", text, ".value")]
        if options and not any(same(value, option) for _, option in options):
            if kind == OPEN and key == "valueString":
                return []
            return [Problem("questionnaire-option", "code-invalid", "the answer is none of the options", ".value")]
        if problems := limit_problems(value, question) or kind_problems(value, question, self._member):
            return problems
        value_set = question.get("answerValueSet")
        if isinstance(value_set, str) and isinstance(value, dict):
            return self._member(value, value_set)
        return []

    def _member(self, coding: Json, value_set: str) -> Problems:
        member = self._has(value_set, coding.get("system", ""), coding.get("code", ""))
        if member is False:
            text = f"the answer is not in the value set {value_set}"
            return [Problem("questionnaire-option", "code-invalid", text, ".value")]
        if member is None:
            text = f"the answer could not be checked: the value set {value_set}, or a code system of it, is not here"
            return [Problem("binding-unknown", "not-found", text, ".value", "warning")]
        return []

    def _has(self, value_set: str, system: str, code: str) -> bool | None:
        if not value_set.startswith("#"):
            return self.shared.member_of(value_set, system, code)
        found = self.contained.get(value_set)
        return None if found is None else self.shared.member_of_resource(found, system, code)
