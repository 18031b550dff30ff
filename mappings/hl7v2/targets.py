"""The targets of the tables, such as `participant[1].individual(Practitioner.name)`, parsed along R4's definitions.

A bracketed number tells which of several elements is meant, a name in parentheses that the rest belongs to a resource
which the element refers to. `$this` is the resource or element itself, `$value` the value of a data type map.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from fhir_server.core.errors import error
from fhir_server.definitions import Definitions, load

_STEP = re.compile(r"(?P<name>[A-Za-z]+)?(?:\[(?P<label>[^\]]*)\]?)?(?P<open>\()?")


class Step(NamedTuple):
    """One step: name as in JSON; label tells siblings of an array apart; refers: a resource type for a reference."""

    name: str
    repeats: bool = False
    label: str = ""
    refers: str = ""
    refers_label: str = ""


class Target(NamedTuple):
    """Steps from a type, and the type of what they lead to; own: the label of `[2].given`, for the element itself."""

    steps: tuple[Step, ...]
    type: str
    own: str = ""
    value: bool = False
    first: int = -1  # the first array among the steps
    chosen: int = -1  # the array that has an item for each repetition of the source
    types: tuple[str, ...] = ()  # the type of the element after each step


@lru_cache(16384)
def parse_target(text: str, base: str) -> Target:
    """The target of a rule in a map to the type base; FhirError "value" where R4 has no such element."""
    text = re.sub(r"\s+", "", text)
    if text in ("$value", "$this", ""):
        return Target((), base, value=text == "$value")
    text = text.replace(".(", "(").replace(".reference(", "(").replace("].reference.", "].")
    own = ""
    if found := re.match(r"\[([\d-]+)\]\.", text):
        own, text = found[1], text[found.end() :]
    found = re.match(r"location\(Location\.(.*)\)$", text)
    if found and base == "Location":
        text = found[1]
    text = text.removeprefix(f"{base}.")
    steps, kind = _walk(text, base, load(), text)
    arrays = [index for index, step in enumerate(steps) if step.repeats]
    labelled = [index for index in arrays if steps[index].label]
    chosen = labelled[0] if labelled else (arrays[-1] if arrays else -1)
    types = []
    at = base
    for step in steps:
        at = step.refers or _type_after(at, step)
        types.append(at)
    return Target(steps, kind, own, False, arrays[0] if arrays else -1, chosen, tuple(types))


def _type_after(at: str, step: Step) -> str:
    definitions = load()
    if step.name.startswith("_"):
        return "Element"
    found = definitions.properties(at).get(step.name)
    if found is None:
        return ""
    nested, code = f"{at}.{found.element.name}", found.type.code
    if nested in definitions.types and (code in ("BackboneElement", "Element", "") or code not in definitions.types):
        return nested
    return code


def _walk(rest: str, base: str, definitions: Definitions, whole: str) -> tuple[tuple[Step, ...], str]:
    steps: list[Step] = []
    at = base
    while rest:
        found = _STEP.match(rest)
        if not found or not found["name"]:
            raise error("value", f"The target {whole!r} can't be read at {rest!r}.")
        rest = rest[found.end() :]
        name, label = found["name"], (found["label"] or "").strip()
        inner = ""
        if found["open"]:
            inner, rest = _inner(rest)
        rest = rest.removeprefix(".")
        step, at = _step(at, name, label, inner, definitions, whole)
        primitive = definitions.is_primitive(at) or at == "xhtml"
        if primitive and rest:
            if step.repeats:
                raise error(
                    "value", f"The target {whole!r}: {name} is an array of values, which have no elements here."
                )
            step, at = step._replace(name=f"_{step.name}"), "Element"
        steps.append(step)
        if inner and step.refers:
            _, _, tail = inner.partition(".")
            if tail:
                further, at = _walk(tail, step.refers, definitions, whole)
                steps.extend(further)
        elif inner:
            _, _, tail = inner.partition(".")
            rest = ".".join(part for part in (tail, rest) if part)
    return tuple(steps), at


def _inner(rest: str) -> tuple[str, str]:
    """What stands in parentheses, and what follows; a bracket that is never closed ends with the text."""
    depth = 1
    for index, character in enumerate(rest):
        depth += (character == "(") - (character == ")")
        if depth == 0:
            return rest[:index], rest[index + 1 :]
    return rest, ""


def _step(at: str, name: str, label: str, inner: str, definitions: Definitions, whole: str) -> tuple[Step, str]:
    wanted = name
    properties = definitions.properties(at)
    found = properties.get(name)
    if found is None:
        lower = name.lower()
        wanted = next((known for known in properties if known.lower() == lower), name)
        found = properties.get(wanted)
    if found is None and inner:
        wanted = name + "Reference"
        found = properties.get(wanted)
    if found is None:
        raise error("value", f"The target {whole!r}: R4's {at} has no element {name}.")
    element, code = found.element, found.type.code
    nested = code in ("BackboneElement", "Element") or code not in definitions.types
    next_type = f"{at}.{element.name}" if nested and f"{at}.{element.name}" in definitions.types else code
    refers = refers_label = ""
    if inner and code == "Reference":
        kind = re.match(r"(?:\[\w+\])?([A-Za-z]+)(?:\[([^\]]*)\])?", inner)
        refers = _resource(kind[1] if kind else "", definitions, whole)
        refers_label = (kind[2] or "") if kind else ""
        next_type = refers if "." in inner else "Reference"
    return Step(wanted, element.repeats, label, refers, refers_label), next_type


def _resource(name: str, definitions: Definitions, whole: str) -> str:
    for known in (name, name.capitalize(), name.replace("Practioner", "Practitioner").replace("organziation", "")):
        if definitions.is_resource(known):
            return known
    raise error("value", f"The target {whole!r} refers to {name!r}, which is no resource.")
