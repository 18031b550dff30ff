"""Policies as data: who may do what with which resources, in a TOML file (docs/how-to/security-officer.md).

    [[rule]]
    effect = "deny"                       # or "permit"
    resources = ["Observation?_security=http://terminology.hl7.org/CodeSystem/v3-Confidentiality|R"]
    interactions = "rs"                   # of cruds; all where it is left out
    unless_role = ["psychiatrist"]
    breakable = true                      # break-glass lifts it

    [[rule]]
    effect = "mask"                       # hides fields; only = [...] hides all others
    resources = ["Patient"]
    fields = ["address", "name.given"]
    role = ["billing"]

A rule is about everybody, or about whoever has one of its roles, is one of its users, or uses one of its clients.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Literal

import msgspec

from fhir_server.core.errors import error

BREAK_GLASS = "BTG"
RESOURCES = re.compile(r"(\*|[A-Z][A-Za-z]{1,60})(?:\?(.+))?\Z", re.DOTALL)


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One rule; resources: types, each with search criteria where it is not about all of the type.

    fields, only: of a mask, what it hides, or all that it shows.
    """

    effect: Literal["permit", "deny", "mask"]
    resources: tuple[str, ...]
    interactions: str = "cruds"
    role: tuple[str, ...] = ()
    user: tuple[str, ...] = ()
    client: tuple[str, ...] = ()
    unless_role: tuple[str, ...] = ()
    breakable: bool = False
    fields: tuple[str, ...] = ()
    only: tuple[str, ...] = ()

    def concerns(self, roles: tuple[str, ...], user: str, client: str, purpose: str) -> bool:
        """Whether the rule is about this caller now."""
        if self.effect != "permit" and self.breakable and purpose == BREAK_GLASS:
            return False
        if not set(roles).isdisjoint(self.unless_role):
            return False
        if not (self.role or self.user or self.client):
            return True
        return not set(roles).isdisjoint(self.role) or user in self.user or client in self.client


class Policies(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All rules; break_glass: the roles that may override breakable denials and Consents in an emergency."""

    rule: tuple[Rule, ...] = ()
    break_glass: tuple[str, ...] = ()

    def about(self, roles: tuple[str, ...], user: str, client: str, purpose: str) -> tuple[Rule, ...]:
        """The rules that are about a caller."""
        return tuple(rule for rule in self.rule if rule.concerns(roles, user, client, purpose))

    @property
    def permits(self) -> bool:
        """Whether anything is permitted by a rule; then what no rule permits is not."""
        return any(rule.effect == "permit" for rule in self.rule)


def load(path: str) -> Policies:
    """The policies of a file, none for ""; FhirError "value" that says what is wrong in it."""
    if not path:
        return Policies()
    try:
        found = msgspec.convert(tomllib.loads(Path(path).read_text("utf-8")), Policies)
    except (OSError, ValueError) as problem:
        raise error("value", f"The policies in {path} can't be used: {problem}.") from problem
    for number, rule in enumerate(found.rule, 1):
        wrong = next((text for text in rule.resources if not RESOURCES.match(text)), "")
        what = ""
        if wrong:
            what = f"{wrong!r} is no Type or Type?criteria"
        elif not set(rule.interactions) <= set("cruds"):
            what = "interactions must be some of cruds"
        elif (rule.effect == "mask") != (bool(rule.fields) != bool(rule.only)):
            what = "a mask, and nothing else, has fields to hide or only = those to show"
        if what:
            raise error("value", f"Rule {number} in {path} can't be used: {what}.")
    return found
