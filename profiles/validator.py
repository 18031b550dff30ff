"""Whether a resource is right, and what to change where it is not (https://hl7.org/fhir/R4/validation.html)."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fhir_server.core.errors import FhirError, Issue
from fhir_server.definitions import Definitions
from fhir_server.fhirpath import Terminology
from profiles.conformance import Context, ProfileCompiler
from profiles.conformance.base_bindings import base_bindings, without_code
from profiles.conformance.context import Answers, Surroundings
from profiles.conformance.data_types import data_types
from profiles.conformance.extensions import ExtensionChecks
from profiles.conformance.references import TargetProblem
from profiles.conformance.walking import Walk
from profiles.definitional import definition_problems
from profiles.documents import document_problems
from profiles.element_ids import element_id_problems
from profiles.holdings import declared as declared_profiles
from profiles.holdings import resources
from profiles.measures import count_problems, report_problems
from profiles.questionnaires import questionnaire_problems, response_problems
from profiles.searches import search_problems
from profiles.snapshot.registry import Registry, Source
from profiles.structure import StructureCompiler
from profiles.structure.problems import ENOUGH, Problem, Problems, enough
from profiles.supported import profiles_by_type
from profiles.transactions import transaction_problems
from profiles.vital_signs import VITAL_SIGNS, vital_signs

Json = dict[str, Any]
Found = list[tuple[Problem, str]]  # with the URL of the profile that says it

NOTHING_STORED: Mapping[str, Json] = {}
SAID_BY = {  # rule -> the rules that say more of the same place
    "binding-extensible": ("binding-required", "binding-max"),
    "binding-preferred": ("binding-required", "binding-max"),
    "extension-max": ("slice-max",),
}
MAX_ANSWERS = 50_000  # answers of the terminology that are kept
TOO_DEEP = Issue("error", "too-costly", "The resource is nested too deeply to be checked: flatten it.", rule="depth")


class Validator:
    """Checks resources against R4's definitions and against profiles.

    Checks are compiled on first use, so share one Validator in a process; it may be used from several threads.
    sources: where profiles are found besides R4's own (a PackageStore; one with a method generation() is asked anew
    when that changes); terminology: what knows value sets, without which bindings to sets that R4 does not list are
    warnings.
    """

    def __init__(
        self,
        definitions: Definitions,
        best_practice: bool = False,
        *,
        sources: Sequence[Source] = (),
        terminology: Terminology | None = None,
        generation: Callable[[], object] | None = None,
    ) -> None:
        """best_practice: whether invariants that are only recommended (dom-6, con-3) are reported, as warnings.

        generation: gives something else whenever the terminology may answer otherwise; without it, its answers are not
        kept from one validation to the next.
        """
        self.definitions = definitions
        self.terminology = terminology
        self._best_practice = best_practice
        self._sources = tuple(sources)
        self._generation = generation
        self._answers: tuple[object, Answers] = (None, Answers())
        self._supported: tuple[object, dict[str, list[str]]] = (None, {})
        self._structure = StructureCompiler(definitions, best_practice)
        self._check = self._structure.check("Resource")
        bindings = (base_bindings(definitions),) if terminology is not None else ()
        self._values = Walk(definitions, data_types, *bindings, absent=without_code)
        self._extensions = self._compilers()
        self._made_of = self.generation()

    @property
    def profiles(self) -> ProfileCompiler:
        """The compiled profiles, of what the sources have now."""
        generation = self.generation()
        if generation != self._made_of:
            self._extensions, self._made_of = self._compilers(), generation
        return self._extensions.compiler

    @property
    def registry(self) -> Registry:
        """Where profiles are found."""
        return self.profiles.registry

    def _compilers(self) -> ExtensionChecks:
        return ExtensionChecks(ProfileCompiler(Registry(self.definitions, *self._sources), self._best_practice))

    def generation(self) -> tuple[object, ...]:
        """Something else whenever the sources may have other profiles."""
        return tuple([source.generation() for source in self._sources if hasattr(source, "generation")])  # type: ignore

    def supported_profiles(self) -> dict[str, list[str]]:
        """The URLs of the sources' profiles by the resource type that they are for."""
        generation = self.generation()
        if self._supported[0] != generation:
            listed = [source.structures() for source in self._sources if hasattr(source, "structures")]  # type: ignore
            self._supported = generation, profiles_by_type(itertools.chain.from_iterable(listed), self.definitions)
        return self._supported[1]

    def check(self, resource: Json) -> list[Issue]:
        """The issues by R4's definitions alone, structure and invariants; [] when fine. Only errors are a refusal."""
        try:
            found = self._check(resource)
        except RecursionError:
            return [TOO_DEEP]
        return [] if found is None else self._issues(resource, [(each, "") for each in found])

    def validate(
        self,
        resource: Json,
        profiles: Sequence[str] = (),
        *,
        declared: bool = True,
        stored: Mapping[str, Json] = NOTHING_STORED,
    ) -> list[Issue]:
        """All the issues of a resource, those of its extensions by their definitions included; [] when fine.

        profiles: canonical URLs that it is checked against as well; declared: against those of its meta.profile too,
        and every resource in a Bundle, in Parameters or contained against its own, and vital signs against R4's. A
        profile that is not known here is an error where it was asked for, and a warning where it is only declared.
        """
        try:
            base: Found = [(each, "") for each in self._check(resource) or ()]
            more: Found = []
            if isinstance(resource, dict):
                more = self._by_profiles(resource, profiles, declared, base, stored, implied=declared)
        except RecursionError:
            return [TOO_DEEP]
        return self._issues(resource, base + more)

    def conformance(self, resource: Json, profiles: Sequence[str] = (), *, declared: bool = True) -> list[Issue]:
        """What validate() adds, of a resource that check() finds right: by profiles and by extension definitions."""
        try:
            return self._issues(resource, self._by_profiles(resource, profiles, declared, []))
        except RecursionError:
            return [TOO_DEEP]

    def _by_profiles(
        self,
        resource: Json,
        profiles: Sequence[str],
        declared: bool,
        base: Found,
        stored: Mapping[str, Json] = NOTHING_STORED,
        implied: bool = False,
    ) -> Found:
        compiler = self.profiles
        shared = Surroundings(
            self.definitions,
            self.terminology,
            lambda inner, url, context: compiler.conforms(url, inner, "Resource", context),
            compiler.registry.kinds,
            resource if resource.get("resourceType") == "Bundle" else None,
            self._known_answers(),
            stored,
        )
        context = Context(shared, resource)
        runs = [(resource, "", context, url) for url in dict.fromkeys(profiles)]
        for inner, path, where in resources(resource, "", context):
            named = declared_profiles(inner) if declared else []
            if implied and not any(self._judges_vital_signs(url) for url in (*named, *profiles)):
                named += vital_signs(inner)
            runs.extend((inner, path, where, url) for url in dict.fromkeys(named))
            runs.append((inner, path, where, ""))
        wrong = [each.path for each, _ in base if each.severity == "error"]
        found: Found = []
        seen: set[tuple[str, str, str]] = set()
        for inner, path, where, url in runs:
            for each in self._by_profile(inner, where, url, bool(wrong), url in profiles):
                each.path = path + each.path
                key = (each.path, each.rule, each.text)
                if key not in seen and not any(_within(each.path, place) for place in wrong):
                    seen.add(key)
                    found.append((each, url))
            if enough([each for each, _ in found]):
                break
        if not any(each.rule in SAID_BY or isinstance(each, TargetProblem) for each, _ in found):
            return found
        told = {(each.rule, each.path) for each, _ in found}
        return [
            (each, url)
            for each, url in found
            if not any((rule, each.path) in told for rule in SAID_BY.get(each.rule, ()))
            and not _told_at_its_target(each, resource, found)
        ]

    def _judges_vital_signs(self, url: str) -> bool:
        """Whether a profile is one of R4's vital signs, or derived from them, so that a code needs no other."""
        return url != VITAL_SIGNS and self.registry.builds_on(url, VITAL_SIGNS)

    def _known_answers(self) -> Answers:
        """The terminology's answers so far, none where it has changed since."""
        if self._generation is None:
            return Answers()
        generation = self._generation()
        if generation != self._answers[0] or len(self._answers[1]) > MAX_ANSWERS:
            self._answers = (generation, Answers())
        return self._answers[1]

    def _by_profile(self, resource: Json, context: Context, url: str, wrong: bool, asked: bool) -> Problems:
        """The problems by one profile, or by all of R4 but its structure where url is ""."""
        try:
            if not url:
                return [
                    *(self._values.check(resource, context) or ()),
                    *(self._extensions.check(resource, context) or ()),
                    *self._of_questionnaire(resource, context),
                    *(() if wrong else self._of_measure(resource, context)),
                    *(() if wrong else definition_problems(resource, self._extensions.compiler.registry, context)),
                    *(() if wrong else document_problems(resource, context)),
                    *(() if wrong else transaction_problems(resource, context)),
                    *(() if wrong else search_problems(resource, context)),
                    *element_id_problems(resource),
                ]
            compiler = self._extensions.compiler
            profile = compiler.profile(url)
            if profile is None:
                text = f"the profile {url} is not known here, so it was not checked: install its package"
                return [Problem("profile-unknown", "not-found", text, severity="error" if asked else "warning")]
            return compiler.run(profile, resource, None, "Resource", context) or []
        except FhirError as failure:
            return [Problem("profile-unusable", "processing", str(failure))]
        except RecursionError:
            raise
        except Exception:
            if not wrong:
                raise
            return []  # a profile speaks of resources that are right by R4: the base issues say what is not

    def _of_questionnaire(self, resource: Json, context: Context) -> Problems:
        """What is said in words of a Questionnaire, or of a response to one that is contained or in the sources."""
        if resource.get("resourceType") == "Questionnaire":
            return questionnaire_problems(resource)
        canonical = resource.get("questionnaire")
        if resource.get("resourceType") != "QuestionnaireResponse" or not isinstance(canonical, str):
            return []
        contained = canonical.startswith("#")
        found = context.resolve(canonical) if contained else self.registry.find("Questionnaire", canonical)
        if found is None:
            text = f"the questionnaire {canonical} is not known here, so the answers were not checked against it"
            return [Problem("questionnaire-unknown", "not-found", text, ".questionnaire", "warning")]
        return response_problems(resource, found, context.shared)

    def _of_measure(self, resource: Json, context: Context) -> Problems:
        """What a report says that its Measure, where that is known, does not define, and counts that are none."""
        canonical = resource.get("measure")
        if resource.get("resourceType") != "MeasureReport" or not isinstance(canonical, str):
            return []
        found = self.registry.find("Measure", canonical)
        if found is None:
            text = f"the measure {canonical} is not known here, so the report was not checked against it"
            unknown = Problem("measure-unknown", "not-found", text, ".measure", "warning")
            return [unknown, *count_problems(resource, None, context)]
        return report_problems(resource, found) + count_problems(resource, found, context)

    def _issues(self, resource: Any, found: Found) -> list[Issue]:
        root = resource.get("resourceType") if isinstance(resource, dict) else None
        name = root if isinstance(root, str) and self.definitions.is_resource(root) else "Resource"
        if len(found) > ENOUGH:  # an error is never hidden by warnings
            found.sort(key=lambda each: each[0].severity != "error")
        issues = [each.issue(name, url) for each, url in found[:ENOUGH]]
        if len(found) > ENOUGH:
            text = "There are more issues than these: put these right first."
            issues.append(Issue("information", "informational", text, name, rule="more"))
        return issues


def _told_at_its_target(problem: Problem, bundle: Json, found: Found) -> bool:
    """Whether what keeps the target of a reference from its profile is said at the target, in the same Bundle."""
    if not isinstance(problem, TargetProblem):
        return False
    for position, entry in enumerate(bundle.get("entry", ())):
        if entry.get("resource") is problem.target:
            place = f".entry[{position}]"
            others = (each for each, _ in found if each is not problem and each.severity == "error")
            return any(_within(each.path, place) for each in others)
    return False


def _within(path: str, place: str) -> bool:
    """Whether a path is a place or in it."""
    return path == place or path.startswith((place + ".", place + "["))
