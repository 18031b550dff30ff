"""Whether a coding is right: what both $validate-code operations, and batches of them, answer with."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from fhir_server.core.errors import Issue, operation_outcome
from terminology.catalog import Catalog, CodeSystem
from terminology.compose.compiled import CompiledSet, Listed
from terminology.compose.membership import Membership, contains, systems_with
from terminology.language import NAMED_BY_OTHERS, all_designations, display, is_right, wanted
from terminology.model import Concept
from terminology.operations.arguments import entry, parameters
from terminology.operations.view import unknown_system
from terminology.versions import joined

Json = dict[str, Any]


@dataclass
class Rules:
    """How strict to be. abstract: whether abstract codes are fine; lenient: a wrong display is only a warning."""

    abstract: bool = True
    language: str = ""
    lenient: bool = False
    active: bool = False


@dataclass
class Verdict:
    """issues: errors make the result false; unknown: the code system or value set that isn't here."""

    code: str = ""
    system: str = ""
    version: str = ""
    display: str = ""
    inactive: bool = False
    unknown: str = ""
    issues: list[Issue] = field(default_factory=list)

    @property
    def result(self) -> bool:
        """Whether the code is valid; not where that can't be said."""
        return not self.unknown and not any(issue.severity == "error" for issue in self.issues)

    def add(self, severity: str, code: str, text: str, expression: str) -> None:
        """Adds an issue."""
        self.issues.append(Issue(severity, code, text, expression))

    def to_fhir(self, concept: Json | None = None) -> Json:
        """The Parameters resource of the answer; concept: the CodeableConcept that was asked about."""
        severities = ("information", "warning") if self.result else ("error", "warning")
        texts = [issue.diagnostics for severity in severities for issue in self.issues if issue.severity == severity]
        return parameters(
            {"name": "result", "valueBoolean": self.result},
            entry("message", "string", " ".join(dict.fromkeys(texts))),
            entry("display", "string", self.display),
            entry("code", "code", self.code),
            entry("system", "uri", self.system),
            entry("version", "string", self.version),
            {"name": "inactive", "valueBoolean": True} if self.inactive else None,
            entry("x-caused-by-unknown-system", "canonical", self.unknown),
            {"name": "codeableConcept", "valueCodeableConcept": concept} if concept else None,
            {"name": "issues", "resource": operation_outcome(self.issues)} if self.issues else None,
        )


def check(
    catalog: Catalog, value_set: CompiledSet | None, coding: Json, rules: Rules, place: str = "", alone: bool = False
) -> Verdict:
    """The verdict on one Coding, in a value set or, with None, in its code system.

    place: the FHIRPath of the coding, for the issues; alone: the caller gave only a code, so the system is looked for.
    """
    verdict = Verdict(coding.get("code", ""), coding.get("system", ""), coding.get("version", ""))
    if not verdict.code:
        verdict.add("error", "required", "The coding has no code.", _at(place, "code"))
        return verdict
    if not verdict.system and not _infer(catalog, value_set, verdict, place, alone):
        return verdict
    named = verdict.version
    if value_set is None:
        found = catalog.find(verdict.system, named, verdict.code)
        member = Membership(found is not None, *(found or (None, None)))
    else:
        member = contains(catalog, value_set, verdict.system, verdict.code, named)
    system = member.system or catalog.system(verdict.system, named)
    if system is not None:
        verdict.version = system.info.version
    concept = member.concept or (system.find(verdict.code) if system else None)
    if concept is None and not member.found:
        _missing(catalog, system, verdict, named, place)
    if value_set is not None:
        _membership(verdict, member, value_set, system, concept, place)
    if concept is not None and system is not None:
        _concept(catalog, system, concept, member.listed, coding, rules, verdict, place)
    elif member.listed:
        verdict.display = member.listed.display
    return verdict


def _at(place: str, name: str) -> str:
    return f"{place}.{name}" if place else name


def _infer(catalog: Catalog, value_set: CompiledSet | None, verdict: Verdict, place: str, alone: bool) -> bool:
    systems, unknown = systems_with(catalog, value_set, verdict.code) if value_set and alone else ([], "")
    if len(systems) == 1:
        verdict.system = systems[0]
        return True
    if len(systems) > 1:
        text = f"The code '{verdict.code}' is in the value set for {len(systems)} code systems: {', '.join(systems)}."
        verdict.add("error", "not-found", f"{text} Say which is meant.", _at(place, "system"))
    elif unknown:
        verdict.unknown = unknown
        text = f"{unknown} is not known here, so the code '{verdict.code}' can't be checked."
        verdict.add("warning", "not-found", text, _at(place, "code"))
    elif value_set is not None and alone:
        verdict.add("error", "code-invalid", _not_in(verdict, value_set), _at(place, "code"))
    else:
        verdict.add("error", "invalid", "The coding has no system, so its code has no meaning.", _at(place, "system"))
    return False


def _not_in(verdict: Verdict, value_set: CompiledSet) -> str:
    code = f"{verdict.system}#{verdict.code}" if verdict.system else f"'{verdict.code}'"
    return f"The code {code} is not in the value set {value_set.canonical or 'that was given'}."


def _missing(catalog: Catalog, system: CodeSystem | None, verdict: Verdict, named: str, place: str) -> None:
    """The code isn't known, or its system isn't."""
    if system is None:
        verdict.unknown = joined(verdict.system, named)
        text = unknown_system(catalog, verdict.system, named)
        verdict.add("warning", "not-found", f"{text} The code can't be checked.", _at(place, "system"))
        return
    name = joined(verdict.system, system.info.version)
    if system.info.content != "complete":
        text = f"The code '{verdict.code}' is not in {name}, of which only a part is known here; it may be valid."
        verdict.add("warning", "code-invalid", text, _at(place, "code"))
        return
    reason = getattr(system, "why_not", lambda _: "")(verdict.code)
    text = f"The code '{verdict.code}' is not in the code system {name}. {reason}".strip()
    verdict.add("error", "code-invalid", text, _at(place, "code"))


def _membership(
    verdict: Verdict,
    member: Membership,
    value_set: CompiledSet,
    system: CodeSystem | None,
    concept: Concept | None,
    place: str,
) -> None:
    if member.found:
        return
    fragment = system is not None and system.info.content != "complete" and concept is None
    if member.found is None and not fragment:
        verdict.unknown = verdict.unknown or member.unknown
        text = f"{member.unknown} is not known here, so it can't be said whether {verdict.system}#{verdict.code} is in "
        if not verdict.issues:
            verdict.add("warning", "not-found", f"{text}{value_set.canonical or 'the value set'}.", _at(place, "code"))
    elif member.found is False and (concept is not None or verdict.result or verdict.unknown):
        verdict.unknown = ""  # whatever the code is, it is not in the value set
        verdict.issues = [issue for issue in verdict.issues if issue.code != "not-found"]
        verdict.add("error", "code-invalid", _not_in(verdict, value_set), _at(place, "code"))


def _concept(
    catalog: Catalog,
    system: CodeSystem,
    concept: Concept,
    listed: Listed | None,
    coding: Json,
    rules: Rules,
    verdict: Verdict,
    place: str,
) -> None:
    """What there is to say of a concept that is known."""
    verdict.code = concept.code if not system.info.case_sensitive else verdict.code
    default = (listed.display if listed else "") or concept.display
    given = coding.get("display", "")
    if rules.language or given:
        designations = [*(listed.designations if listed else ()), *all_designations(catalog, system, concept)]
        own = system.info.resource.get("language", "")
        verdict.display = display(rules.language, default, own, designations)
        if given and not is_right(given, (default, concept.display, *(d.value for d in designations))):
            best = verdict.display or default
            language = f" (in {', '.join(wanted(rules.language))})" if rules.language else ""
            text = f"The display '{given}' is wrong for {verdict.system}#{concept.code}; it is '{best}'{language}."
            lenient = rules.lenient or system.info.url in NAMED_BY_OTHERS
            verdict.add("warning" if lenient else "error", "invalid", text, _at(place, "display"))
    else:
        verdict.display = default
    if concept.abstract and not rules.abstract:
        text = f"The code '{concept.code}' is abstract: it groups others and can't be used itself."
        verdict.add("error", "business-rule", text, _at(place, "code"))
    if concept.inactive:
        verdict.inactive = True
        text = f"The code '{concept.code}' is no longer active in {verdict.system}."
        verdict.add("error" if rules.active else "warning", "business-rule", text, _at(place, "code"))
