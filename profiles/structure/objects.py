"""What is wrong with an object or array, beyond what its values' own types say. Called where the fast walk stumbles."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fhir_server.definitions import Definitions, TypeDefinition
from profiles.structure.primitives import explain, is_text
from profiles.structure.problems import (
    Check,
    Problem,
    Problems,
    enough,
    kind_of,
    listed,
    nearest,
    problem,
    shown,
    under,
)

MAX_SEGMENT = 64  # characters of an unknown property's name that a path repeats


class Shape:
    """What the messages about a type need: its name, its JSON properties and its choices."""

    def __init__(self, definition: TypeDefinition, definitions: Definitions) -> None:
        self.name = definition.name
        self.resource = definition.kind == "resource"
        self.properties = definitions.properties(definition.name)
        self.choices = {e.name: [e.property_name(t.code) for t in e.types] for e in definition.elements if e.choice}
        self.wants = {
            e.name: self.choices.get(e.name, [e.name]) for e in definition.elements if e.min
        }  # fmt: skip

    def twin(self, key: str) -> str:
        """The primitive property whose twin this key is (birthDate of _birthDate), "" for none."""
        found = self.properties.get(key[1:]) if key[:1] == "_" else None
        if found is None or not found.primitive or found.element.representation:
            return ""
        return key[1:]


def not_object(value: Any, shape: Shape) -> Problems:
    """A value that is no object with content."""
    if value == {} and isinstance(value, dict):
        return problem(
            "empty", "structure", f"an empty object is not allowed: give {shape.name} content or leave it out"
        )
    if value is None:
        return problem("null", "structure", "null is not allowed here: leave the element out")
    if isinstance(value, list):
        return problem(
            "single", "structure", f"takes one {shape.name}, not an array: write the object without brackets"
        )
    return problem("type", "structure", f"must be a JSON object ({shape.name}), but is {kind_of(value)}")


def array_problems(values: Any, check: Check, stumbled: Any = None, first: Problems | None = None) -> Problems | None:
    """The problems of an array of values, each with its place.

    stumbled, first: the first value that has problems, and these, where they are known already.
    """
    if values is None:
        return problem("null", "structure", "null is not allowed here: leave the element out")
    if not isinstance(values, list):
        return problem("array", "structure", f"may repeat, so it must be an array: put {kind_of(values)} into brackets")
    if not values:
        return problem("empty", "structure", "an empty array is not allowed: leave the element out")
    found: Problems | None = None
    for position, value in enumerate(values):
        if first is None:
            problems = check(value)
        elif value is stumbled:
            problems, first = first, None
        else:
            continue
        if problems is not None:
            found = under(found, f"[{position}]", problems)
            if enough(found):
                break
    return found


def missing(found: Problems | None, name: str, shape: Shape) -> Problems:
    """A required element that is not there."""
    wanted = shape.wants[name]
    text = f"{shape.name}.{name} is required"
    if name in shape.choices:
        text = f"{shape.name}.{name}[x] is required: write {' or '.join(wanted[:4])}{'…' if len(wanted) > 4 else ''}"
    return under(found, f".{name}", problem("cardinality-min", "required", text))


def second_choice(found: Problems | None, element: str, chosen: str, choice: dict[str, str]) -> Problems:
    """A second type of a choice element."""
    text = f"only one of {element}[x] may be there: keep {choice[element]} or {chosen}"
    return under(found, f".{element}", problem("choice-one", "structure", text))


def extension_problem(found: Problems | None, choice: dict[str, str] | None) -> Problems:
    """An Extension with a value and extensions, or with neither."""
    has = "has both" if choice else "has neither"
    text = f"an extension must have either a value[x] or extensions, this one {has}"
    return under(found, "", problem("ext-1", "invariant", text))


def absolved(problems: Problems, value: dict[str, Any], key: str) -> Problems:
    """The problems without nulls in an array of primitives that a twin gives content to."""
    twins = value.get("_" + key)
    if type(twins) is not list:
        return problems
    return [p for p in problems if not (p.rule == "null" and _item(twins, p.path))]


def _item(twins: list[Any], path: str) -> bool:
    position = path[1:-1]
    return position.isdigit() and int(position) < len(twins) and isinstance(twins[int(position)], dict)


def other_checks(check_element: Check) -> Callable[..., Problems | None]:
    """The function for properties that are no element by name: ids of elements, `_name` twins, and unknown ones."""

    def other(found: Problems | None, value: dict[str, Any], key: str, item: Any, shape: Shape) -> Problems | None:
        if enough(found):
            return found
        if key == "id" and not shape.resource:
            problems = _element_id(item, value, shape)
            return found if problems is None else under(found, "", problems)
        name = shape.twin(key)
        if not name:
            return under(found, "." + key[:MAX_SEGMENT], _unknown(key, shape))
        problems = twin(value.get(name), item, shape.properties[name].element.repeats)
        return found if problems is None else under(found, "." + name, problems)

    def twin(value: Any, item: Any, repeats: bool) -> Problems | None:
        if not repeats:
            return _twin_of_one(value, item)
        if type(item) is not list or not item:
            return array_problems(item, check_element)
        values = value if isinstance(value, list) else None
        if values is not None and len(values) != len(item):
            lengths = f"{len(values)} and {len(item)}"
            text = f"the array and its twin with ids and extensions must have one length, not {lengths}"
            return problem("twin-alignment", "structure", text)
        found: Problems | None = None
        for position, each in enumerate(item):
            primitive = values[position] if values is not None else None
            if each is None and primitive is None:
                if values is None:
                    found = under(
                        found, f"[{position}]", problem("null", "structure", "neither a value nor an extension is here")
                    )
                continue
            problems = None if each is None else _twin_of_one(primitive, each)
            if problems is not None:
                found = under(found, f"[{position}]", problems)
                if enough(found):
                    break
        return found

    def _twin_of_one(value: Any, item: Any) -> Problems | None:
        found = check_element(item)
        if found is None and value is None and "extension" not in item:
            return _childless()
        return found

    return other


def _element_id(item: Any, value: dict[str, Any], shape: Shape) -> Problems | None:
    if type(item) is not str or not item or not is_text(item):
        return under(None, ".id", explain("string", item))
    if " " in item:
        text = f"the id {shown(item)} of an element must not have spaces"
        return problem("format", "value", text, ".id")
    if len(value) == 1 and shape.name != "Element":
        return _childless()
    return None


def _childless() -> Problems:
    return problem(
        "ele-1",
        "invariant",
        "an element must have a value or children, not only an id: give it content or leave it out",
    )


def _unknown(key: str, shape: Shape) -> Problems:
    name = key.removeprefix("_")
    for base, names in shape.choices.items():
        rest = name[len(base) :] if name.startswith(base) else None
        if rest == "" or (rest and rest[0].isupper() and key == name):
            if rest:
                text = f"{shape.name}.{base}[x] can't be {shown(name)}: write {listed(names)}"
            else:
                text = f"{shape.name}.{base}[x] is written with its type: {listed(names)}"
            return [Problem("choice-type", "structure", text)]
    known = [*shape.properties, "id"]
    if key.startswith("_"):
        if name in shape.properties:
            text = f"{shape.name}.{name} is no primitive element, so it has no '_{name}'; put extensions into it"
        else:
            text = f"{shape.name} has no element {shown(name)}{nearest(name, known)}"
    else:
        text = f"{shape.name} has no element {shown(key)}{nearest(key, known)}"
    return [Problem("unknown-element", "structure", text)]
