"""Reads a file into its loops; whatever is wrong is told with segment and loop, and stays where it stood."""

from __future__ import annotations

import re
from collections.abc import Iterable

from interfaces.x12.envelope import check_group, check_interchange, check_transaction
from interfaces.x12.placing import Placing
from interfaces.x12.problem import ENVELOPE, STRUCTURE, Problem
from interfaces.x12.segments import Segment, decoded, delimiters_of, joined, segments
from interfaces.x12.tree import Document, Group, Interchange, Loop, Transaction
from mappings.x12.tables import named


def read(content: bytes | str) -> Document:
    """A file. FhirError "malformed" where it does not begin with an ISA segment; all else is a Problem of the tree."""
    text = decoded(content) if isinstance(content, bytes) else content
    stripped = text.lstrip("\ufeff \r\n\t")
    document = Document(text[: len(text) - len(stripped)])
    text = stripped
    place = 1
    while True:
        delimiters = delimiters_of(text)
        another = re.search(re.escape(delimiters.terminator) + r"\s*(?=ISA[^A-Za-z0-9].{100})", text[100:], re.DOTALL)
        end = 100 + another.end() if another else len(text)
        interchange = _interchange(segments(text[:end], delimiters, place), Interchange(delimiters))
        document.interchanges.append(interchange)
        place += len(interchange.everything)
        if not another:
            return document
        text = text[end:]


def write(document: Document) -> str:
    """The text of a file, character for character as it was read."""
    return document.before + "".join(joined(each.everything, each.delimiters) for each in document.interchanges)


def _interchange(found: Iterable[Segment], interchange: Interchange) -> Interchange:
    group: Group | None = None
    placing: Placing | None = None
    for segment in found:
        interchange.everything.append(segment)
        id = segment.id
        if id == "ST":
            if group is None:
                interchange.problems.append(_outside(segment, "ST must come after a GS segment"))
                group = Group(Segment("GS", []))
                interchange.groups.append(group)
            if placing:
                _cut_off(placing)
            placing = _begin(segment, group, interchange)
        elif id == "SE" and placing:
            placing.finish()
            placing.transaction.se = segment
            check_transaction(placing.transaction)
            placing = None
        elif (id in ("GS", "GE", "IEA", "ISA", "TA1") and placing is None) or id in ("GS", "GE", "IEA", "ISA"):
            if placing and group:
                _cut_off(placing)
                placing = None
            group = _envelope(segment, interchange, group)
        elif placing:
            placing.take(segment)
        else:
            interchange.problems.append(_outside(segment, "it stands outside of every transaction set"))
    if placing and group:
        _cut_off(placing)
    check_interchange(interchange)
    for each in interchange.groups:
        check_group(each)
    return interchange


def _begin(segment: Segment, group: Group, interchange: Interchange) -> Placing:
    set = named(segment[1], segment[3]) or named(segment[1], group.gs[8])
    transaction = Transaction(set, Loop(set.root if set else None, "ST_LOOP"), [])
    transaction.delimiters = interchange.delimiters
    transaction.group = group.gs
    group.transactions.append(transaction)
    if set is None:
        kind = segment[3] or group.gs[8]
        transaction.problems.append(
            Problem(
                STRUCTURE, "6", "ST", "ST_LOOP", 1, "ST01", f"there is no table of transaction set {segment[1]} {kind}"
            )
        )
    return Placing(transaction, segment)


def _envelope(segment: Segment, interchange: Interchange, group: Group | None) -> Group | None:
    if segment.id == "GS":
        made = Group(segment)
        interchange.groups.append(made)
        return made
    if segment.id == "GE":
        if group is None:
            interchange.problems.append(_outside(segment, "there is no GS segment before it"))
        else:
            group.ge = segment
        return None
    if segment.id == "IEA":
        interchange.iea = segment
    elif segment.id == "TA1":
        interchange.ta1.append(segment)
    return group


def _cut_off(placing: Placing) -> None:
    placing.finish()
    transaction = placing.transaction
    transaction.problems.append(
        Problem(
            ENVELOPE,
            "2",
            "SE",
            "ST_LOOP",
            placing.place + 1,
            "",
            f"transaction set {transaction.st[2]} is truncated: its SE segment is missing",
        )
    )


def _outside(segment: Segment, why: str) -> Problem:
    return Problem(ENVELOPE, "024", segment.id[:20], "ISA_LOOP", segment.place, "", why)
