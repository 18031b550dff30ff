"""Files that come from payers, read as far as they can be: what they say, and why they must not be posted."""

from __future__ import annotations

import base64
import hashlib
from typing import NamedTuple

from fhir_server.core.errors import FhirError
from fhir_server.subsystems.billing.facts import Json
from interfaces.x12.acknowledgements import Acknowledged, acknowledgements
from interfaces.x12.inquiries import ClaimStatus, Eligibility, eligibilities, statuses
from interfaces.x12.problem import CONTENT, ENVELOPE, Problem
from interfaces.x12.reader import read
from interfaces.x12.remittances import doubtful, remittance, unbalanced
from interfaces.x12.shapes import Remittance
from interfaces.x12.tree import Document

TAKEN = frozenset({"835", "999", "TA1", "277CA", "271", "277"})


class Understood(NamedTuple):
    """A file as far as it could be read.

    control, sender: of its first interchange; interchanges: sender and control number of each; problems: why it can't
    be posted; doubts: why it must not be, unless a person says so.
    """

    kind: str
    control: str
    sender: str
    digest: str
    interchanges: list[tuple[str, str]]
    remittances: list[Remittance]
    answers: list[Acknowledged]
    problems: list[str]
    doubts: list[str]
    statuses: list[ClaimStatus]
    eligibilities: list[Eligibility]


def text_of(document: Json) -> bytes:
    """The file in a DocumentReference."""
    try:
        return base64.b64decode(document["content"][0]["attachment"].get("data", ""))
    except (KeyError, IndexError, ValueError):
        return b""


def claim_number(control: str) -> str:
    """A claim's number as we write it, of one that a payer gives back in small letters or with blanks around it."""
    return control.strip().upper()


def digest_of(content: bytes) -> str:
    """What makes two files the same: line ends do not."""
    return hashlib.sha256(content.replace(b"\r", b"").replace(b"\n", b"").strip()).hexdigest()


def understand(content: bytes) -> Understood:
    """Reads a file; never fails."""
    digest = digest_of(content)
    try:
        document = read(content)
    except FhirError as problem:
        return Understood("?", "", "", digest, [], [], [], [str(problem)], [], [], [])
    interchanges = [("|".join(each.sender), each.control) for each in document.interchanges]
    sender, control = interchanges[0]
    wrong = [each for each in document.problems() if each.kind != CONTENT]
    problems = [str(each) for each in wrong if not _numbering(each)]
    doubts = [str(each) for each in wrong if _numbering(each)]
    kind = _kind(document)
    if not problems and not {*kind.split("+")} <= TAKEN:
        problems.append(f"a file of kind {kind} is not one that billing takes: {', '.join(sorted(TAKEN))}")
    remittances: list[Remittance] = []
    if not problems:
        try:
            remittances = [remittance(each) for each in document.transactions() if each.name == "835"]
        except FhirError as problem:
            problems.append(str(problem))
        doubts += [doubt for each in remittances for doubt in (*doubtful(each), *unbalanced(each))]
    asked = [] if problems else list(document.transactions())
    return Understood(
        kind,
        control,
        sender,
        digest,
        interchanges,
        remittances,
        [] if problems else list(acknowledgements(document)),
        problems,
        doubts,
        [status for each in asked if each.name == "277" for status in statuses(each)],
        [answer for each in asked if each.name == "271" for answer in eligibilities(each)],
    )


def _numbering(problem: Problem) -> bool:
    """Whether a count or a control number is wrong, of segments that are all there."""
    return problem.kind == ENVELOPE and problem.element[:3] in ("SE0", "GE0", "IEA", "GS0", "ST0")


def _kind(document: Document) -> str:
    kinds = sorted({each.name for each in document.transactions()})
    return "+".join(kinds) or ("TA1" if any(each.ta1 for each in document.interchanges) else "?")
