"""Responses: MSH, MSA, ERR, QAK, QPD as asked, and what was found (HL7 v2.9, 5.3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from interfaces.hl7v2.er7 import Message
from interfaces.hl7v2.exchange.errors import CODES

RESPONSES = {"Q22": ("K22", "RSP_K21"), "Q23": ("K23", "RSP_K23"), "Q11": ("K11", "RSP_K11")}


class Answer(NamedTuple):
    """What a query came to.

    status: OK, NF (nothing found), AE (error), TM (too many); segments: what was found; problem: (code of table 0357,
    ERR-2, text); total: how many there are; next: where the rest begins, "" for no rest.
    """

    status: str
    segments: Sequence[tuple[str, list[Any]]] = ()
    problem: tuple[str, list[str], str] | None = None
    total: int = 0
    next: str = ""


class Asker(NamedTuple):
    """This side as it names itself, and what tells one response from another."""

    application: str
    facility: str
    time: str
    control: str

    def respond(self, query: Message, answer: Answer) -> bytes:
        """The response message."""
        header = query.header
        response = Message.new(query.delimiters, query.encoding.codec)
        event, structure = RESPONSES[query.event]
        response.add(
            "MSH",
            self.application or header.value(5),
            self.facility or header.value(6),
            header.value(3),
            header.value(4),
            self.time,
            "",
            ["RSP", event, structure],
            self.control,
            header.value(11) or "P",
            query.version or "2.5",
            *[""] * 5,
            header.value(18),
        )
        failed = answer.status == "AE"
        response.add("MSA", "AE" if failed else "AA", query.control_id)
        if answer.problem:
            code, place, text = answer.problem
            response.add("ERR", "", place, [code, CODES.get(code, text), "HL70357"], "E", "", "", "", text)
        definition = query.first("QPD")
        tag = definition.value(2) if definition else ""
        name = definition.repetitions(1)[:1] if definition else []
        count = [] if failed else [str(answer.total)]
        response.add("QAK", tag, answer.status, [part[0] for part in name[0]] if name else "", *count)
        if definition is not None:
            response.segments.append(definition)
        for segment, fields in answer.segments:
            response.add(segment, *fields)
        if answer.next:
            response.add("DSC", answer.next, "I")
        return response.encode(replace=True)


def missing(text: str, *place: str) -> Answer:
    """The answer to a query that lacks what it needs."""
    return Answer("AE", problem=("101", list(place), text))


def page_of(query: Message) -> tuple[int, int]:
    """(from, how many) by RCP-2 and DSC-1; 100 where it asks for no number."""
    control, continued = query.first("RCP"), query.first("DSC")
    limit = control.value(2) if control else ""
    start = continued.value(1) if continued else ""
    return (int(start) if start.isdecimal() else 0, int(limit) if limit.isdecimal() and int(limit) else 100)
