"""Puts segments into an interchange, and does not let one go that our own reader finds fault with."""

from __future__ import annotations

from collections.abc import Sequence

from fhir_server.core.errors import error
from interfaces.x12.reader import read
from interfaces.x12.segments import USUAL, Segment, segment
from interfaces.x12.shapes import Envelope
from interfaces.x12.values import text
from mappings.x12.tables import load


def interchange(name: str, bodies: Sequence[Sequence[Segment]], envelope: Envelope) -> str:
    """The text of a file with a transaction set of this name (837P, 835 ...) for each body, which is what stands
    between ST and SE. FhirError "value" that says with segment and loop what can't be written so."""
    set = load(name)
    convention = set.conventions[0]
    written: list[Segment] = []
    for number, body in enumerate(bodies, 1):
        control = f"{number:04}"
        third = "" if name == "835" else convention
        written += [segment("ST", set.code, control, third), *body, segment("SE", str(len(body) + 2), control)]
    return enclosed(written, len(bodies), set.group, convention, envelope)


def enclosed(inside: Sequence[Segment], count: int, group: str, convention: str, envelope: Envelope) -> str:
    """Segments of one functional group within its interchange, checked; without a group (TA1) where group is ""."""
    control, time = str(envelope.control), envelope.time
    isa = Segment("ISA", [
        "00", " " * 10, "00", " " * 10,
        envelope.sender_qualifier, text(envelope.sender, 15).ljust(15),
        envelope.receiver_qualifier, text(envelope.receiver, 15).ljust(15),
        envelope.date[2:], time[:4], USUAL.repetition, "00501", f"{envelope.control:09}", "0", envelope.usage,
        USUAL.component,
    ])  # fmt: skip
    all = [isa]
    if group:
        all.append(segment("GS", group, text(envelope.sender, 15), text(envelope.receiver, 15), envelope.date, time,
                           control, "X", convention))  # fmt: skip
    all += inside
    if group:
        all.append(segment("GE", str(count), control))
    all.append(segment("IEA", "1" if group else "0", f"{envelope.control:09}"))
    end = USUAL.terminator + "\n"
    for each in all:
        each.end = end
    made = "".join([each.text(USUAL.element) for each in all])
    problems = read(made).problems()
    if problems:
        shown = "; ".join(str(problem) for problem in problems[:5])
        more = f" (and {len(problems) - 5} more)" if len(problems) > 5 else ""
        raise error("value", f"This can't be written as X12: {shown}{more}.")
    return made
