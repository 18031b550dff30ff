"""What a Questionnaire must be in itself, beyond its invariants."""

from __future__ import annotations

from typing import Any

from profiles.questionnaires.items import ANSWERS, WITHOUT_ANSWER, value_of, walk
from profiles.structure.problems import Problem, Problems, listed, nearest, shown

Json = dict[str, Any]


def questionnaire_problems(questionnaire: Json) -> Problems:
    """Conditions on questions that are not there, and options and initial values of the wrong type."""
    found: Problems = []
    types = {item.get("linkId"): item.get("type") for _, item in walk(questionnaire)}
    names = [name for name in types if isinstance(name, str)]
    for path, item in walk(questionnaire):
        for position, condition in enumerate(item.get("enableWhen", ())):
            question = condition.get("question")
            place = f"{path}.enableWhen[{position}]"
            if question not in types:
                text = f"there is no item with the linkId {shown(question)}{nearest(str(question), names)}"
                found.append(Problem("questionnaire-question", "not-found", text, f"{place}.question"))
            elif question == item.get("linkId") or question in [inner.get("linkId") for _, inner in walk(item)]:
                text = "an item can't depend on its own answer, or on one within it, which is enabled with it"
                found.append(Problem("questionnaire-question", "business-rule", text, f"{place}.question"))
            elif condition.get("operator") != "exists":
                found.extend(_wrong_type(condition, "answer", str(types[question]), f"{place}.answer"))
        for name in ("answerOption", "initial"):
            for position, option in enumerate(item.get(name, ())):
                found.extend(_wrong_type(option, "value", str(item.get("type")), f"{path}.{name}[{position}].value"))
    return found


def _wrong_type(holder: Json, prefix: str, item_type: str, path: str) -> Problems:
    key, _ = value_of(holder, prefix)
    allowed = ANSWERS.get(item_type, ())
    if not key or item_type in WITHOUT_ANSWER or "value" + key[len(prefix) :] in allowed:
        return []
    types = listed(name.removeprefix("value") for name in allowed)
    text = f"{key} does not fit an item of type {item_type}: it takes {types}"
    return [Problem("questionnaire-type", "value", text, path)]
