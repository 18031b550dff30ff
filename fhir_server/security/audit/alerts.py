"""Alerts: rules as data (alerts.toml) over the events of the audit log, in their order."""

from __future__ import annotations

import itertools
import tomllib
from collections import OrderedDict, deque
from importlib import resources
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import msgspec

from fhir_server.core.errors import error
from fhir_server.security.audit.event import Event

MINUTE = 60_000_000  # microseconds
MOST_SUBJECTS = 100_000  # of a rule: the oldest are forgotten
MOST_SORTS = 10_000  # of events, by what rules ask of them, of which it is kept in mind which rules they count for

Positive = Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]


class AlertRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One rule; see alerts.toml."""

    name: Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9-]{0,63}$")]
    kind: str = ""
    outcome: str = ""
    interactions: tuple[str, ...] = ()
    per: Literal["agent", "address", "agent-address"] = "agent"
    distinct: Literal["", "patients"] = ""
    count: Positive = 1
    minutes: Positive = 60
    known: bool = False

    def concerns(self, event: Event) -> bool:
        """Whether an event counts."""
        return (
            self.kind in ("", event.kind)
            and self.outcome in ("", event.outcome)
            and (not self.interactions or event.interaction in self.interactions)
        )

    def subject(self, event: Event) -> str:
        """Whom it is about: an id of a user or client, an address, or both."""
        if self.per == "address":
            return event.address
        agent = event.user or event.client
        return agent if self.per == "agent" else f"{agent}@{event.address}"


class AlertRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file."""

    rule: tuple[AlertRule, ...] = ()


class Alert(NamedTuple):
    """What was raised: by which rule, about whom, when (microseconds), and how many events or patients counted."""

    rule: str
    subject: str
    moment: int
    count: int


def load(path: str = "") -> tuple[AlertRule, ...]:
    """The rules of a file, those that come with the server for ""; FhirError "value" that says what is wrong."""
    try:
        shipped = resources.files("fhir_server.security.audit").joinpath("alerts.toml")
        text = Path(path).read_text("utf-8") if path else shipped.read_text("utf-8")
        return msgspec.convert(tomllib.loads(text), AlertRules).rule
    except (OSError, ValueError) as problem:
        raise error("value", f"The alert rules in {path} can't be used: {problem}.") from problem


class Watch:
    """The windows of all rules. known: (agent, network) that have been seen before."""

    def __init__(self, rules: tuple[AlertRule, ...], known: set[tuple[str, str]] | None = None) -> None:
        self._rules = rules
        # what rules ask of an event -> those that it counts for, each with its subject
        self._concerning: dict[tuple[str, ...], list[tuple[AlertRule, str]]] = {}
        # (rule, subject) -> what counts, a patient or the number of an event, and when it was last seen, oldest first;
        # what is too old lies there as long as it would be too few
        self._seen: dict[tuple[str, str], OrderedDict[str | int, int]] = {}
        self._numbers = itertools.count()
        self._quiet: dict[tuple[str, str], int] = {}
        self.known = known if known is not None else set()

    @property
    def span(self) -> int:
        """The longest window, in microseconds: how far back events count."""
        return max((rule.minutes for rule in self._rules), default=0) * MINUTE

    def take(self, event: Event) -> list[Alert]:
        """The alerts that an event raises."""
        sort = (event.kind, event.outcome, event.interaction, event.user, event.client, event.address)
        concerned = self._concerning.get(sort)
        if concerned is None:
            concerned = self._concerned(event, sort)
        raised: list[Alert] = []
        for rule, subject in concerned:
            count = self._new_place(event, subject) if rule.known else self._counted(rule, event, subject)
            if not count:
                continue
            key = (rule.name, subject)
            if rule.known or event.recorded >= self._quiet.get(key, 0):
                self._quiet[key] = event.recorded + rule.minutes * MINUTE
                raised.append(Alert(rule.name, subject, event.recorded, count))
        return raised

    def _concerned(self, event: Event, sort: tuple[str, ...]) -> list[tuple[AlertRule, str]]:
        """The rules that it counts for, with whom they are about."""
        if len(self._concerning) >= MOST_SORTS:
            self._concerning.clear()
        found = [(rule, rule.subject(event)) for rule in self._rules if rule.concerns(event)]
        found = self._concerning[sort] = [each for each in found if each[1].strip("@")]
        return found

    def _counted(self, rule: AlertRule, event: Event, subject: str) -> int:
        """How many there are within the window; 0 where they are too few."""
        window = self._seen.get((rule.name, subject))
        if window is None:
            if len(self._seen) > MOST_SUBJECTS:
                del self._seen[next(iter(self._seen))]
            window = self._seen[rule.name, subject] = OrderedDict()
        counted = event.patients if rule.distinct else (next(self._numbers),)
        window.update(dict.fromkeys(counted, event.recorded))
        deque(map(window.move_to_end, counted), maxlen=0)
        if len(window) < rule.count:
            return 0
        since = event.recorded - rule.minutes * MINUTE
        while window and (next(iter(window.values())) <= since or (not rule.distinct and len(window) > rule.count)):
            window.popitem(last=False)
        return len(window) if len(window) >= rule.count else 0

    def _new_place(self, event: Event, agent: str) -> int:
        place = (agent, network(event.address))
        if not place[1] or place in self.known:
            return 0
        others = any(known == agent for known, _ in self.known)
        self.known.add(place)
        return int(others)


def network(address: str) -> str:
    """The network of an address: a.b.c of IPv4, the first four groups of IPv6."""
    if ":" in address:
        return ":".join(address.split(":")[:4])
    return address.rpartition(".")[0]
