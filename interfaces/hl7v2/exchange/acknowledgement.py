"""Acknowledgements: MSH, MSA and ERR in the version, separators and character set of the message (2.9.2, 2.9.3).

The same message and outcome give the same bytes, so that an answer can be made again as it was.
"""

from __future__ import annotations

import datetime
import hashlib
from typing import NamedTuple

from interfaces.hl7v2.er7.charsets import codec_of
from interfaces.hl7v2.exchange.errors import CODES, REJECTING, Problem
from interfaces.hl7v2.header import Header

DEFAULT_VERSION = "2.5.1"
ACCEPT = ("CA", "CE", "CR")
APPLICATION = ("AA", "AE", "AR")
MOST_PROBLEMS = 20  # ERR segments of an answer


class Ours(NamedTuple):
    """How the interface names itself where a message does not say whom it is for: MSH-3 and MSH-4."""

    application: str = "UltimateHMS"
    facility: str = ""


OURS = Ours()
NONE = Header._make([*"|^~\\&", *[""] * 12])  # what stands for the header of a message that has none


def acknowledge(
    header: Header | None, code: str, received: int, problems: tuple[Problem, ...] = (), ours: Ours = OURS
) -> bytes:
    """An acknowledgement with this code (table 0008) of a message that was received at a time in microseconds."""
    header = header or NONE
    version = header.version or DEFAULT_VERSION
    new = _number(version) >= (2, 5)
    bar, caret = header.field, header.component
    separator = bar.encode("latin-1")
    codec = codec_of([header.charset]) or "utf-8"

    def latin(*fields: str) -> bytes:
        return bar.join(fields).encode("latin-1")

    moment = datetime.datetime.fromtimestamp(received / 1e6, datetime.UTC).strftime("%Y%m%d%H%M%S")
    name = hashlib.sha256(f"{header.origin}\0{header.control}\0{received}\0{code[0]}".encode()).hexdigest()
    fields = [
        "MSH", header.encoding, header.receiver or ours.application, header.receiver_facility or ours.facility,
        header.sender, header.sender_facility, f"{moment}+0000", "", _kind(header, version), name[:20].upper(),
        header.processing or "P", version, "", "", "", "", "", header.charset,
    ]  # fmt: skip
    lines = [latin(*fields).rstrip(separator)]
    text = str(problems[0].text) if problems and not new else ""
    msa = [latin("MSA", code, header.control)]
    if text:
        msa.append(_escaped(text[:80], header).encode(codec, "replace"))
    lines.append(separator.join(msa))
    for problem in problems[:MOST_PROBLEMS]:
        parts = _err(problem, header, caret) if new else _old_err(problem, header)
        lines.append(bar.join(parts).rstrip(bar).encode(codec, "replace"))
    return b"\r".join(lines) + b"\r"


def _err(problem: Problem, header: Header, caret: str) -> list[str]:
    """ERR since version 2.5: location, code, severity, text for the user."""
    location = caret.join(str(part) for part in problem.place)
    code = caret.join((problem.code, CODES[problem.code], "HL70357"))
    return ["ERR", "", location, code, problem.severity, "", "", "", _escaped(problem.text[:250], header)]


def _old_err(problem: Problem, header: Header) -> list[str]:
    """ERR before version 2.5: segment, its number, field, and the code as sub-components."""
    segment, number, field = [str(part) for part in (*problem.place[:3], "", "", "")][:3]
    code = header.subcomponent.join((problem.code, CODES[problem.code], "HL70357"))
    return ["ERR", header.component.join((segment, number, field, code))]


def _kind(header: Header, version: str) -> str:
    if _number(version) >= (2, 4):
        return header.component.join(part for part in ("ACK", header.trigger, "ACK") if part)
    return header.component.join(part for part in ("ACK", header.trigger) if part)


def _number(version: str) -> tuple[int, ...]:
    """2.5.1 as (2, 5, 1); (2, 5) where it is no version."""
    try:
        return tuple(int(part) for part in version.split("."))
    except ValueError:
        return (2, 5)


def _escaped(text: str, header: Header) -> str:
    """Text with the separators of the message escaped (2.7.1)."""
    marks = {header.escape: "E", header.field: "F", header.component: "S", header.subcomponent: "T",
             header.repetition: "R"}  # fmt: skip
    text = " ".join(text.split())
    return "".join(f"{header.escape}{marks[c]}{header.escape}" if c in marks and c.strip() else c for c in text)


def wanted(condition: str, good: bool) -> bool:
    """Whether an acknowledgement is sent under a condition of table 0155: AL, NE, ER or SU; "" is NE.

    What is not in the table is AL: whoever states it waits for something."""
    if condition in ("ER", "SU"):
        return good is (condition == "SU")
    return condition not in ("", "NE")


def code_of(header: Header | None, problems: tuple[Problem, ...], accept: bool = False) -> str:
    """AA, AE or AR, or with accept CA, CE or CR: rejected is what nobody here could ever apply (2.9.2.2)."""
    codes = ACCEPT if accept else APPLICATION
    errors = [problem for problem in problems if problem.severity == "E"]
    if not errors:
        return codes[0]
    return codes[2] if any(problem.code in REJECTING for problem in errors) else codes[1]
