"""The types of questionnaire items and the answers that they take (https://hl7.org/fhir/R4/valueset-item-type.html)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Json = dict[str, Any]

# item type -> the answer[x] of a response that it takes
ANSWERS: dict[str, tuple[str, ...]] = {
    "boolean": ("valueBoolean",),
    "decimal": ("valueDecimal",),
    "integer": ("valueInteger",),
    "date": ("valueDate",),
    "dateTime": ("valueDateTime",),
    "time": ("valueTime",),
    "string": ("valueString",),
    "text": ("valueString",),
    "url": ("valueUri",),
    "choice": ("valueCoding", "valueString", "valueInteger", "valueDate", "valueTime", "valueReference"),
    "open-choice": ("valueCoding", "valueString", "valueInteger", "valueDate", "valueTime", "valueReference"),
    "attachment": ("valueAttachment",),
    "reference": ("valueReference",),
    "quantity": ("valueQuantity",),
}
WITHOUT_ANSWER = ("group", "display")
EXTENSIONS = "http://hl7.org/fhir/StructureDefinition/"


def items_of(holder: Any) -> list[Json]:
    """The items right in a Questionnaire, an item, a response or an answer."""
    found = holder.get("item") if isinstance(holder, dict) else None
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []


def walk(holder: Json, path: str = "") -> Iterator[tuple[str, Json]]:
    """(path, item) of all the items of a Questionnaire."""
    for position, item in enumerate(items_of(holder)):
        place = f"{path}.item[{position}]"
        yield place, item
        yield from walk(item, place)


def value_of(holder: Json, prefix: str = "value") -> tuple[str, Any]:
    """(property, value) of a value[x] or answer[x]; ("", None) where there is none."""
    for key, value in holder.items():
        if key.startswith(prefix) and key != prefix and key[len(prefix)].isupper():
            return key, value
    return "", None


def same(one: Any, other: Any) -> bool:
    """Whether two values mean the same: codings by system and code, quantities by value and unit."""
    if isinstance(one, dict) and isinstance(other, dict):
        if "reference" in one or "reference" in other:
            return one.get("reference") == other.get("reference")
        keys = ("value", "unit", "system", "code") if "value" in one or "value" in other else ("system", "code")
        if "code" in one and "code" in other:
            keys = tuple(key for key in keys if key != "unit")
        elif "code" not in one and "code" not in other and "value" not in one:
            keys = ("display",)
        return all(one.get(key) == other.get(key) for key in keys)
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    return one == other


def stated_of(question: Json) -> dict[str, list[Any]]:
    """What R4's extensions say of an item, each by its name without http://hl7.org/fhir/StructureDefinition/."""
    stated: dict[str, list[Any]] = {}
    for extension in question.get("extension", ()):
        key, value = value_of(extension)
        if key:
            stated.setdefault(str(extension.get("url")).removeprefix(EXTENSIONS), []).append(value)
    return stated
