"""Compiles the tree of a profile to checks of what it says beyond its base, lazily, once a profile."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Any

from fhir_server.definitions import Definitions, Element, TypeReference
from fhir_server.fhirpath import FhirPathError
from profiles.conformance import paths
from profiles.conformance.base_bindings import covered
from profiles.conformance.bindings import CODED, BindingCheck, binding_check, bindings_of
from profiles.conformance.checks import (
    ItemCheck,
    ObjectCheck,
    all_of,
    as_a_whole,
    nothing,
    of_object,
    of_value,
    without_context,
)
from profiles.conformance.constraints import constraint_check
from profiles.conformance.context import Context
from profiles.conformance.elements import element_check
from profiles.conformance.references import aggregation_check, target_check
from profiles.conformance.slicing import slicing_check
from profiles.conformance.values import (
    bounds_check,
    extended_checks,
    fixed_check,
    max_length_check,
    pattern_check,
    stated,
)
from profiles.snapshot import Node, Registry, profile_error
from profiles.structure.problems import Problems, listed, problem

Json = dict[str, Any]


class Profile:
    """A compiled profile: check(value, twin, FHIR type, context) -> problems, whose paths begin at the value."""

    __slots__ = ("_check", "_compile", "title", "type", "url")

    def __init__(self, url: str, type_name: str, title: str, compile: Callable[[], ItemCheck]) -> None:
        self.url = url
        self.type = type_name
        self.title = title
        self._compile = compile
        self._check: ItemCheck | None = None

    def check(self, value: Any, twin: Any, type_name: str, context: Context) -> Problems | None:
        """What is wrong with a value, None where nothing is."""
        check = self._check
        if check is None:
            check = self._check = self._compile()
        return check(value, twin, type_name, context)


class ProfileCompiler:
    """Gives compiled profiles by URL; best_practice: whether constraints that are only recommended count."""

    def __init__(self, registry: Registry, best_practice: bool = False) -> None:
        self.registry = registry
        self.definitions: Definitions = registry.definitions
        self._best_practice = best_practice
        self._profiles: dict[str, Profile | None] = {}
        self._compiling = threading.RLock()
        self._root: Node | None = None  # of the profile that is being compiled
        self._contents: dict[tuple[int, str], list[ItemCheck]] = {}  # what contentReferences lead to

    def profile(self, canonical: str) -> Profile | None:
        """The profile; None where it is not known. FhirError unprocessable, here or at its first check, if broken."""
        if canonical not in self._profiles:
            self._profiles[canonical] = self._open(canonical)
        return self._profiles[canonical]

    def _open(self, canonical: str) -> Profile | None:
        base = self.registry.base_type(canonical)
        if base:
            return Profile(canonical, base, base, lambda: nothing)
        structure = self.registry.structure(canonical)
        if structure is None:
            return None
        return Profile(
            canonical, structure.get("type", ""), structure.get("title", ""), lambda: self._compile(canonical)
        )

    def conforms(self, canonical: str, value: Any, type_name: str, context: Context) -> bool | None:
        """Whether a value conforms to a profile; None where it is not known, True while it is being looked at.

        Whether what it refers to conforms is not asked: that is said where those resources stand.
        """
        profile = self.profile(canonical)
        if profile is None:
            return None
        found = self.run(profile, value, None, type_name, context)
        return not any(each.severity == "error" and each.rule != "reference-profile" for each in found or ())

    def run(self, profile: Profile, value: Any, twin: Any, type_name: str, context: Context) -> Problems | None:
        """The problems of a value by a profile; None too where this very check is going on.

        What was found is kept for the validation, unless it rests on a check that was going on.
        """
        key = (id(value), profile.url)
        shared = context.shared
        place = (*key, context.base)
        if place in shared.found:
            kept = shared.found[place]
            return kept and [each.copy() for each in kept]
        in_progress = shared.in_progress
        if key in in_progress:
            shared.cut_short += 1
            return None
        cut_short = shared.cut_short
        in_progress.add(key)
        try:
            if type_name == "Resource":
                type_name = str(value.get("resourceType", "")) if isinstance(value, dict) else ""
                context = context if value is context.resource else context.inside(value, context.base)
            if profile.type != type_name and profile.type not in self.definitions.ancestors(type_name):
                return problem("profile-type", "structure", f"{profile.url} is for {profile.type}, this is {type_name}")
            found = profile.check(value, twin, type_name, context)
            if shared.cut_short == cut_short:
                shared.found[place] = found and [each.copy() for each in found]
            return found
        finally:
            in_progress.discard(key)

    def _compile(self, canonical: str) -> ItemCheck:
        tree = self.registry.tree(canonical)
        assert tree is not None
        type_name = self.registry.type_of(canonical) or ""
        with self._compiling:
            return self._of_tree(canonical, tree, type_name)

    def _of_tree(self, canonical: str, tree: Node, type_name: str) -> ItemCheck:
        self._root = tree
        try:
            base = self.definitions.types[type_name].invariants
            own = self._constraints(tree.element, {i.key for i in base}, type_name)
            inside = of_object(self.object_checks(tree, type_name))
        except (KeyError, TypeError, AttributeError, ValueError, FhirPathError) as broken:
            raise profile_error(canonical, f"{broken}.") from None
        return as_a_whole(inside, own) or nothing

    def object_checks(self, node: Node, type_name: str) -> list[ObjectCheck]:
        """The checks of the children that a profile speaks of, for objects of a type."""
        checks = []
        for child in (node.children or {}).values():
            name = child.name.removesuffix("[x]")
            element = paths.element_of(self.definitions, type_name, name)
            if element is None:
                if type_name in ("Resource", "DomainResource") or self.definitions.is_primitive(type_name):
                    continue
                raise ValueError(f"{type_name} has no element {child.name}")
            check = element_check(child, element, self)
            if check is not None:
                checks.append(check)
        return checks

    def item_check(self, node: Node, element: Element, reference: TypeReference) -> ItemCheck | None:
        """The check of an element's values of one of its types; None where the profile adds nothing."""
        code = reference.code
        checks: list[ItemCheck] = []
        checks.extend(self._values(node.element))
        if code in CODED or self.definitions.is_primitive(code):
            checks.extend(self._bindings(node.element, element, code))
        checks.extend(self._targets(node, reference))
        checks.extend(self._type_profiles(node, reference))
        inner = self._children(node, code)
        if inner is not None:
            checks.append(inner)
        definition = self.definitions.types[code]
        known = {i.key for i in (*element.invariants, *definition.invariants)}
        own = self._constraints(node.element, known, code) if code != "Resource" else None
        return as_a_whole(all_of(checks), own)

    def _children(self, node: Node, code: str) -> ItemCheck | None:
        if node.children is None and "contentReference" in node.element and not node.slices:
            return self._referenced(node.element["contentReference"].partition("#")[2], code)
        if not node.children or code == "Resource":
            return None
        return of_object(self.object_checks(node, code))

    def _referenced(self, path: str, code: str) -> ItemCheck | None:
        """The check of an element that is as another one of the profile, compiled when it is needed."""
        root = self._root
        target: Node | None = root
        for name in path.split(".")[1:]:
            target = (target.children or {}).get(name) if target else None
        if root is None or target is None:
            return None
        kept = self._contents.setdefault((id(root), path), [])

        def check(value: Any, twin: Any, type_name: str, context: Context) -> Problems | None:
            if not kept:
                with self._compiling:
                    self._root = root
                    kept.append(of_object(self.object_checks(target, code)) or nothing)
            return kept[0](value, twin, type_name, context)

        return check

    def _values(self, element: Json) -> Iterable[ItemCheck]:
        found = []
        fixed, pattern = stated(element, "fixed"), stated(element, "pattern")
        if fixed is not None:
            found.append(fixed_check(fixed[1]))
        if pattern is not None:
            found.append(pattern_check(pattern[1]))
        if isinstance(element.get("maxLength"), int):
            found.append(max_length_check(element["maxLength"]))
        found.extend(extended_checks(element))
        low, high = stated(element, "minValue"), stated(element, "maxValue")
        if low is not None or high is not None:
            found.append(bounds_check(low[1] if low else None, high[1] if high else None))
        return [without_context(check) for check in found]

    def _bindings(self, element: Json, base: Element, code: str) -> Iterable[ItemCheck]:
        for binding in bindings_of(element):
            same = (
                base.binding is not None
                and base.binding.value_set.partition("|")[0] == binding.value_set.partition("|")[0]
            )
            asked = same and binding.rule == "required" and base.binding and base.binding.strength == "required"
            if asked and covered(self.definitions, binding.value_set):
                continue  # the structural check has asked that
            yield of_value(_in_place_of_base(binding_check(binding, code, self.registry.contained(binding.value_set))))

    def _targets(self, node: Node, reference: TypeReference) -> Iterable[ItemCheck]:
        if reference.code != "Reference":
            return
        stated = [entry.get("aggregation", ()) for entry in node.types() if entry.get("code") == "Reference"]
        if stated and all(stated):
            yield of_value(aggregation_check(frozenset(mode for modes in stated for mode in modes)))
        profiles = paths.target_profiles(node)
        bases = [self.registry.base_type(profile) for profile in profiles]
        if not profiles or "Resource" in bases or (all(bases) and sorted(bases) == sorted(reference.targets)):
            return
        yield of_value(target_check(profiles, self))

    def _type_profiles(self, node: Node, reference: TypeReference) -> Iterable[ItemCheck]:
        entries = [e for e in node.types() if e.get("code") == reference.code or reference.code == "Resource"]
        profiles = [profile for entry in entries for profile in entry.get("profile", ())]
        if not profiles or list(reference.profiles) == profiles:
            return
        yield self._any_profile(profiles)

    def _any_profile(self, profiles: list[str]) -> ItemCheck:
        def check(value: Any, twin: Any, code: str, context: Context) -> Problems | None:
            best: Problems | None = None
            for canonical in profiles:
                profile = self.profile(canonical)
                if profile is None:
                    text = f"the profile {canonical} is not known here, so it was not checked: install its package"
                    warning = context.unknown(canonical, "profile-unknown", text)
                    return [warning] if warning else None
                named = str(value.get("resourceType", "")) if code == "Resource" and isinstance(value, dict) else ""
                if named and len(profiles) > 1 and profile.type not in self.definitions.ancestors(named):
                    continue
                found = self.run(profile, value, twin, code, context)
                if not any(each.severity == "error" for each in found or ()):
                    return found
                if best is None or len(found or ()) < len(best):
                    best = found
            if best is not None:
                return best
            return problem("profile-none", "structure", f"conforms to none of {listed(profiles)}")

        return check

    def _constraints(self, element: Json, known: set[str], code: str) -> ItemCheck | None:
        return constraint_check(element, known, code, self.definitions, self._best_practice)

    def slicing(self, node: Node, check: Callable[[Node], ItemCheck | None]):
        """The check of an element's items against its slices; None where it has none."""
        return slicing_check(node, self, check)


def _in_place_of_base(check: BindingCheck) -> BindingCheck:
    """The check of a profile's binding, after which R4's extensible one for the element is not asked any more."""

    def bound(value: Any, context: Context) -> Problems | None:
        if isinstance(value, dict):
            context.shared.bound.add(id(value))
            context.shared.bound.update(map(id, value.get("coding", ())))
        return check(value, context)

    return bound
