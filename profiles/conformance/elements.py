"""The check of one element of an object: how many values it has, what each is, and its slices."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from fhir_server.definitions import Element
from fhir_server.definitions.tables import UNBOUNDED
from profiles.conformance.checks import ItemCheck, ObjectCheck
from profiles.conformance.context import Context
from profiles.conformance.slicing import Item, segment
from profiles.snapshot import Node
from profiles.structure.problems import Problems, listed, problem, under

if TYPE_CHECKING:
    from profiles.conformance.compiler import ProfileCompiler

Json = dict[str, Any]

UNLIMITED = float("inf")


def element_check(node: Node, element: Element, compiler: ProfileCompiler) -> ObjectCheck | None:
    """The check (object, context) -> problems of an element as a profile has it; None where it says nothing new."""
    references = {reference.code: reference for reference in (element.types if element.choice else element.types[:1])}
    refused = _refused(node, element)
    checks = {
        code: (None if code in refused else compiler.item_check(node, element, reference))
        for code, reference in references.items()
    }
    at_least, at_most = _limits(node, element)
    slicing = compiler.slicing(node, lambda each: _of_slice(each, element, compiler))
    resources = _resource_types(node, element)
    has_checks = any(checks.values()) or bool(refused) or resources is not None
    if not (has_checks or at_least or at_most != UNLIMITED or slicing):
        return None
    if not element.choice and slicing is None and resources is None and at_most == UNLIMITED:
        code = element.types[0].code
        primitive = compiler.definitions.is_primitive(code)
        if not element.repeats:
            return _single_check(element.name, code, primitive, checks[code], at_least)
        if at_least <= 1:
            return _array_check(element.name, code, primitive, checks[code], at_least)
    collect = _collector(element, compiler)
    shown, path = node.name, f".{element.name}"
    taken = listed(set(references) - refused)

    def check_item(item: Any, twin: Any, code: str, context: Context) -> Problems | None:
        if code in refused:
            return problem("type-not-allowed", "structure", f"{shown} can't be {code} by the profile: only {taken}")
        if resources is not None and (other := _other_resource(item, resources)):
            return other
        each = checks[code]
        return each(item, twin, code, context) if each is not None else None

    def check(value: Json, context: Context) -> Problems | None:
        items = collect(value)
        found: Problems | None = None
        sliced = slicing(items, context) if slicing is not None else None
        if len(items) < at_least and not any(each.rule == "slice-min" for each in sliced or ()):
            found = _too_few(shown, len(items), at_least)
        elif len(items) > at_most:
            found = _too_many(shown, items, int(at_most), element.repeats)
        if has_checks:
            for position, item, twin, code in items:
                problems = check_item(item, twin, code, context)
                if problems is not None:
                    found = under(found, segment(position), problems)
        if sliced is not None:
            if any(each.severity == "error" for each in found or ()):  # the item that is wrong may be the one meant
                sliced = [each for each in sliced if each.rule != "slice-min"]
            found = under(found, "", sliced)
        return under(None, path, found) if found else None

    return check


def _limits(node: Node, element: Element) -> tuple[int, float]:
    """How many values are needed and allowed, where the profile says more of it than R4 does; else 0, UNLIMITED."""
    minimum, maximum = node.element.get("min", 0), node.element.get("max", "*")
    base = UNLIMITED if element.max == UNBOUNDED else element.max
    most = UNLIMITED if maximum == "*" else int(maximum)
    return minimum if minimum > element.min else 0, most if most < base else UNLIMITED


def _too_few(name: str, count: int, at_least: int) -> Problems:
    text = f"{count} of {name} are there, at least {at_least} are needed" if count else _required(name)
    return problem("cardinality-min", "required", text)


def _too_many(name: str, items: list[Item], at_most: int, repeats: bool) -> Problems:
    if not at_most:
        return problem("cardinality-max", "structure", f"{name} is not allowed by the profile: leave it out")
    text = f"{len(items)} of {name} are there, at most {at_most} are allowed"
    return problem("cardinality-max", "structure", text, segment(items[at_most][0]) if repeats else "")


def _other_resource(item: Any, resources: frozenset[str]) -> Problems | None:
    """The problem of a resource that is of none of these types; None of one that is."""
    if not isinstance(item, dict) or item.get("resourceType") in resources:
        return None
    text = f"can't be {item.get('resourceType')} by the profile: only {listed(resources)}"
    return problem("type-not-allowed", "structure", text)


def _required(name: str) -> str:
    return f"{name} is required by the profile"


def _missing(name: str) -> Problems:
    return problem("cardinality-min", "required", _required(name), f".{name}")


def _single_check(name: str, code: str, primitive: bool, check: ItemCheck | None, at_least: int) -> ObjectCheck:
    """element_check for the plainest case: one value, not a choice, not sliced."""
    twin_name, path = f"_{name}", f".{name}"

    def check_single(value: Json, context: Context) -> Problems | None:
        item = value.get(name)
        if item is None and not (primitive and twin_name in value):
            return _missing(name) if at_least else None
        if check is None:
            return None
        problems = check(item, value.get(twin_name) if primitive else None, code, context)
        return None if problems is None else under(None, path, problems)

    return check_single


def _array_check(name: str, code: str, primitive: bool, check: ItemCheck | None, at_least: int) -> ObjectCheck:
    """element_check for an array of which at most one is needed, that is not sliced."""
    twin_name = f"_{name}"

    def check_array(value: Json, context: Context) -> Problems | None:
        items = value.get(name)
        twins = value.get(twin_name) if primitive else None
        if not isinstance(items, list):
            if not isinstance(twins, list):
                return _missing(name) if at_least else None
            items = [None] * len(twins)
        if check is None:
            return None
        found: Problems | None = None
        for position, item in enumerate(items):
            twin = twins[position] if isinstance(twins, list) and position < len(twins) else None
            problems = check(item, twin, code, context)
            if problems is not None:
                found = under(found, f".{name}[{position}]", problems)
        return found

    return check_array


def _of_slice(node: Node, element: Element, compiler: ProfileCompiler) -> ItemCheck | None:
    """The check of an item of a slice, whatever its type."""
    refused = _refused(node, element)
    checks = {
        reference.code: compiler.item_check(node, element, reference)
        for reference in (element.types if element.choice else element.types[:1])
        if reference.code not in refused
    }
    resources = _resource_types(node, element)
    if not any(checks.values()) and resources is None:
        return None

    def check(value: Any, twin: Any, code: str, context: Context) -> Problems | None:
        if resources is not None and (other := _other_resource(value, resources)):
            return other
        each = checks.get(code)
        return None if each is None else each(value, twin, code, context)

    return check


def _refused(node: Node, element: Element) -> frozenset[str]:
    """The types of a choice that the profile takes away."""
    if not element.choice:
        return frozenset()
    allowed = {entry.get("code") for entry in node.types()}
    return frozenset(reference.code for reference in element.types if allowed and reference.code not in allowed)


def _resource_types(node: Node, element: Element) -> frozenset[str] | None:
    """The resource types that are allowed where R4 takes any; None for any."""
    if element.types[0].code != "Resource" or element.choice:
        return None
    allowed = frozenset(entry.get("code", "") for entry in node.types())
    return None if not allowed or allowed & {"Resource", "DomainResource"} else allowed


def _collector(element: Element, compiler: ProfileCompiler) -> Callable[[Json], list[Item]]:
    """The function that lists an element's items in an object."""
    properties = [
        (element.property_name(reference.code), reference.code, compiler.definitions.is_primitive(reference.code))
        for reference in (element.types if element.choice else element.types[:1])
    ]
    if element.choice:
        names = {}
        for name, code, primitive in properties:
            names[name] = (name, code)
            if primitive:
                names["_" + name] = (name, code)

        def collect_choice(value: Json) -> list[Item]:
            for key in value:
                if key in names:
                    name, code = names[key]
                    return [(-1, value.get(name), value.get("_" + name), code)]
            return []

        return collect_choice
    name, code, primitive = properties[0]
    twin_name = "_" + name
    if element.repeats:

        def collect_many(value: Json) -> list[Item]:
            items = value.get(name)
            twins = value.get(twin_name) if primitive else None
            if not isinstance(items, list):
                items = [None] * len(twins) if isinstance(twins, list) else ()
            if not isinstance(twins, list):
                return [(position, item, None, code) for position, item in enumerate(items)]
            return [
                (position, item, twins[position] if position < len(twins) else None, code)
                for position, item in enumerate(items)
            ]

        return collect_many

    def collect_one(value: Json) -> list[Item]:
        if name in value:
            return [(-1, value[name], value.get(twin_name) if primitive else None, code)]
        if primitive and twin_name in value:
            return [(-1, None, value[twin_name], code)]
        return []

    return collect_one
