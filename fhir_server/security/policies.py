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

    [[rule]]
    effect = "deny"                       # where search is not enough: FHIRPath, on the resource
    resources = ["Observation"]
    fhirpath = "component.count() > 3"

    [[rule]]
    effect = "deny"                       # a Group names other patients: not to whoever stays within a patient's record
    resources = ["Group"]
    within_patient = true

    [app_state.growth-chart]              # a client: whose Basic resources with these codes are its own
    modify = ["https://growth.example.org|preferences"]     # system|code, or system| for all of a system
    query = ["https://growth.example.org|site"]
    global = false                        # whether it may modify such as are nobody's

    [kept_from_patients]                  # what nobody changes within a patient's context; this where it is left out
    Patient = ["identifier", "link", "active", "deceased"]

    [administration]                      # whom interfaces are shown whole to; else the role administrator, all
    hl7 = ["integration"]

A rule is about everybody, or about whoever has one of its roles, is one of its users, or uses one of its clients.
"""

from __future__ import annotations

import re
import time
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import structlog

from fhir_server.core.errors import FhirError, error

BREAK_GLASS = "BTG"
LOOK_EVERY = 1.0  # seconds between looks whether the file has changed
RESOURCES = re.compile(r"(\*|[A-Z][A-Za-z]{1,60})(?:\?(.+))?\Z", re.DOTALL)

log = structlog.get_logger("policies")


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One rule; resources: types, each with search criteria where it is not about all of the type.

    fields, only: of a mask, what it hides, or all that it shows; fhirpath: what holds for those it is about, too;
    within_patient: it is about callers only who have something for no other reason than that it is their patient's.
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
    fhirpath: str = ""
    within_patient: bool = False

    def concerns(self, roles: tuple[str, ...], user: str, client: str, purpose: str, within: bool) -> bool:
        """Whether the rule is about this caller now; within: whether the caller stays within a patient's record."""
        if self.within_patient and not within:
            return False
        if self.effect != "permit" and self.breakable and purpose == BREAK_GLASS:
            return False
        if not set(roles).isdisjoint(self.unless_role):
            return False
        if not (self.role or self.user or self.client):
            return True
        return not set(roles).isdisjoint(self.role) or user in self.user or client in self.client


class AppState(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The codes of app state that a client may query, and modify, each `system|code`, or `system|` for all of a system.

    globally: whether it may modify state without a subject, which is everybody's who uses it.
    """

    query: tuple[str, ...] = ()
    modify: tuple[str, ...] = ()
    globally: bool = msgspec.field(name="global", default=False)

    @property
    def codes(self) -> frozenset[str]:
        """All of them."""
        return frozenset((*self.query, *self.modify))


NO_STATE = AppState()
ALL_INTERFACES = "*"
KEPT_FROM_PATIENTS = {"Patient": ("identifier", "link", "active", "deceased")}
ADMINISTRATOR = "administrator"  # the role that has them all where the policies don't say
WAY = f"A role of administration, such as {ADMINISTRATOR}, opens it (docs/how-to/security.md)."


class Policies(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All rules; break_glass: the roles that may override breakable denials and Consents in an emergency.

    break_glass_minutes: how long one reason is good for; administration: the roles that each interface (hl7, dicom,
    the name of a subsystem, * for all) is shown whole to;
    interfaces: clients that Consents keep nothing from while they act by themselves, as they keep nothing from the
    interfaces inside the server: what these don't find, they make a second time; app_state: of clients, by id;
    kept_from_patients: elements by type that nobody changes within a patient's context (kept_elements.py there).
    """

    rule: tuple[Rule, ...] = ()
    break_glass: tuple[str, ...] = ()
    break_glass_minutes: Annotated[int, msgspec.Meta(ge=1, le=1440)] = 60
    interfaces: tuple[str, ...] = ()
    kept_from_patients: dict[str, tuple[str, ...]] = msgspec.field(default_factory=lambda: dict(KEPT_FROM_PATIENTS))
    app_state: dict[str, AppState] = {}
    administration: dict[str, tuple[str, ...]] = msgspec.field(
        default_factory=lambda: {ALL_INTERFACES: (ADMINISTRATOR,)}
    )

    def administers(self, roles: tuple[str, ...], interface: str) -> bool:
        """Whether one of the roles has an interface."""
        having = (*self.administration.get(interface, ()), *self.administration.get(ALL_INTERFACES, ()))
        return not set(roles).isdisjoint(having)

    def about(self, roles: tuple[str, ...], user: str, client: str, purpose: str, within: bool) -> tuple[Rule, ...]:
        """The rules that are about a caller."""
        return tuple(rule for rule in self.rule if rule.concerns(roles, user, client, purpose, within))

    @property
    def state_codes(self) -> frozenset[str]:
        """The codes of all apps' state."""
        return frozenset(code for each in self.app_state.values() for code in each.codes)

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
    for code in found.state_codes:
        if not code.partition("|")[0] or "|" not in code:
            raise error("value", f"The app state {code!r} in {path} is no system|code, or system| for all of a system.")
    return found


class PolicyFile:
    """The policies of a file as they are now: a changed one counts within a second, one that can't be used does not."""

    def __init__(self, path: str, check: Callable[[Policies], None]) -> None:
        self._path = path
        self._check = check
        self._seen = self._stamp()
        self._looked = time.monotonic()
        self._policies = load(path)
        check(self._policies)

    def __call__(self) -> Policies:
        """What is in force."""
        moment = time.monotonic()
        if self._path and moment - self._looked >= LOOK_EVERY:
            self._looked = moment
            stamp = self._stamp()
            if stamp != self._seen:
                self._seen = stamp
                self._take()
        return self._policies

    def _take(self) -> None:
        try:
            found = load(self._path)
            self._check(found)
        except FhirError as problem:
            log.error("policies not changed", problem=str(problem))
            return
        self._policies = found
        log.info("policies changed", rules=len(found.rule))

    def _stamp(self) -> tuple[int, int, int]:
        try:
            found = Path(self._path).stat() if self._path else None
        except OSError:
            return (0, 0, 0)
        return (found.st_mtime_ns, found.st_size, found.st_ino) if found else (0, 0, 0)
