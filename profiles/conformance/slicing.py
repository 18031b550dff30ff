"""Slicing: which slice an item belongs to, how many there may be, and what is said of those of a slice.

https://hl7.org/fhir/R4/profiling.html#slicing
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from profiles.conformance import paths
from profiles.conformance.context import Context
from profiles.conformance.values import equal, matches, stated, summary
from profiles.snapshot import Node
from profiles.structure.problems import Problems, problem, under

if TYPE_CHECKING:
    from profiles.conformance.compiler import ProfileCompiler

Json = dict[str, Any]
Item = tuple[int, Any, Any, str]  # position (-1 where the element does not repeat), value, twin, FHIR type
Matcher = Callable[[Any, str, Context], bool]
Criterion = Callable[[Any, str, Context], bool]
ItemCheck = Callable[[Any, Any, str, Context], "Problems | None"]

UNBOUNDED = float("inf")


class Slice(NamedTuple):
    """One slice, compiled. what: how a message names what belongs to it; inner: the slicing of its own items.

    resembles: whether an item would belong to it if it conformed to the profile that tells it apart; None where no
    profile does.
    """

    name: str
    what: str
    matches: Matcher
    resembles: Matcher | None
    check: ItemCheck | None
    minimum: int
    maximum: float
    inner: Callable[[list[Item], Context], Problems | None] | None


def segment(position: int) -> str:
    """The place of an item behind its element's name."""
    return f"[{position}]" if position >= 0 else ""


def slicing_check(
    node: Node, compiler: ProfileCompiler, item_check: Callable[[Node], ItemCheck | None]
) -> Callable[[list[Item], Context], Problems | None] | None:
    """The check of an element's items against its slices; None where it has none."""
    slicing = node.element.get("slicing")
    if slicing is None or not node.slices:
        return None
    discriminators = slicing.get("discriminator", [])
    if not discriminators and node.name in ("extension", "modifierExtension"):
        discriminators = [{"type": "value", "path": "url"}]
    if not discriminators:
        return None  # told apart by a person only
    slices = [_slice(each, discriminators, compiler, item_check) for each in node.slices.values()]
    by_url = discriminators == [{"type": "value", "path": "url"}]
    urls = {paths.extension_url(each): rule for each, rule in zip(node.slices.values(), slices, strict=True)}
    rules = slicing.get("rules", "open")
    ordered = slicing.get("ordered", False)
    choice = node.name.endswith("[x]")
    allowed = {entry.get("code", "") for entry in node.types()}  # of another choice the element's own check speaks
    typed = all(discriminator["type"] == "type" for discriminator in discriminators)
    if typed and len(node.types()) == 1 and node.element.get("min", 0) > 0:
        slices = [each._replace(minimum=0) for each in slices]  # the element itself says that it is needed

    def find(value: Any, type_name: str, context: Context) -> Slice | None:
        if by_url and isinstance(value, dict):
            return urls.get(value.get("url", ""))
        for each in slices:
            if each.matches(value, type_name, context):
                return each
        return None

    def check(items: list[Item], context: Context) -> Problems | None:
        found: Problems | None = None
        members: dict[str, list[Item]] = {}
        last = -1
        outside: Item | None = None
        for item in items:
            position, value, twin, type_name = item
            each = find(value, type_name, context)
            if each is None:
                outside = outside or item
                if rules == "closed" and not (typed and choice and type_name not in allowed):
                    text = f"belongs to none of the slices that are allowed: {', '.join(s.what for s in slices)}"
                    found = under(found, segment(position), problem("slice-closed", "structure", text))
                continue
            if outside is not None and rules == "openAtEnd":
                text = f"'{each.name}' must stand before what belongs to no slice"
                found = under(found, segment(position), problem("slice-order", "structure", text))
            if ordered:
                place = slices.index(each)
                if place < last:
                    text = f"'{each.name}' must stand before '{slices[last].name}'"
                    found = under(found, segment(position), problem("slice-order", "structure", text))
                last = max(last, place)
            members.setdefault(each.name, []).append(item)
            problems = each.check(value, twin, type_name, context) if each.check else None
            if problems is not None:
                found = under(found, segment(position), problems)
        for each in slices:
            mine = members.get(each.name, ())
            if len(mine) < each.minimum:
                why = _what_keeps_out(each, items, context)
                if why is not None:
                    found = under(found, "", why)
                    continue
                text = f"{_count(each.minimum)} {each.what} is needed, {len(mine) or 'none'} is there"
                found = under(found, "", problem("slice-min", "required", text))
            elif len(mine) > each.maximum:
                text = f"at most {int(each.maximum)} {each.what} is allowed, {len(mine)} are there"
                surplus = mine[int(each.maximum)][0]
                found = under(found, segment(surplus), problem("slice-max", "structure", text))
            elif each.inner is not None and mine:
                problems = each.inner(list(mine), context)
                if problems is not None:
                    found = under(found, "", problems)
        return found

    return check


def _what_keeps_out(wanted: Slice, items: list[Item], context: Context) -> Problems | None:
    """Why an item that is meant for a slice is not in it, where only a profile keeps it out."""
    if wanted.resembles is None or wanted.check is None:
        return None
    for position, value, twin, type_name in items:
        if wanted.resembles(value, type_name, context) and not wanted.matches(value, type_name, context):
            problems = wanted.check(value, twin, type_name, context)
            if problems is not None:
                return under(None, segment(position), problems)
    return None


def _count(number: int) -> str:
    return "a" if number == 1 else f"at least {number}"


def _slice(
    node: Node, discriminators: list[Json], compiler: ProfileCompiler, item_check: Callable[[Node], ItemCheck | None]
) -> Slice:
    name = node.element.get("sliceName", "")
    matchers, hints, loose = [], [], []
    for discriminator in discriminators:
        matcher, hint = _matcher(node, discriminator, compiler)
        by_profile = discriminator["type"] == "profile"
        loose.append(_by_profiles_type(node, discriminator["path"], compiler) if by_profile else matcher)
        if matcher is None:
            kind, path = discriminator["type"], discriminator["path"]
            raise ValueError(f"the slice {name} of {node.name} can't be told apart by {kind} of {path}")
        matchers.append(matcher)
        hints.append(hint)
    hint = ", ".join(dict.fromkeys(hint for hint in hints if hint))
    maximum = node.element.get("max", "*")
    return Slice(
        name=name,
        what=f"'{name}' ({hint})" if hint else f"'{name}'",
        matches=_every(matchers),
        resembles=_every(loose) if any(d["type"] == "profile" for d in discriminators) else None,
        check=item_check(node),
        minimum=node.element.get("min", 0),
        maximum=UNBOUNDED if maximum == "*" else int(maximum),
        inner=slicing_check(node, compiler, item_check),
    )


def _matcher(node: Node, discriminator: Json, compiler: ProfileCompiler) -> tuple[Matcher | None, str]:
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
    criteria = [
        (criterion, hint) for each in paths.nodes(steps, node, compiler.registry) for criterion, hint in _criteria(each)
    ]
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
        from profiles.conformance.bindings import codings

        return any(
            context.shared.member_of(value_set, system, code)
            for system, code in codings(value, type_name) or ()
            if code
        )

    return test


def _by_existence(node: Node, steps: tuple[paths.Step, ...], compiler: ProfileCompiler) -> tuple[Matcher | None, str]:
    path = ".".join(step.argument for step in steps)
    for each in paths.nodes(steps, node, compiler.registry):
        if each.element.get("max") == "0":
            return (lambda value, code, context: not paths.select(steps, value, code, context)), f"without {path}"
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


def _every(matchers: list[Matcher]) -> Matcher:
    return matchers[0] if len(matchers) == 1 else lambda *given: all(matcher(*given) for matcher in matchers)


def _by_profiles_type(node: Node, path: str, compiler: ProfileCompiler) -> Matcher:
    """The test whether an item is of the type that the profiles of a slice are for."""
    steps = paths.parse(path)
    resolved = bool(steps) and steps[-1].kind == "resolve"
    inner = steps[:-1] if resolved else steps
    profiles = [
        profile
        for each in paths.nodes(inner, node, compiler.registry)
        for profile in (paths.target_profiles(each) if resolved else paths.type_profiles(each))
    ]
    types = {compiler.registry.type_of(profile) for profile in profiles}

    def match(value: Any, type_name: str, context: Context) -> bool:
        for found, code in paths.select(inner, value, type_name, context):
            named = context.target(found)[1] if resolved and isinstance(found, dict) else code
            if named in types or (isinstance(found, dict) and found.get("resourceType") in types):
                return True
        return False

    return match


def _by_profile(node: Node, steps: tuple[paths.Step, ...], compiler: ProfileCompiler) -> tuple[Matcher | None, str]:
    resolved = bool(steps) and steps[-1].kind == "resolve"
    speaking = paths.nodes(steps[:-1] if resolved else steps, node, compiler.registry)
    profiles = [
        profile
        for each in speaking
        for profile in (paths.target_profiles(each) if resolved else paths.type_profiles(each))
    ]
    if not profiles:
        return None, ""
    types = {compiler.registry.type_of(profile) for profile in profiles}

    def match(value: Any, type_name: str, context: Context) -> bool:
        for found, code in paths.select(steps[:-1] if resolved else steps, value, type_name, context):
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
