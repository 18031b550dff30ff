"""Parts of a resource: _summary and _elements (https://hl7.org/fhir/R4/search.html#summary).

Each request is turned into a plan per type, made from the definitions and kept: which properties stay, whole or in
part. What is cut is marked SUBSETTED, so that no client writes it back. Resources inside a Bundle are cut and marked
like those outside.
"""

from __future__ import annotations

import difflib
import functools
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from fhir_server.codec.json import decode, serialize
from fhir_server.core.errors import error
from fhir_server.definitions import Definitions, Element

MANY = 5  # types that a message lists
SUBSETTED = {
    "system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue",
    "code": "SUBSETTED",
    "display": "Subsetted",
}

_ALWAYS = frozenset({"id", "meta"})  # of a resource


def subset(body: bytes, mode: str, names: Sequence[str], definitions: Definitions) -> bytes:
    """JSON of a resource with _elements applied where there are names, else with _summary; mode "" for all of it."""
    if names:
        return serialize(elements(decode(body), names, definitions))
    return serialize(summarize(decode(body), mode, definitions)) if mode else body


def summarize(resource: dict[str, Any], mode: str, definitions: Definitions) -> dict[str, Any]:
    """A new resource of what _summary=true | text | data keeps; the resource itself for false.

    true: elements marked as summary, and those inside them; text: id, meta, text and mandatory elements; data: all but
    text. Mandatory and modifier elements stay within what is kept. FhirError value for another mode.
    """
    if mode == "false":
        return resource
    if mode not in _MODES:
        raise error(
            "value",
            f"_summary={mode} is not known; use true, text, data or false; count is for searches and history.",
            location="_summary",
        )
    return _resource(resource, lambda type_name: _summary_plan(definitions.official, mode, type_name))


def elements(resource: dict[str, Any], names: Sequence[str], definitions: Definitions) -> dict[str, Any]:
    """A new resource of the named elements, id, meta and the mandatory ones.

    names: element names (`value`, `valueQuantity` or `value[x]` for a choice), paths (`name.family`), each also with
    its type in front (`Patient.name`). Names of other types are passed over: see require_elements.
    """
    asked = tuple(names)
    return _resource(resource, lambda type_name: _elements_plan(definitions.official, asked, type_name))


def element_names(value: str) -> tuple[str, ...]:
    """The names in _elements; FhirError value for none."""
    names = tuple(name.strip() for name in value.split(","))
    if not all(names):
        raise error("value", "_elements needs names of elements with commas between.", location="_elements")
    return names


def require_elements(names: Iterable[str], types: Sequence[str], definitions: Definitions) -> None:
    """FhirError value, with the nearest right name, for a name of _elements that none of these types has."""
    for name in names:
        if name == "resourceType":  # always there, and asked for by some clients
            continue
        paths = [(type_name, path) for type_name in types if (path := _below_type(name, type_name))]
        alternatives = [_alternatives(definitions, type_name, path.split(".")) for type_name, path in paths]
        if [] in alternatives:
            continue
        near = difflib.get_close_matches(name, {known for found in alternatives for known in found}, 1)
        hint = f" Did you mean {near[0]}?" if near else ""
        whose = f"{', '.join(types)} has no" if len(types) <= MANY else "no resource type has an"
        raise error("value", f"_elements: {whose} element {name[:80]}.{hint}", location="_elements")


class _Plan(dict[str, Any]):
    """Property name -> _WHOLE, the plan of what is inside, or _NESTED for a resource; what is missing is dropped."""


_WHOLE, _NESTED = "whole", "resource"
_PlanOf = Callable[[str], _Plan | None]


def _resource(resource: dict[str, Any], plan_of: _PlanOf) -> dict[str, Any]:
    plan = plan_of(resource["resourceType"])
    if plan is None:
        return resource
    kept = _kept(resource, plan, plan_of)
    meta = dict(resource.get("meta") or {})
    tags = meta.get("tag") or []
    if not any(tag.get("code") == SUBSETTED["code"] and tag.get("system") == SUBSETTED["system"] for tag in tags):
        meta["tag"] = [*tags, SUBSETTED]
    front = {name: resource[name] for name in ("resourceType", "id") if name in resource}
    return {**front, "meta": meta, **{name: value for name, value in kept.items() if name != "meta"}}


def _kept(node: dict[str, Any], plan: _Plan, plan_of: _PlanOf) -> dict[str, Any]:
    kept = {}
    for name, value in node.items():
        step = plan.get(name)
        if step is None:
            continue
        if step is not _WHOLE:
            many = isinstance(value, list)
            parts = [_part(child, step, plan_of) for child in (value if many else [value])]
            parts = [part for part in parts if part]
            value = parts if many else (parts[0] if parts else None)
        if value not in (None, [], {}):
            kept[name] = value
    return kept


def _part(child: dict[str, Any], step: Any, plan_of: _PlanOf) -> dict[str, Any]:
    return _resource(child, plan_of) if step is _NESTED else _kept(child, step, plan_of)


@functools.lru_cache(maxsize=4096)
def _summary_plan(definitions: Definitions, mode: str, type_name: str) -> _Plan | None:
    return _plan(definitions, type_name, _MODES[mode]) if definitions.is_resource(type_name) else None


def _plan(definitions: Definitions, type_name: str, keeps: Callable[[Definitions, str, Element, str], Any]) -> _Plan:
    """The plan of a type: keeps(definitions, type name, element, type code) says None, _WHOLE, _NESTED or a plan."""
    plan = _Plan()
    _fill(plan, definitions, type_name, keeps)
    return plan


def _fill(plan: _Plan, definitions: Definitions, type_name: str, keeps: Callable[..., Any]) -> None:
    for name, (element, reference, primitive) in definitions.properties(type_name).items():
        step = keeps(definitions, type_name, element, reference.code)
        if step is not None:
            plan[name] = step
            if primitive:
                plan["_" + name] = _WHOLE
    if definitions.types[type_name].kind == "resource":
        plan["resourceType"] = _WHOLE


def _marked(definitions: Definitions, type_name: str, element: Element, code: str) -> Any:
    if not (element.summary or element.min or element.modifier):
        return None
    if code == "Resource":
        return _NESTED
    definition = definitions.types[code]
    if definition.kind == "primitive" or not any(inner.summary for inner in definition.elements):
        return _WHOLE  # the primitives, and types that mark nothing, like Extension
    inside = _plans_inside(definitions)
    if code not in inside:
        inside[code] = _Plan()  # before it is filled: types contain themselves
        _fill(inside[code], definitions, code, _marked)
    return inside[code]


@functools.lru_cache(maxsize=8)
def _plans_inside(definitions: Definitions) -> dict[str, _Plan]:
    """The plans of _summary=true of all types that are no resources, as far as they were needed."""
    return {}


def _mandatory_or_text(definitions: Definitions, type_name: str, element: Element, code: str) -> Any:
    return _WHOLE if element.min or element.name in _ALWAYS or code == "Narrative" else None


def _all_but_text(definitions: Definitions, type_name: str, element: Element, code: str) -> Any:
    definition = definitions.types[type_name]
    if definition.kind == "resource" and code == "Narrative":
        return None
    if code == "Resource" and definition.kind == "backbone":
        return _NESTED
    if code.startswith(type_name + ".") and any(
        e.types[0].code == "Resource" for e in definitions.types[code].elements
    ):
        return _plan(definitions, code, _all_but_text)
    return _WHOLE


_MODES = {"true": _marked, "text": _mandatory_or_text, "data": _all_but_text}


@functools.lru_cache(maxsize=4096)
def _elements_plan(definitions: Definitions, names: tuple[str, ...], type_name: str) -> _Plan | None:
    if not definitions.is_resource(type_name):
        return None
    paths = [path.split(".") for name in names if (path := _below_type(name, type_name))]
    plan = _paths_plan(definitions, type_name, paths)
    plan.update(dict.fromkeys((*_ALWAYS, "resourceType"), _WHOLE))
    return plan


def _paths_plan(definitions: Definitions, type_name: str, paths: list[list[str]]) -> _Plan:
    """The plan that keeps these paths below a type, and what is mandatory beside them."""

    def keeps(definitions: Definitions, type_name: str, element: Element, code: str) -> Any:
        spelled = (element.name, element.property_name(code), element.name + "[x]")
        deeper = [path[1:] for path in paths if path[0] in spelled]
        if not deeper:
            return _WHOLE if element.min else None
        if code == "Resource" or [] in deeper or definitions.is_primitive(code):
            return _WHOLE
        return _paths_plan(definitions, code, deeper)

    return _plan(definitions, type_name, keeps)


def _below_type(name: str, type_name: str) -> str:
    """A name of _elements without its type in front; "" where it speaks of another type."""
    first, _, rest = name.partition(".")
    return name if not first[:1].isupper() else rest if first == type_name else ""


def _alternatives(definitions: Definitions, type_name: str, path: list[str]) -> list[str]:
    """The paths that could have been meant by one that leads to nothing; [] for one that leads to an element."""
    first, *rest = path
    inside: list[str] = []
    for element in definitions.types[type_name].elements:
        for reference in element.types:
            if first in (element.name, element.property_name(reference.code), element.name + "[x]"):
                found = _alternatives(definitions, reference.code, rest) if rest else []
                if not found:
                    return []
                inside += [f"{first}.{known}" for known in found]
    return inside or [element.name for element in definitions.types[type_name].elements] or [type_name]
