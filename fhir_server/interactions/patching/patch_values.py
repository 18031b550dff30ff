"""Values of a FHIRPath Patch: from the parts of Parameters to the JSON of the place where they go."""

from __future__ import annotations

import difflib
from typing import Any, NamedTuple

from fhir_server.definitions import Definitions, Element
from fhir_server.interactions.patching.places import Pair, read, write

PARAMETER = "Parameters.parameter"
_NUMERIC = {"integer": "integer", "decimal": "decimal", "boolean": "boolean"}


class Given(NamedTuple):
    """A value as the patch gives it: type "" where it comes as parts; then parts, otherwise pair."""

    type: str
    pair: Pair
    parts: list[dict[str, Any]]


def given_value(part: Any, definitions: Definitions) -> Given:
    """The value of a part. ValueError where it has none, or more than one."""
    if not isinstance(part, dict):
        raise ValueError("is no object")
    properties = definitions.properties(PARAMETER)
    values = sorted({name.removeprefix("_") for name in part if name.removeprefix("_").startswith("value")})
    if unknown := [name for name in values if name not in properties]:
        raise ValueError(f"has {unknown[0]}, which Parameters does not have")
    contents = values + [name for name in ("part", "resource") if name in part]
    if len(contents) != 1:
        raise ValueError(f"has {' and '.join(contents) or 'nothing'}; give it one value[x], resource, or part array")
    name = contents[0]
    if name == "part":
        parts = part["part"]
        if not isinstance(parts, list) or not all(isinstance(inner, dict) for inner in parts):
            raise ValueError("has a part that is no array of objects")
        return Given("", (None, None), parts)
    if name == "resource":
        return Given("Resource", (part["resource"], None), [])
    pair = (part.get(name), part.get("_" + name))
    if pair == (None, None):
        raise ValueError(f"has an empty {name}")
    return Given(properties[name].type.code, pair, [])


def place_for(owner: str, name: str, given: Given, definitions: Definitions) -> tuple[str, Element, Pair]:
    """The JSON property for a value under an element name of a type, the element, and the value as JSON.

    ValueError where the type has no such element, or the element takes no such type.
    """
    options = [
        (property, found)
        for property, found in definitions.properties(owner).items()
        if name in (found.element.name, property)
    ]
    if not options:
        known = [element.name for element in definitions.types[owner].elements]
        near = difflib.get_close_matches(name, known, 1)
        raise ValueError(f"names {name}, which {owner} does not have{f'. Did you mean {near[0]}?' if near else ''}")
    exact = [option for option in options if option[1].type.code == given.type]
    for property, found in exact or options:
        code = found.type.code
        if given.type:
            if code == given.type or (len(options) == 1 and _fits(code, given.type, definitions)):
                return property, found.element, given.pair
        elif not found.primitive and len(options) == 1:
            return property, found.element, (built(code, given.parts, definitions), None)
    takes = " or ".join(found.type.code for _, found in options[:8])
    raise ValueError(f"gives {name} a {given.type or 'value by parts'}; it takes {takes}")


def built(type_name: str, parts: list[dict[str, Any]], definitions: Definitions) -> dict[str, Any]:
    """An object of a type from parts, each an element by its name; repeated names fill an array."""
    node: dict[str, Any] = {}
    if type_name == "Resource":
        raise ValueError("gives a resource by parts; put it into resource")
    for part in parts:
        name = part.get("name")
        if not isinstance(name, str):
            raise ValueError("has a part without a name")
        property, element, pair = place_for(type_name, name, given_value(part, definitions), definitions)
        pairs = read(node, property)
        if pairs and not element.repeats:
            raise ValueError(f"gives {name} twice; {type_name} takes one")
        write(node, property, [*pairs, pair], repeats=element.repeats)
    return node


def _fits(code: str, given: str, definitions: Definitions) -> bool:
    """Whether JSON of one type can stand for another: a string for a code, an Age for a Quantity."""
    if definitions.is_primitive(code) and definitions.is_primitive(given):
        families = [_family(code, definitions), _family(given, definitions)]
        return families[0] == families[1] or families == ["decimal", "integer"]
    return code in definitions.ancestors(given) or given in definitions.ancestors(code)


def _family(code: str, definitions: Definitions) -> str:
    return next((_NUMERIC[name] for name in definitions.ancestors(code) if name in _NUMERIC), "string")
