"""Of which kind an answer may be: media types, units and types of resources that extensions of a question name.

https://hl7.org/fhir/R4/questionnaire.html#extensions
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from profiles.questionnaires.items import stated_of
from profiles.structure.problems import Problem, Problems, listed, shown
from profiles.structure.references import reference_type

Json = dict[str, Any]
Member = Callable[[Any, str], Problems]


def kind_problems(value: Any, question: Json, member: Member) -> Problems:
    """What of an answer's value is of no kind that its question takes; member(coding, value set) -> problems."""
    if not isinstance(value, dict):
        return []
    stated = stated_of(question)
    return [
        *_media_type(value, stated.get("mimeType", [])),
        *_resource(value, stated.get("questionnaire-referenceResource", [])),
        *_unit(value, stated.get("questionnaire-unitOption", []), stated.get("questionnaire-unitValueSet", []), member),
    ]


def _media_type(attachment: Json, allowed: list[Any]) -> Problems:
    given = attachment.get("contentType")
    if not allowed or not isinstance(given, str) or _essence(given) in map(_essence, allowed):
        return []
    text = f"an attachment of type {shown(given)} is not taken here: only {listed(map(str, allowed))}"
    return [Problem("questionnaire-mime-type", "value", text, ".value.contentType")]


def _essence(media_type: Any) -> str:
    """A media type without its parameters."""
    return str(media_type).partition(";")[0].strip().lower()


def _resource(reference: Json, allowed: list[Any]) -> Problems:
    if not allowed or not reference.keys() & {"reference", "type"}:
        return []
    named = reference_type(str(reference.get("reference", "")))[0] or reference.get("type", "")
    if not named or named in allowed:
        return []
    text = f"a reference to {named} is not taken here: only to {listed(map(str, allowed))}"
    return [Problem("reference-target", "value", text, ".value.reference")]


def _unit(quantity: Json, options: list[Any], value_sets: list[Any], member: Member) -> Problems:
    if "value" not in quantity:
        return []
    if options and not any(_is_unit(quantity, option) for option in options if isinstance(option, dict)):
        units = listed(str(option.get("code", option.get("display"))) for option in options if isinstance(option, dict))
        given = shown(str(quantity.get("code", quantity.get("unit", ""))))
        return [Problem("questionnaire-unit", "value", f"{given} is none of the units taken here: {units}", ".value")]
    if value_sets and quantity.get("code"):
        return member(quantity, str(value_sets[-1]))
    return []


def _is_unit(quantity: Json, option: Json) -> bool:
    """Whether a quantity has the unit of an option: by code, by text where it has none."""
    if "code" in quantity:
        return (quantity.get("system"), quantity["code"]) == (option.get("system"), option.get("code"))
    return quantity.get("unit") in (option.get("display"), option.get("code"))
