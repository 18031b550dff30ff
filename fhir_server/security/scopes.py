"""SMART scopes (https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html).

patient/Observation.rs?category=laboratory   context, type, interactions in the order cruds, search criteria
user/*.read                                  version 1: read is rs, write is cud, * is both
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from fhir_server.definitions import load

INTERACTIONS = "cruds"
VERSION_1 = {"read": "rs", "write": "cud", "*": INTERACTIONS}
_RESOURCE = re.compile(r"(patient|user|system)/(\*|[A-Z][A-Za-z]{1,60})\.(read|write|\*|c?r?u?d?s?)(?:\?(.+))?\Z")

IDENTITY = frozenset({"openid", "fhirUser", "profile"})
REFRESHING = frozenset({"online_access", "offline_access"})
LAUNCHING = frozenset({"launch", "launch/patient", "launch/encounter"})


class Scope(NamedTuple):
    """A resource scope. type "*" for every type; interactions a subset of cruds; criteria "" for all of the type."""

    context: str
    type: str
    interactions: str
    criteria: str = ""

    def __str__(self) -> str:
        return f"{self.context}/{self.type}.{self.interactions}" + (f"?{self.criteria}" if self.criteria else "")

    def covers(self, other: Scope) -> bool:
        """Whether whoever has this may have the other."""
        return (
            self.context == other.context
            and self.type in ("*", other.type)
            and set(other.interactions) <= set(self.interactions)
            and self.criteria in ("", other.criteria)
        )


def resource_scope(text: str) -> Scope | None:
    """The resource scope that a text is; None for any other scope and for what is none."""
    found = _RESOURCE.match(text)
    if found is None or not found[3] or (found[2] != "*" and not load().is_resource(found[2])):
        return None
    return Scope(found[1], found[2], VERSION_1.get(found[3], found[3]), found[4] or "")


def resource_scopes(text: str) -> list[Scope]:
    """The resource scopes of a space-separated list."""
    return [scope for scope in map(resource_scope, text.split()) if scope is not None]


def known(text: str) -> bool:
    """Whether a single scope is one that is understood."""
    return text in IDENTITY | REFRESHING | LAUNCHING or resource_scope(text) is not None


def granted(asked: str, allowed: str) -> str:
    """Those of the asked scopes that an allowance covers, as they were asked for and in their order.

    A wider scope than the allowance is narrowed to what the allowance has of it.
    """
    permitted = allowed.split()
    limits = resource_scopes(allowed)
    kept: list[str] = []
    for text in dict.fromkeys(asked.split()):
        scope = resource_scope(text)
        if scope is None:
            kept += [text] * (text in permitted and known(text))
        elif any(limit.covers(scope) for limit in limits):
            kept.append(text)
        else:
            kept += [str(part) for part in _overlaps(scope, limits) if str(part) not in kept]
    return " ".join(kept)


def _overlaps(scope: Scope, limits: Iterable[Scope]) -> Iterable[Scope]:
    for limit in limits:
        if limit.context != scope.context or ("*" not in (scope.type, limit.type) and scope.type != limit.type):
            continue
        if scope.criteria and limit.criteria and scope.criteria != limit.criteria:
            continue
        common = "".join(each for each in INTERACTIONS if each in scope.interactions and each in limit.interactions)
        if common:
            type = limit.type if scope.type == "*" else scope.type
            yield Scope(scope.context, type, common, scope.criteria or limit.criteria)
