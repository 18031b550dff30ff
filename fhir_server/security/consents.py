"""What a Consent denies (https://hl7.org/fhir/R4/consent.html): its provisions, for one caller at one moment.

Understood are the scope, patient, policyRule, and of the provision and of those in it the type, period,
actor.reference, purpose, class (a resource type), securityLabel, dataPeriod and data. What narrows a denial in another
way (code, action, a class that is no resource type, the actor or purpose of a permit that it is an exception from) is
not applied: then more is denied. An exception that is narrower than its types, by an exception of its own too, spares
nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

import msgspec

from fhir_server.codec.references import parse_reference
from fhir_server.core.values import MAX_DATE, MIN_DATE
from fhir_server.definitions import load

Resource = dict[str, Any]
Label = tuple[str | None, str]  # (system, code); a system of None is any

NOBODY = "?"  # whom an actor is without a reference
UNNAMED = "?"  # a purpose without a code
OPT_OUT = frozenset({"OPTOUT", "OPTOUTE", "EMRGONLY"})  # policies of v3-ActCode that deny what no provision permits
# What is consented to is no access to the record (https://hl7.org/fhir/R4/valueset-consent-scope.html).
OF_ANOTHER_MATTER = frozenset({"adr", "research", "treatment"})
CONFIDENTIALITY = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
LEVELS = ("U", "L", "M", "N", "R", "V")  # of it, each below the next


class Provision(msgspec.Struct, frozen=True, kw_only=True):
    """A provision; (start, end) in microseconds since 1970 UTC; empty tuples stand for any.

    covered: dataPeriod, the span of what it is about; data: (meaning, Type/id), "?" for what can't be understood;
    narrowed: by what is not applied (code, action).
    """

    deny: bool
    start: int = MIN_DATE
    end: int = MAX_DATE
    actors: tuple[str, ...] = ()
    purposes: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    labels: tuple[Label, ...] = ()
    covered: tuple[int, int] | None = None
    data: tuple[tuple[str, str], ...] = ()
    narrowed: bool = False
    inside: tuple[Provision, ...] = ()

    def applies(self, actors: Collection[str], purpose: str, now: int) -> bool:
        """Whether it is about this caller at this moment. A stated purpose overrides what does not name it."""
        return (
            self.start <= now <= self.end
            and (not self.actors or not set(self.actors).isdisjoint(actors))
            and (purpose in self.purposes if self.purposes or (purpose and self.deny) else True)
        )

    @property
    def all_actors(self) -> Iterator[str]:
        """Whom it names, at any depth."""
        yield from self.actors
        for each in self.inside:
            yield from each.all_actors

    @property
    def whole(self) -> bool:
        """Whether it is about all of its types, but for exceptions of its own."""
        return not (self.labels or self.data or self.narrowed) and self.covered is None


class Denied(msgspec.Struct, frozen=True):
    """What of a patient's record is denied: some types (() for all), with some labels (() for any), but not spared.

    covered, data: see Provision.
    """

    patient: str
    types: tuple[str, ...]
    labels: tuple[Label, ...]
    spared: tuple[str, ...] = ()
    covered: tuple[int, int] | None = None
    data: tuple[tuple[str, str], ...] = ()


def denied(patient: str, root: Provision, actors: Collection[str], purpose: str, now: int) -> list[Denied]:
    """What a Consent with this provision denies a caller, who is one of the actors or belongs to them."""
    if not root.deny:
        if not root.start <= now <= root.end:
            return []
        return [found for each in root.inside for found in denied(patient, each, actors, purpose, now)]
    if not root.applies(actors, purpose, now):
        return []
    permitted = [e for e in root.inside if not e.deny and e.whole and e.applies(actors, purpose, now)]
    of_everything = [each for each in permitted if not each.classes]
    if of_everything:
        least = min(of_everything, key=lambda each: len(each.inside))
        return [found for each in least.inside for found in denied(patient, each, actors, purpose, now)]
    spared = tuple(name for each in permitted if not each.inside for name in each.classes)
    return [_denied(patient, root, spared)]


def _denied(patient: str, provision: Provision, spared: tuple[str, ...] = ()) -> Denied:
    known = all(load().is_resource(name) for name in provision.classes)
    types = provision.classes if known else ()  # of a profile or another content: all, as the denial is of a part of it
    labels = tuple(label for each in provision.labels for label in _and_above(each))
    return Denied(patient, types, labels, spared, provision.covered, provision.data)


def _and_above(label: Label) -> Iterator[Label]:
    """The label, and those of more confidentiality, which is a high water mark: what R is denied of, V is too."""
    system, code = label
    if system in (CONFIDENTIALITY, None) and code in LEVELS:
        yield from ((system, each) for each in LEVELS[LEVELS.index(code) :])
    else:
        yield label


def provision_of(consent: Resource, moments: Any) -> tuple[str, Provision] | None:
    """(patient id, provision) of an active Consent; None where it denies nothing. moments: a date's (low, high)."""
    if consent.get("status") != "active" or _codes(consent.get("scope")) & OF_ANOTHER_MATTER:
        return None
    patient = str(consent.get("patient", {}).get("reference", "")).rpartition("Patient/")[2].partition("/")[0]
    opted_out = bool(_codes(consent.get("policyRule")) & OPT_OUT)
    root = consent.get("provision", {})
    if not patient:
        return None
    # R4: no type in the root rule, whose direction is the policy's; with one it is an exception to the policy
    found = _provision(root, root.get("type", "deny" if opted_out else "permit"), moments)
    if opted_out and not found.deny:
        found = Provision(deny=True, inside=(found,))
    return (patient, found) if found.deny or _denies(found) else None


def _denies(provision: Provision) -> bool:
    return any(each.deny or _denies(each) for each in provision.inside)


def _codes(concept: Any) -> set[str]:
    return {each.get("code", "") for each in (concept or {}).get("coding", ())}


def _provision(node: Resource, kind: str, moments: Any) -> Provision:
    start, end = _span(node.get("period", {}), moments)
    opposite = "permit" if kind == "deny" else "deny"
    return Provision(
        deny=kind == "deny",
        start=start,
        end=end,
        actors=tuple(_actor(each.get("reference", {}).get("reference", "")) for each in node.get("actor", ())),
        purposes=tuple(each.get("code", UNNAMED) for each in node.get("purpose", ())),
        classes=tuple(each.get("code", "") for each in node.get("class", ())),
        labels=tuple((each.get("system") or None, each.get("code", "")) for each in node.get("securityLabel", ())),
        covered=_span(node["dataPeriod"], moments) if isinstance(node.get("dataPeriod"), dict) else None,
        data=tuple(
            (each.get("meaning", "?"), each.get("reference", {}).get("reference", "?")) for each in node.get("data", ())
        ),
        narrowed=bool(node.get("code") or node.get("action")),
        inside=tuple(_provision(each, each.get("type", opposite), moments) for each in node.get("provision", ())),
    )


def _actor(text: str) -> str:
    """Type/id of somebody here, whatever version is named."""
    local = parse_reference(text)
    return f"{local.type}/{local.id}" if local is not None else text or NOBODY


def _span(period: Resource, moments: Any) -> tuple[int, int]:
    start, end = (moments(period.get(name, "")) for name in ("start", "end"))
    return start[0] if start else MIN_DATE, end[1] if end else MAX_DATE
