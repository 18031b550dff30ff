"""What a Consent denies (https://hl7.org/fhir/R4/consent.html): its provisions, for one caller at one moment.

Understood are the patient, type, period, actor.reference, purpose, class (a resource type), securityLabel, dataPeriod
and data of the provision and of the exceptions in it. What narrows a denial in another way (code, action, a class that
is no resource type) is not applied: then more is denied. An exception that is narrower than its types, by an exception
of its own too, spares nothing.
"""

from __future__ import annotations

from typing import Any

import msgspec

from fhir_server.codec.references import parse_reference
from fhir_server.core.values import MAX_DATE, MIN_DATE
from fhir_server.definitions import load

Resource = dict[str, Any]


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
    labels: tuple[tuple[str, str], ...] = ()
    covered: tuple[int, int] | None = None
    data: tuple[tuple[str, str], ...] = ()
    narrowed: bool = False
    inside: tuple[Provision, ...] = ()

    def applies(self, actor: str, purpose: str, now: int) -> bool:
        """Whether it is about this caller at this moment."""
        return (
            self.start <= now <= self.end
            and (not self.actors or actor in self.actors)
            and (not self.purposes or purpose in self.purposes)
        )

    @property
    def whole(self) -> bool:
        """Whether it is about all of its types, without exceptions of its own."""
        return not (self.labels or self.data or self.narrowed or self.inside) and self.covered is None


class Denied(msgspec.Struct, frozen=True):
    """What of a patient's record is denied: some types (() for all), with some labels (() for any), but not spared.

    covered, data: see Provision.
    """

    patient: str
    types: tuple[str, ...]
    labels: tuple[tuple[str, str], ...]
    spared: tuple[str, ...] = ()
    covered: tuple[int, int] | None = None
    data: tuple[tuple[str, str], ...] = ()


def denied(patient: str, root: Provision, actor: str, purpose: str, now: int) -> list[Denied]:
    """What a Consent with this provision denies a caller."""
    now_inside = [each for each in root.inside if each.applies(actor, purpose, now)]
    if root.deny:
        if not root.applies(actor, purpose, now):
            return []
        permitted = [each for each in now_inside if not each.deny]
        if any(not each.classes and each.whole for each in permitted):
            return []
        spared = tuple(name for each in permitted if each.whole for name in each.classes)
        return [_denied(patient, root, spared)]
    return [_denied(patient, each) for each in now_inside if each.deny]


def _denied(patient: str, provision: Provision, spared: tuple[str, ...] = ()) -> Denied:
    known = all(load().is_resource(name) for name in provision.classes)
    types = provision.classes if known else ()  # of a profile or another content: all, as the denial is of a part of it
    return Denied(patient, types, provision.labels, spared, provision.covered, provision.data)


def provision_of(consent: Resource, moments: Any) -> tuple[str, Provision] | None:
    """(patient id, provision) of an active Consent; None where it denies nothing. moments: a date's (low, high)."""
    if consent.get("status") != "active":
        return None
    patient = str(consent.get("patient", {}).get("reference", "")).rpartition("Patient/")[2].partition("/")[0]
    root = consent.get("provision")
    if not patient or not isinstance(root, dict):
        return None
    found = _provision(root, root.get("type", "permit"), moments)
    return (patient, found) if found.deny or any(each.deny for each in found.inside) else None


def _provision(node: Resource, kind: str, moments: Any) -> Provision:
    start, end = _span(node.get("period", {}), moments)
    opposite = "permit" if kind == "deny" else "deny"
    return Provision(
        deny=kind == "deny",
        start=start,
        end=end,
        actors=tuple(_actor(each.get("reference", {}).get("reference", "")) for each in node.get("actor", ())),
        purposes=tuple(each.get("code", "") for each in node.get("purpose", ())),
        classes=tuple(each.get("code", "") for each in node.get("class", ())),
        labels=tuple((each.get("system", ""), each.get("code", "")) for each in node.get("securityLabel", ())),
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
    return f"{local.type}/{local.id}" if local is not None else text


def _span(period: Resource, moments: Any) -> tuple[int, int]:
    start, end = (moments(period.get(name, "")) for name in ("start", "end"))
    return start[0] if start else MIN_DATE, end[1] if end else MAX_DATE
