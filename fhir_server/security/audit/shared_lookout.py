"""Alerts over the events of all machines: one process of any of them looks at the copies of their logs in MongoDB.

audit_looking  {_id: "looking", owner, until, positions: {machine: number of the first event that was not looked at}}
               {_id: machine, raised: {rule: how many were raised by it}}
audit_alerts   {_id: rule, subject and moment, count, untold: true until everybody can know of it}
audit_known    {_id: agent and network}

In the open are ids, addresses and networks. Events come a second or two late, of a machine that could not reach MongoDB
later: then they count in the windows of their own time as well as they can.
"""

from __future__ import annotations

from collections import Counter
from itertools import islice
from operator import attrgetter
from typing import Any

import msgspec
from pymongo import MongoClient, ReturnDocument
from pymongo.errors import DuplicateKeyError
from pymongo.write_concern import WriteConcern

from fhir_server.core.ports import Clock
from fhir_server.security.audit.alerts import Alert, Watch
from fhir_server.security.audit.copies import Copies, asking, insert_new
from fhir_server.security.audit.event import Event
from fhir_server.security.audit.lookout import LEASE, Lookout, WatchOf, replay

PARTED = "\0"
ROWS = 200  # of one machine at one look

_decode = msgspec.json.Decoder(Event).decode


class SharedLookout(Lookout):
    """See `Lookout`; machine: this one's, whose count of alerts it tells."""

    def __init__(self, client: MongoClient[Any], name: str, copies: Copies, machine: str, clock: Clock) -> None:
        super().__init__()
        database = client.get_database(name, write_concern=WriteConcern("majority"))
        self._looking = database["audit_looking"]
        self._alerts, self._known = database["audit_alerts"], database["audit_known"]
        self._copies = copies
        self._machine = machine
        self._clock = clock
        self._positions: dict[str, int] = {}
        self._raised: dict[str, int] = {}

    def _looked(self, owner: str, watch_of: WatchOf) -> list[Alert]:
        with asking():
            own = self._looking.find_one({"_id": self._machine}) or {}
            self._raised = own.get("raised", {})
            if not self._taken(owner):
                self._watch = None
                return []
            if self._watch is None:
                self._watch = self._begun(watch_of)
            return self._taken_in(owner, self._watch)

    def _taken(self, owner: str) -> bool:
        """Whether this owner is the one that looks, by the clock of MongoDB."""
        state = self._looking.find_one({"_id": "looking"}, {"owner": 1, "until": 1}) or {}
        if state.get("owner", owner) != owner and state.get("until", 0) > self._clock() // 1000:
            return False
        now, mine = {"$toLong": "$$NOW"}, {"$literal": owner}
        free = {"$or": [{"$eq": ["$owner", mine]}, {"$lt": [{"$ifNull": ["$until", 0]}, now]}]}
        until = {"$add": [now, LEASE // 1000]}
        change = [
            {"$set": {"free": free}},
            {"$set": {"owner": {"$cond": ["$free", mine, "$owner"]}, "until": {"$cond": ["$free", until, "$until"]}}},
            {"$unset": "free"},
        ]
        try:
            found: Any = self._looking.find_one_and_update(
                {"_id": "looking"}, change, upsert=True, return_document=ReturnDocument.AFTER
            )
        except DuplicateKeyError:  # two made it at one time; the other has it
            return False
        if found["owner"] == owner and self._watch is None:
            self._positions = {machine: int(number) for machine, number in found.get("positions", {}).items()}
        return found["owner"] == owner

    def _begun(self, watch_of: WatchOf) -> Watch:
        """The windows as they are at the positions."""
        self._alerts.create_index("untold", sparse=True)
        known = {tuple(each["_id"].split(PARTED, 1)) for each in self._known.find()}
        watch = watch_of(known)
        since = self._clock() - watch.span
        rows = self._copies.found({"newest": {"$gte": since}}, ("newest", 1))
        lines = [line for row in rows if row.first < self._positions.get(row.machine, 0) for line in row.lines]
        events = (event for event in map(_decode, lines) if event.recorded >= since)
        replay(watch, iter(sorted(events, key=attrgetter("recorded"))))
        return watch

    def _taken_in(self, owner: str, watch: Watch) -> list[Alert]:
        events, positions = self._new(self._clock() - watch.span)
        if not positions:
            return []
        before = set(watch.known)
        raised = [alert for event in events for alert in watch.take(event)]
        insert_new(self._known, [{"_id": PARTED.join(place)} for place in watch.known - before])
        rows = [{"_id": _name(alert), "count": alert.count, "untold": True} for alert in raised]
        fresh = insert_new(self._alerts, rows)
        raised = [alert for alert in raised if _name(alert) in fresh]
        if raised:
            counts = Counter(alert.rule for alert in raised)
            added = {f"raised.{rule}": number for rule, number in counts.items()}
            self._looking.update_one({"_id": self._machine}, {"$inc": added}, upsert=True)
        named = {f"positions.{machine}": number for machine, number in positions.items()}
        self._looking.update_one({"_id": "looking", "owner": owner}, {"$set": named})
        self._positions |= positions
        return raised

    def _new(self, since: int) -> tuple[list[Event], dict[str, int]]:
        """Events that were not looked at, in order of their time, and the positions after them.

        Of a machine that was never looked at those since a moment: what is older was before there were alerts over all.
        """
        events: list[Event] = []
        positions: dict[str, int] = {}
        for machine, end in self._copies.ends().items():
            position = self._positions.get(machine)
            if position is not None and position >= end:
                continue
            where = {"newest": {"$gte": since}} if position is None else {"first": {"$gte": position}}
            rows = list(islice(self._copies.found({"machine": machine, **where}, ("first", 1)), ROWS))
            events += [_decode(line) for row in rows for line in row.lines]
            positions[machine] = rows[-1].first + rows[-1].count if rows else end
        events.sort(key=attrgetter("recorded"))
        return events, positions

    def _untold(self, owner: str) -> list[Alert]:
        with asking():
            if self._watch is None or self._looking.find_one({"_id": "looking", "owner": owner}, {"_id": 1}) is None:
                return []
            found = [(*each["_id"].split(PARTED), each["count"]) for each in self._alerts.find({"untold": True})]
        return [Alert(rule, subject, int(moment), count) for rule, subject, moment, count in found]

    def _told(self, alert: Alert) -> None:
        with asking():
            self._alerts.update_one({"_id": _name(alert)}, {"$unset": {"untold": ""}})

    def raised(self) -> dict[str, int]:
        """By this machine, as of its last look: a sum over machines is right."""
        return dict(self._raised)


def _name(alert: Alert) -> str:
    return PARTED.join((alert.rule, alert.subject, str(alert.moment)))
