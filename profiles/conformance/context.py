"""What a check may know besides the value: its resource, what is around it, and the terminology."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fhir_server.core.errors import FhirError
from fhir_server.definitions import Definitions
from fhir_server.fhirpath import Environment, Terminology
from profiles.structure.problems import Problem
from profiles.structure.references import reference_type

Json = dict[str, Any]


NO_SYSTEM = "urn:x-no-system"  # a system that no value set includes


class Answers:
    """What a terminology has answered, as long as it answers the same.

    members: (value set, system, code) -> whether it is in there, None where that is not known; known: (system, code) ->
    whether nothing speaks against that code; displays: (system, code, display) -> the right one, "" for this one;
    systems: URI -> what it is instead of a code system, "" where it may be one.
    """

    __slots__ = ("displays", "known", "members", "systems")

    def __init__(self) -> None:
        self.members: dict[tuple[str, str, str], bool | None] = {}
        self.known: dict[tuple[str, str], bool] = {}
        self.displays: dict[tuple[str, str, str], str] = {}
        self.systems: dict[str, str] = {}

    def __len__(self) -> int:
        return len(self.members) + len(self.known) + len(self.displays) + len(self.systems)


def base_of(entry: Json) -> str:
    """What stands before type and id in the fullUrl of an entry, "" where it does not end with these.

    Relative references in the entry's resource begin there: https://hl7.org/fhir/R4/bundle.html#references
    """
    url, resource = entry.get("fullUrl"), entry.get("resource")
    if not isinstance(url, str) or not isinstance(resource, dict):
        return ""
    own = f"/{resource.get('resourceType')}/{resource.get('id')}"
    return url[: -len(own) + 1] if url.endswith(own) else ""


class Surroundings:
    """What one validation shares: definitions, terminology, the entries of a Bundle, and what turned out unknown.

    conforms(resource, profile URL, context) -> bool or None, for conformsTo(); defined(URL) -> the types of the
    definitions that have it; answers: those of the terminology that are known already, and where new ones are kept;
    stored: resources that references name by these texts.
    """

    __slots__ = (
        "_bases",
        "_defined",
        "_entries",
        "_kinds",
        "answers",
        "bound",
        "bundle",
        "conforms",
        "cut_short",
        "definitions",
        "found",
        "in_progress",
        "stored",
        "terminology",
        "unknown",
    )

    def __init__(
        self,
        definitions: Definitions,
        terminology: Terminology | None,
        conforms: Callable[[Json, str, Context], bool | None],
        defined: Callable[[str], set[str]],
        bundle: Json | None,
        answers: Answers,
        stored: Mapping[str, Json],
    ) -> None:
        self.definitions = definitions
        self.terminology = terminology
        self.conforms = conforms
        self._defined = defined
        self._kinds: dict[str, set[str]] = {}
        self.bundle = bundle
        self.answers = answers
        self.stored = stored
        self.in_progress: set[tuple[int, str]] = set()
        self.found: dict[tuple[int, str, str], list[Problem] | None] = {}  # (id of a value, profile, base) -> problems
        self.cut_short = 0  # how often a check was met that was going on
        self.unknown: set[str] = set()
        self.bound: set[int] = set()  # ids of the values that a profile binds: its binding stands in place of R4's
        self._entries: dict[str, Json] | None = None
        self._bases: dict[int, str] | None = None  # id of an entry's resource -> base of its fullUrl

    def base(self, resource: Json, outer: str) -> str:
        """Where relative references in a resource begin; outer: what holds where it is no entry's of the Bundle."""
        if self.bundle is None:
            return outer
        if self._bases is None:
            entries = self.bundle.get("entry")
            self._bases = {
                id(entry.get("resource")): base_of(entry)
                for entry in (entries if isinstance(entries, list) else ())
                if isinstance(entry, dict)
            }
        return self._bases.get(id(resource), outer)

    def entry(self, reference: str, base: str) -> Json | None:
        """The resource of the Bundle that a reference names; base: of the fullUrl of the entry it stands in."""
        if self.bundle is None:
            return None
        if self._entries is None:
            self._entries = {}
            for entry in self.bundle.get("entry", ()):
                if isinstance(entry.get("fullUrl"), str) and isinstance(entry.get("resource"), dict):
                    resource = entry["resource"]
                    self._entries.setdefault(entry["fullUrl"], resource)
                    if entry["fullUrl"].startswith("urn:"):  # then a relative reference can only mean type and id
                        self._entries.setdefault(f"{resource.get('resourceType')}/{resource.get('id')}", resource)
        target = reference.partition("/_history/")[0]
        return self._entries.get(base + target) or self._entries.get(target)

    def member_of(self, value_set: str, system: str, code: str) -> bool | None:
        """Whether a value set has a code; None where it is not known. system "" where only the code is known."""
        if not (isinstance(system, str) and isinstance(code, str)):
            return None  # the structure is wrong, which is said elsewhere
        key = (value_set, system, code)
        members = self.answers.members
        if key not in members:
            members[key] = self._ask(value_set, system, code)
        return members[key]

    def member_of_resource(self, value_set: Json, system: str, code: str) -> bool | None:
        """Whether a ValueSet that is at hand, such as a contained one, has a code; None where it is not known."""
        ask = getattr(self.terminology, "member_of_resource", None)
        try:
            return None if ask is None else ask(value_set, system, code)
        except FhirError:
            return None

    def unknown_code(self, system: str, code: str) -> str:
        """Why a code is none of its code system, "" where nothing speaks against it."""
        key = (system, code)
        known = self.answers.known
        if key not in known:
            ask = getattr(self.terminology, "unknown_code", None)
            known[key] = ask is None or not ask(system, code)
        return "" if known[key] else self.terminology.unknown_code(system, code)  # type: ignore[union-attr]

    def no_code_system(self, system: str) -> str:
        """What a URI names instead of a code system, "" where it may be one."""
        systems = self.answers.systems
        if system not in systems:
            ask = getattr(self.terminology, "no_code_system", None)
            systems[system] = "" if ask is None else ask(system)
        return systems[system]

    def kinds(self, url: str) -> set[str]:
        """The types of the resources that have a canonical URL, in any version; set() where none is known."""
        if url not in self._kinds:
            ask = getattr(self.terminology, "kinds", None)
            self._kinds[url] = {*self._defined(url), *(() if ask is None else ask(url))}
        return self._kinds[url]

    def wrong_display(self, system: str, code: str, given: str) -> str:
        """The display of a code where the one that is given is none of its texts, "" where nothing speaks against."""
        key = (system, code, given)
        displays = self.answers.displays
        if key not in displays:
            ask = getattr(self.terminology, "wrong_display", None)
            displays[key] = "" if ask is None else ask(system, code, given)
        return displays[key]

    def wrong_filter(self, system: str, property: str, operator: str, value: str) -> str:
        """Why a filter of a value set does not fit its code system, "" where nothing speaks against."""
        ask = getattr(self.terminology, "wrong_filter", None)
        return "" if ask is None else ask(system, property, operator, value)

    def _ask(self, value_set: str, system: str, code: str) -> bool | None:
        codes = self.definitions.required_codes(value_set)
        if codes is not None:
            if system:
                return code in codes.get(system, ())
            return any(code in found for found in codes.values())
        if self.terminology is None:
            return None
        try:
            found = self.terminology.member_of(value_set, system, code)
            if found is False and not system:  # of no system that is here; is any of the set's parts not here?
                return self.terminology.member_of(value_set, NO_SYSTEM, code)
            return found
        except FhirError:
            return None


class Context:
    """Where a value stands: resource (%resource), container (of a contained one), and the fullUrl base of its entry."""

    __slots__ = ("_environment", "base", "container", "resource", "shared")

    def __init__(self, shared: Surroundings, resource: Json, container: Json | None = None, base: str = "") -> None:
        self.shared = shared
        self.resource = resource
        self.container = container
        self.base = base
        self._environment: Environment | None = None

    def inside(self, resource: Json, base: str = "") -> Context:
        """The context of a resource that an entry or parameter of this one holds, or that it refers to."""
        return Context(self.shared, resource, None, self.shared.base(resource, base))

    def contained(self, resource: Json) -> Context:
        """The context of a resource that this one contains."""
        return Context(self.shared, resource, self.container or self.resource, self.base)

    def resolve(self, reference: str) -> Json | None:
        """The resource that a reference's text names, where it is contained, in the same Bundle or known as stored."""
        if reference.startswith("#"):
            outer = self.container or self.resource
            if reference == "#":
                return outer
            for each in outer.get("contained", ()):
                if isinstance(each, dict) and each.get("id") == reference[1:]:
                    return each
            return None
        found = self.shared.entry(reference, self.base)
        return self.shared.stored.get(reference) if found is None and not self.base else found

    def target(self, reference: Json) -> tuple[Json | None, str]:
        """(the resource that a Reference names or None, its type or "")."""
        text = reference.get("reference")
        if isinstance(text, str) and text:
            found = self.resolve(text)
            if found is not None:
                return found, str(found.get("resourceType", ""))
            named, _ = reference_type(text)
            if self.shared.definitions.is_resource(named):
                return None, named
        stated = reference.get("type")
        return None, stated if isinstance(stated, str) and self.shared.definitions.is_resource(stated) else ""

    @property
    def environment(self) -> Environment:
        """What FHIRPath may ask."""
        if self._environment is None:
            self._environment = Environment(
                resolve=self.resolve,
                container=self.container,
                terminology=self.shared.terminology,
                conforms_to=lambda resource, url: self.shared.conforms(resource, url, self),
            )
        return self._environment

    def unknown(self, what: str, key: str, text: str) -> Problem | None:
        """A warning that something is not known here, once for each thing."""
        if what in self.shared.unknown:
            return None
        self.shared.unknown.add(what)
        return Problem(key, "not-found", text, severity="warning")
