"""The targets of references that a profile allows (https://hl7.org/fhir/R4/references.html, targetProfile)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from profiles.conformance.context import Context
from profiles.structure.problems import Problem, Problems, listed, problem

if TYPE_CHECKING:
    from profiles.conformance.compiler import ProfileCompiler

Json = dict[str, Any]


class TargetProblem(Problem):
    """That a reference names a resource, which is at hand, that does not conform to the profiles for it."""

    __slots__ = ("target",)

    def __init__(self, target: Json, text: str) -> None:
        super().__init__("reference-profile", "value", text, ".reference")
        self.target = target

    def copy(self) -> TargetProblem:
        """Another one, whose path grows on its own."""
        made = TargetProblem(self.target, self.text)
        made.path = self.path
        return made


MODES = {  # ElementDefinition.type.aggregation -> what a message calls such a target
    "contained": "a contained resource (#id)",
    "bundled": "a resource of the same Bundle",
    "referenced": "a resource of its own",
}


def aggregation_check(modes: frozenset[str]) -> Callable[[Any, Context], Problems | None]:
    """The check where the resource stands that a Reference names: contained, in the same Bundle, or anywhere else.

    Whether it is in the same Bundle can be told in one only. https://hl7.org/fhir/R4/elementdefinition.html#aggregation
    """
    wanted = " or ".join(text for mode, text in MODES.items() if mode in modes)

    def check(reference: Any, context: Context) -> Problems | None:
        text = reference.get("reference") if isinstance(reference, dict) else None
        if not isinstance(text, str) or not text:
            return None
        if text.startswith("#"):
            fits = "contained" in modes
        elif "referenced" in modes:
            fits = True
        else:
            bundle = context.shared.bundle
            fits = "bundled" in modes and (bundle is None or context.shared.entry(text, context.base) is not None)
        return None if fits else problem("reference-aggregation", "value", f"must refer to {wanted}", ".reference")

    return check


def target_check(profiles: list[str], compiler: ProfileCompiler) -> Callable[[Any, Context], Problems | None]:
    """The check of a Reference: its type is that of one of the profiles, and what can be looked at conforms to one."""
    by_type: dict[str, list[str]] = {}
    unknown = []
    for profile in profiles:
        type_name = compiler.registry.type_of(profile)
        if type_name is None:
            unknown.append(profile)
        else:
            by_type.setdefault(type_name, []).append(profile)
    allowed = frozenset(by_type)

    def check(reference: Any, context: Context) -> Problems | None:
        if not isinstance(reference, dict):
            return None
        target, type_name = context.target(reference)
        if not type_name:
            return None
        if type_name not in allowed:
            if unknown:
                text = f"the profile {unknown[0]} is not known here, so this reference was not checked"
                warning = context.unknown(unknown[0], "profile-unknown", text)
                return [warning] if warning else None
            text = f"a reference to {type_name} is not allowed here: only to {listed(allowed)}"
            path = ".reference" if "reference" in reference else ".type"
            return problem("reference-target", "value", text, path)
        if target is None or any(compiler.registry.base_type(profile) for profile in by_type[type_name]):
            return None
        inner = context.contained(target) if str(reference.get("reference", "")).startswith("#") else context
        if any(compiler.conforms(profile, target, "Resource", inner) for profile in by_type[type_name]):
            return None
        text = f"the {type_name} that this names conforms to none of {listed(by_type[type_name])}"
        return [TargetProblem(target, text)]

    return check
