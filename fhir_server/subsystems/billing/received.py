"""Files that come from payers, read as far as they can be: what they say, and why they must not be posted."""

from __future__ import annotations

import base64
import hashlib
from typing import NamedTuple

from fhir_server.core.errors import FhirError
from fhir_server.subsystems.billing.facts import Json
from interfaces.x12.acknowledgements import Acknowledged, acknowledgements
from interfaces.x12.inquiries import ClaimStatus, Eligibility, eligibilities, statuses
from interfaces.x12.problem import CONTENT
from interfaces.x12.reader import read
from interfaces.x12.remittances import remittance, unbalanced
from interfaces.x12.shapes import Remittance
from interfaces.x12.tree import Document


class Understood(NamedTuple):
    """A file as far as it could be read. problems: why it must not be posted."""

    kind: str
    control: str
    sender: str
    digest: str
    remittances: list[Remittance]
    answers: list[Acknowledged]
    problems: list[str]
    statuses: list[ClaimStatus]
    eligibilities: list[Eligibility]


def text_of(document: Json) -> bytes:
    """The file in a DocumentReference."""
    try:
        return base64.b64decode(document["content"][0]["attachment"].get("data", ""))
    except (KeyError, IndexError, ValueError):
        return b""


def digest_of(content: bytes) -> str:
    """What makes two files the same: line ends do not."""
    return hashlib.sha256(content.replace(b"\r", b"").replace(b"\n", b"").strip()).hexdigest()


def understand(content: bytes) -> Understood:
    """Reads a file; never fails."""
    digest = digest_of(content)
    try:
        document = read(content)
    except FhirError as problem:
        return Understood("?", "", "", digest, [], [], [str(problem)], [], [])
    kinds = sorted({each.name for each in document.transactions()})
    kind = (
        kinds[0] if len(kinds) == 1 else "TA1" if not kinds and document.interchanges[0].ta1 else "+".join(kinds) or "?"
    )
    first = document.interchanges[0]
    problems = [str(each) for each in document.problems() if each.kind != CONTENT]
    remittances: list[Remittance] = []
    answers: list[Acknowledged] = []
    if not problems:
        problems, remittances, answers = _content(document, kind)
    asked = [] if problems else list(document.transactions())
    return Understood(
        kind,
        first.control,
        "|".join(first.sender),
        digest,
        remittances,
        answers,
        problems,
        [status for each in asked if each.name == "277" for status in statuses(each)],
        [answer for each in asked if each.name == "271" for answer in eligibilities(each)],
    )


def _content(document: Document, kind: str) -> tuple[list[str], list[Remittance], list[Acknowledged]]:
    if kind == "835":
        try:
            found = [remittance(each) for each in document.transactions()]
        except FhirError as problem:
            return [str(problem)], [], []
        return [problem for each in found for problem in unbalanced(each)], found, []
    answers = list(acknowledgements(document))
    if not answers and kind not in ("271", "277"):
        return [f"a file of kind {kind} is not one that billing takes: 835, 999, TA1, 277CA, 271, 277"], [], []
    return [], [], answers
