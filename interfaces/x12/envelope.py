"""Control numbers and counts, from ISA to IEA."""

from __future__ import annotations

from interfaces.x12.problem import ENVELOPE, Problem
from interfaces.x12.segments import ISA_WIDTHS, Segment
from interfaces.x12.tree import Group, Interchange, Transaction

LOOPS = {"ISA": "ISA_LOOP", "IEA": "ISA_LOOP", "GS": "GS_LOOP", "GE": "GS_LOOP", "SE": "ST_LOOP"}


def check_transaction(transaction: Transaction) -> None:
    """SE01 and SE02."""
    se = transaction.se
    assert se is not None
    count = 1 + sum(1 for _ in transaction.root.walk())
    place = count
    if se[1] != str(count):
        said = f"SE01 counts {se[1]} segments, there are {count}"
        transaction.problems.append(Problem(ENVELOPE, "4", "SE", "ST_LOOP", place, "SE01", said))
    if se[2] != transaction.st[2]:
        said = f"control number {se[2]!r} is not that of ST02, {transaction.st[2]!r}"
        transaction.problems.append(Problem(ENVELOPE, "3", "SE", "ST_LOOP", place, "SE02", said))


def check_group(group: Group) -> None:
    """GE01, GE02, and that no ST02 comes twice."""
    ge = group.ge
    if ge is None:
        group.problems.append(_problem("4", group.gs, "", "the group is truncated: its GE segment is missing"))
    else:
        if ge[1] != str(len(group.transactions)):
            said = f"GE01 counts {ge[1]} transaction sets, there are {len(group.transactions)}"
            group.problems.append(_problem("5", ge, "GE01", said))
        if ge[2] != group.gs[6]:
            said = f"control number {ge[2]!r} is not that of GS06, {group.gs[6]!r}"
            group.problems.append(_problem("4", ge, "GE02", said))
    seen: set[str] = set()
    for transaction in group.transactions:
        if transaction.st[2] in seen:
            said = f"control number {transaction.st[2]!r} comes twice in its group"
            transaction.problems.append(Problem(ENVELOPE, "23", "ST", "ST_LOOP", 1, "ST02", said))
        seen.add(transaction.st[2])


def check_interchange(interchange: Interchange) -> None:
    """The widths of ISA, IEA01 and IEA02, and that no GS06 comes twice; the codes are those of TA105."""
    isa, iea = interchange.isa, interchange.iea
    tell = interchange.problems.append
    for number, width in enumerate(ISA_WIDTHS, 1):
        if len(isa[number]) != width:
            said = f"must be {width} characters, not {len(isa[number])}; an ISA segment is 106 characters long"
            tell(_problem("022", isa, f"ISA{number:02}", said))
    if iea is None:
        tell(_problem("023", isa, "", "the file is truncated: the IEA segment is missing"))
    else:
        if iea[2] != isa[13]:
            tell(_problem("001", iea, "IEA02", f"control number {iea[2]!r} is not that of ISA13, {isa[13]!r}"))
        if iea[1] != str(len(interchange.groups)):
            tell(_problem("021", iea, "IEA01", f"IEA01 counts {iea[1]} groups, there are {len(interchange.groups)}"))
    seen: set[str] = set()
    for group in interchange.groups:
        if group.gs[6] in seen:
            group.problems.append(_problem("19", group.gs, "GS06", f"control number {group.gs[6]!r} comes twice"))
        seen.add(group.gs[6])


def _problem(code: str, segment: Segment, element: str, message: str) -> Problem:
    return Problem(ENVELOPE, code, segment.id, LOOPS.get(segment.id, ""), segment.place, element, message)
