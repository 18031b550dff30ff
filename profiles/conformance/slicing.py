"""Slicing: which slice an item belongs to, how many there may be, and what is said of those of a slice.

https://hl7.org/fhir/R4/profiling.html#slicing
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from profiles.conformance import paths
from profiles.conformance.checks import ItemCheck
from profiles.conformance.context import Context
from profiles.conformance.discriminators import Matcher, by_profiles_type, every, matcher_of
from profiles.snapshot import Node
from profiles.structure.problems import Problems, problem, under

if TYPE_CHECKING:
    from profiles.conformance.compiler import ProfileCompiler

Json = dict[str, Any]
Item = tuple[int, Any, Any, str]  # position (-1 where the element does not repeat), value, twin, FHIR type

UNBOUNDED = float("inf")
DEFAULT = "@default"  # the slice of what belongs to no other


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

    default = next((each for each in slices if each.name == DEFAULT), None)

    def find(value: Any, type_name: str, context: Context) -> Slice | None:
        if by_url and isinstance(value, dict):
            return urls.get(value.get("url", ""), default)
        for each in slices:
            if each is not default and each.matches(value, type_name, context):
                return each
        return default

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
            if each.minimum <= len(mine) <= each.maximum and (each.inner is None or not mine):
                continue
            problems = _as_a_whole(each, mine, items, context)
            if problems is not None:
                found = under(found, "", problems)
        return found

    return check


def _as_a_whole(slice: Slice, members: Sequence[Item], items: list[Item], context: Context) -> Problems | None:
    """What is wrong with how many of the items are in a slice, or else with the slices within it."""
    if len(members) < slice.minimum:
        why = _what_keeps_out(slice, items, context)
        if why is not None:
            return why
        text = f"{_count(slice.minimum)} {slice.what} is needed, {len(members) or 'none'} is there"
        return problem("slice-min", "required", text)
    if len(members) > slice.maximum:
        text = f"at most {int(slice.maximum)} {slice.what} is allowed, {len(members)} are there"
        return problem("slice-max", "structure", text, segment(members[int(slice.maximum)][0]))
    return slice.inner(list(members), context) if slice.inner is not None and members else None


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


def _any(_value: Any, _type_name: str, _context: Context) -> bool:
    return True


def _count(number: int) -> str:
    return "a" if number == 1 else f"at least {number}"


def _slice(
    node: Node, discriminators: list[Json], compiler: ProfileCompiler, item_check: Callable[[Node], ItemCheck | None]
) -> Slice:
    name = node.element.get("sliceName", "")
    matchers, hints, loose = [], [], []
    for discriminator in discriminators:
        matcher, hint = matcher_of(node, discriminator, compiler)
        if matcher is None:  # the slice says nothing of it
            continue
        by_profile = discriminator["type"] == "profile"
        loose.append(by_profiles_type(node, discriminator["path"], compiler) if by_profile else matcher)
        matchers.append(matcher)
        hints.append(hint)
    if name == DEFAULT:
        matchers, hints, loose = [_any], ["what belongs to no other"], []
    if not matchers:
        by = " or ".join(f"{each['type']} of {each['path']}" for each in discriminators)
        raise ValueError(f"the slice {name} of {node.name} can't be told apart by {by}")
    hint = ", ".join(dict.fromkeys(hint for hint in hints if hint))
    maximum = node.element.get("max", "*")
    return Slice(
        name=name,
        what=f"'{name}' ({hint})" if hint else f"'{name}'",
        matches=every(matchers),
        resembles=every(loose) if loose and any(d["type"] == "profile" for d in discriminators) else None,
        check=item_check(node),
        minimum=node.element.get("min", 0),
        maximum=UNBOUNDED if maximum == "*" else int(maximum),
        inner=slicing_check(node, compiler, item_check),
    )
