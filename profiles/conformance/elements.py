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


def element_check(node: Node, element: Element, compiler: ProfileCompiler) -> ObjectCheck | None:
    """The check (object, context) -> problems of an element as a profile has it; None where it says nothing new."""
    references = {reference.code: reference for reference in (element.types if element.choice else element.types[:1])}
    refused = _refused(node, element)
    checks = {
        code: (None if code in refused else compiler.item_check(node, element, reference))
        for code, reference in references.items()
    }
    minimum = node.element.get("min", 0)
    maximum = node.element.get("max", "*")
    at_least = minimum if minimum > element.min else 0
    base_max = float("inf") if element.max == UNBOUNDED else element.max
    most = float("inf") if maximum == "*" else int(maximum)
    at_most = most if most < base_max else float("inf")
    slicing = compiler.slicing(node, lambda each: _of_slice(each, element, compiler))
    resources = _resource_types(node, element)
    has_checks = any(checks.values()) or bool(refused) or resources is not None
    if not (has_checks or at_least or at_most != float("inf") or slicing):
        return None
    if not element.choice and slicing is None and resources is None and at_most == float("inf"):
        code = element.types[0].code
        primitive = compiler.definitions.is_primitive(code)
        if not element.repeats:
            return _single_check(element.name, code, primitive, checks[code], at_least)
        if at_least <= 1:
            return _array_check(element.name, code, primitive, checks[code], at_least)
    collect = _collector(element, compiler)
    name, shown = element.name, node.name
    path = f".{name}"
    repeats = element.repeats

    def check(value: Json, context: Context) -> Problems | None:
        items = collect(value)
        found: Problems | None = None
        sliced = slicing(items, context) if slicing is not None else None
        if len(items) < at_least and not any(each.rule == "slice-min" for each in sliced or ()):
            if not items:
                text = f"{shown} is required by the profile"
            else:
                text = f"{len(items)} of {shown} are there, at least {at_least} are needed"
            found = problem("cardinality-min", "required", text)
        elif len(items) > at_most:
            if at_most == 0:
                text = f"{shown} is not allowed by the profile: leave it out"
            else:
                text = f"{len(items)} of {shown} are there, at most {int(at_most)} are allowed"
            place = segment(items[int(at_most)][0]) if repeats and at_most else ""
            found = problem("cardinality-max", "structure", text, place)
        if has_checks and items:
            for position, item, twin, code in items:
                if code in refused:
                    text = f"{shown} can't be {code} by the profile: only {listed(set(references) - refused)}"
                    found = under(found, segment(position), problem("type-not-allowed", "structure", text))
                    continue
                if resources is not None and isinstance(item, dict) and item.get("resourceType") not in resources:
                    text = f"can't be {item.get('resourceType')} by the profile: only {listed(resources)}"
                    found = under(found, segment(position), problem("type-not-allowed", "structure", text))
                    continue
                each = checks[code]
                problems = each(item, twin, code, context) if each is not None else None
                if problems is not None:
                    found = under(found, segment(position), problems)
        if sliced is not None:
            if any(each.severity == "error" for each in found or ()):  # the item that is wrong may be the one meant
                sliced = [each for each in sliced if each.rule != "slice-min"]
            found = under(found, "", sliced)
        return under(None, path, found) if found else None

    return check


def _missing(name: str) -> Problems:
    return problem("cardinality-min", "required", f"{name} is required by the profile", f".{name}")


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
        if resources is not None and isinstance(value, dict) and value.get("resourceType") not in resources:
            text = f"can't be {value.get('resourceType')} by the profile: only {listed(resources)}"
            return problem("type-not-allowed", "structure", text)
        each = checks.get(code)
        return None if each is None else each(value, twin, code, context)

    return check


def _refused(node: Node, element: Element) -> frozenset[str]:
    """The types of a choice that the profile takes away."""
    if not element.choice:
        return frozenset()
    allowed = {entry.get("code") for entry in node.types()}
    return (
        frozenset(reference.code for reference in element.types if reference.code not in allowed)
        if allowed
        else frozenset()
    )


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
