"""Discriminators: what tells the items of a slice from others, compiled to tests.

https://hl7.org/fhir/R4/profiling.html#discriminator
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from profiles.conformance import paths
from profiles.conformance.bindings import codings
from profiles.conformance.context import Context
from profiles.conformance.values import equal, matches, stated, summary
from profiles.snapshot import Node

if TYPE_CHECKING:
    from profiles.conformance.compiler import ProfileCompiler

Json = dict[str, Any]
Matcher = Callable[[Any, str, Context], bool]  # whether an item (value, FHIR type) belongs to a slice
Criterion = Callable[[Any, str, Context], bool]  # whether a value within it is as the slice says


def matcher_of(node: Node, discriminator: Json, compiler: ProfileCompiler) -> tuple[Matcher | None, str]:
    """The test whether an item belongs to a slice by one discriminator, and what it looks for in words."""
    steps = paths.parse(discriminator["path"])
    kind = discriminator["type"]
    if kind in ("value", "pattern"):
        return _by_value(node, steps, compiler)
    if kind == "exists":
        return _by_existence(node, steps, compiler)
    if kind == "type":
        return _by_type(node, steps, compiler)
    if kind == "profile":
        return _by_profile(node, steps, compiler)
    raise ValueError(f"a discriminator of type {kind} is not known in R4")


def _by_value(node: Node, steps: tuple[paths.Step, ...], compiler: ProfileCompiler) -> tuple[Matcher | None, str]:
    if steps == (paths.Step("name", "url"),):
        url = paths.extension_url(node)
        if url:
            return (lambda value, _type, _context: isinstance(value, dict) and value.get("url") == url), url
    speaking = paths.nodes(steps, node, compiler.registry)
    if any(each.element.get("max") == "0" for each in speaking):
        return _without(steps)
    criteria = [(criterion, hint) for each in speaking for criterion, hint in _criteria(each)]
    if not criteria:
        return None, ""
    tests = [criterion for criterion, _ in criteria]
    hint = " and ".join(dict.fromkeys(hint for _, hint in criteria if hint))

    def match(value: Any, type_name: str, context: Context) -> bool:
        return any(
            all(test(found, code, context) for test in tests)
            for found, code in paths.select(steps, value, type_name, context)
        )

    return match, hint


def _criteria(node: Node) -> list[tuple[Criterion, str]]:
    """What tells values apart: fixed values, patterns, else those of the children, else a required binding."""
    found: list[tuple[Criterion, str]] = []
    fixed = stated(node.element, "fixed")
    if fixed is not None:
        expected = fixed[1]
        return [(lambda value, _type, _context: equal(value, expected), summary(expected))]
    pattern = stated(node.element, "pattern")
    if pattern is not None:
        wanted = pattern[1]
        return [(lambda value, _type, _context: matches(value, wanted), summary(wanted))]
    for child in (node.children or {}).values():
        for inner in (child, *child.slices.values()):
            if inner is child or inner.element.get("min", 0) > 0:
                found.extend(_in_child(child.name.removesuffix("[x]"), c, h) for c, h in _criteria(inner))
    if found:
        return found
    binding = node.element.get("binding", {})
    if binding.get("strength") == "required" and "valueSet" in binding:
        value_set = binding["valueSet"]
        return [(_member(value_set), f"a code of {value_set}")]
    return []


def _in_child(name: str, criterion: Criterion, hint: str) -> tuple[Criterion, str]:
    def test(value: Any, type_name: str, context: Context) -> bool:
        inner = paths.children(context.shared.definitions, value, type_name, name)
        return any(criterion(found, code, context) for found, code in inner)

    return test, hint


def _member(value_set: str) -> Criterion:
    def test(value: Any, type_name: str, context: Context) -> bool:
        return any(
            context.shared.member_of(value_set, system, code)
            for system, code in codings(value, type_name) or ()
            if code
        )

    return test


def _without(steps: tuple[paths.Step, ...]) -> tuple[Matcher, str]:
    """The test of a slice that has nothing at a path."""
    path = ".".join(step.argument for step in steps)
    return (lambda value, code, context: not paths.select(steps, value, code, context)), f"without {path}"


def _by_existence(node: Node, steps: tuple[paths.Step, ...], compiler: ProfileCompiler) -> tuple[Matcher | None, str]:
    path = ".".join(step.argument for step in steps)
    for each in paths.nodes(steps, node, compiler.registry):
        if each.element.get("max") == "0":
            return _without(steps)
        if each.element.get("min", 0) > 0:
            return (lambda value, code, context: bool(paths.select(steps, value, code, context))), f"with {path}"
    return None, ""


def _by_type(node: Node, steps: tuple[paths.Step, ...], compiler: ProfileCompiler) -> tuple[Matcher | None, str]:
    resolved = bool(steps) and steps[-1].kind == "resolve"
    speaking = paths.nodes(steps[:-1] if resolved else steps, node, compiler.registry)
    if resolved:
        profiles = [profile for each in speaking for profile in paths.target_profiles(each)]
        codes = {compiler.registry.type_of(profile) or "" for profile in profiles}
    else:
        codes = {entry.get("code", "") for each in speaking for entry in each.types()}
    if not codes:
        return None, ""
    hint = " or ".join(sorted(codes))

    def match(value: Any, type_name: str, context: Context) -> bool:
        for found, code in paths.select(steps[:-1] if resolved else steps, value, type_name, context):
            if resolved:
                if isinstance(found, dict) and context.target(found)[1] in codes:
                    return True
            elif code in codes or (isinstance(found, dict) and found.get("resourceType") in codes):
                return True
        return False

    return match, hint


def every(matchers: list[Matcher]) -> Matcher:
    """One test of several that must all hold."""
    return matchers[0] if len(matchers) == 1 else lambda *given: all(matcher(*given) for matcher in matchers)


def _profiles_at(
    node: Node, steps: tuple[paths.Step, ...], compiler: ProfileCompiler
) -> tuple[tuple[paths.Step, ...], bool, list[str]]:
    """The steps of a path without a resolve() at its end, whether it has one, and the profiles stated there."""
    resolved = bool(steps) and steps[-1].kind == "resolve"
    inner = steps[:-1] if resolved else steps
    profiles = [
        profile
        for each in paths.nodes(inner, node, compiler.registry)
        for profile in (paths.target_profiles(each) if resolved else paths.type_profiles(each))
    ]
    return inner, resolved, profiles


def by_profiles_type(node: Node, path: str, compiler: ProfileCompiler) -> Matcher:
    """The test whether an item is of the type that the profiles of a slice are for."""
    inner, resolved, profiles = _profiles_at(node, paths.parse(path), compiler)
    types = {compiler.registry.type_of(profile) for profile in profiles}

    def match(value: Any, type_name: str, context: Context) -> bool:
        for found, code in paths.select(inner, value, type_name, context):
            named = context.target(found)[1] if resolved and isinstance(found, dict) else code
            if named in types or (isinstance(found, dict) and found.get("resourceType") in types):
                return True
        return False

    return match


def _by_profile(node: Node, steps: tuple[paths.Step, ...], compiler: ProfileCompiler) -> tuple[Matcher | None, str]:
    inner, resolved, profiles = _profiles_at(node, steps, compiler)
    if not profiles:
        return None, ""
    types = {compiler.registry.type_of(profile) for profile in profiles}

    def match(value: Any, type_name: str, context: Context) -> bool:
        for found, code in paths.select(inner, value, type_name, context):
            if resolved:
                target, named = context.target(found) if isinstance(found, dict) else (None, "")
                if target is None:
                    if named in types:  # what can't be looked at is taken at its type
                        return True
                    continue
                found, code = target, "Resource"
            if any(compiler.conforms(profile, found, code, context) for profile in profiles):
                return True
        return False

    return match, " or ".join(profile.rpartition("/")[2] for profile in profiles)
