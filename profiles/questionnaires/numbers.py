"""How often a group and an answer may be there, and which answer stands alone: extensions beside required and repeats.

https://hl7.org/fhir/R4/questionnaire.html#extensions
"""

from __future__ import annotations

from typing import Any

from profiles.questionnaires.items import same, stated_of, value_of
from profiles.structure.problems import Problem, Problems, shown

Json = dict[str, Any]


def number_problems(answers: list[Json], question: Json, finished: bool) -> Problems:
    """Fewer answers than a question wants once the response is finished, more than it takes, and more than one where
    one is exclusive.
    """
    found = _number(len(answers), question, finished, f"{len(answers)} answers are given", ".answer")
    if len(answers) > 1:
        for position, answer in enumerate(answers):
            if any(same(value_of(answer)[1], value_of(option)[1]) for option in _exclusive(question)):
                text = "no other answer may be given beside this one"
                found.append(Problem("questionnaire-exclusive", "business-rule", text, f".answer[{position}]"))
    return found


def repetition_problems(given: dict[str, int], questions: dict[str, Json], finished: bool) -> Problems:
    """Groups that are there less or more often than their questionnaire wants; given: how often, by linkId."""
    found: Problems = []
    for link_id, question in questions.items():
        if question.get("type") == "group" and link_id in given:
            said = f"the group {shown(link_id)} is there {given[link_id]} times"
            found += _number(given[link_id], question, finished, said, ".item")
    return found


def _number(count: int, question: Json, finished: bool, said: str, path: str) -> Problems:
    stated = stated_of(question)
    least, most = (stated.get(f"questionnaire-{name}", [None])[-1] for name in ("minOccurs", "maxOccurs"))
    if isinstance(most, int) and count > most:
        return [Problem("questionnaire-max-occurs", "structure", f"{said}, at most {most} may be", path)]
    if finished and isinstance(least, int) and count < least:
        return [Problem("questionnaire-min-occurs", "required", f"{said}, at least {least} must be", path)]
    return []


def _exclusive(question: Json) -> list[Json]:
    options = question.get("answerOption", ())
    return [option for option in options if stated_of(option).get("questionnaire-optionExclusive") == [True]]
