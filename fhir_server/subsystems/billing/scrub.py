"""What is checked before a claim goes out: completeness, edits of Medicare (NCCI PTP, MUE), of payers, eligibility."""

from __future__ import annotations

import csv
import functools
import re
import sqlite3
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, NamedTuple

import msgspec

from fhir_server.core.errors import FhirError, error
from interfaces.x12.claims import DIAGNOSES, write_claims
from interfaces.x12.shapes import ClaimData, Envelope, Party, Place
from interfaces.x12.values import is_day

SCHEMA = """
CREATE TABLE IF NOT EXISTS ptp (
    one TEXT NOT NULL, two TEXT NOT NULL, start TEXT NOT NULL, until TEXT NOT NULL, modifier TEXT NOT NULL,
    PRIMARY KEY (one, two, start)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS mue (code TEXT PRIMARY KEY, units TEXT NOT NULL, per TEXT NOT NULL) WITHOUT ROWID;
"""
BYPASS = frozenset(
    {"25", "27", "58", "59", "78", "79", "91", "XE", "XP", "XS", "XU", "LT", "RT", "24", "57", "76", "77"}
)
TRIAL = Envelope("TRIAL", "TRIAL", 1, "20260101", "0000")
TRIALISTS = (Party("TRIAL", id="TRIAL"), Party("TRIAL", id="TRIAL"))  # submitter, receiver

SHIPPED = Path(__file__).with_name("rules") / "payer_edits.json"
OWN = "billing-edits.json"  # of the site, beside the tables
_PARTIES = "billing|subscriber|payer|patient|rendering"
_NEEDED = (
    f"({'|'.join(ClaimData.__struct_fields__)})"
    f"|({_PARTIES})[.]({'|'.join(Party.__struct_fields__)})"
    f"|({_PARTIES})[.]place[.]({'|'.join(Place.__struct_fields__)})"
)
_ICD10 = re.compile(r"[A-Z][0-9][0-9A-Z][0-9A-Z]{0,4}")


class Finding(NamedTuple):
    """severity: error, which holds the claim back, or warning; code: of the edit; text: what to change."""

    severity: str
    code: str
    text: str


class PayerEdit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a payer, by its identifier, needs of a kind of claim (P, I), or of lines with some codes; "*" is all.

    modifier: that those lines must have; needs: what of a ClaimData must be there, such as subscriber.born.
    """

    edit: str
    text: str
    payer: str = "*"
    kind: Literal["*", "P", "I"] = "*"
    severity: Literal["error", "warning"] = "error"
    codes: tuple[str, ...] = ()
    modifier: str = ""
    needs: str = ""


def payer_edits(file: Path) -> list[PayerEdit]:
    """The edits of a file, none where there is no file; FhirError "value" that says what is wrong in it."""
    try:
        found = msgspec.json.decode(file.read_bytes(), type=list[PayerEdit])
    except FileNotFoundError:
        return []
    except (OSError, ValueError) as problem:
        raise error("value", f"{file} has no edits of payers: {problem}.") from None
    for each in found:
        if each.needs and not re.fullmatch(_NEEDED, each.needs):
            raise error("value", f"{file}: {each.edit} needs {each.needs[:40]}, which is no part of a claim.")
    return found


class Edits:
    """Code edits that were loaded, in a file of their own, which a rebuild leaves alone."""

    def __init__(self, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        self._connection = sqlite3.connect(file, check_same_thread=False, isolation_level=None)
        self._connection.executescript(SCHEMA)
        self.payer = [*payer_edits(SHIPPED), *payer_edits(file.with_name(OWN))]

    def load(self, kind: str, text: str) -> int:
        """Loads a file of CMS as CSV or with tabs: kind ptp (column 1, column 2, prior, effective, deletion, modifier)
        or mue (code, units, adjudication indicator). Gives how many edits it has; they replace those from before."""
        delimiter = "\t" if "\t" in text[:2000] else ","
        found = [row for row in csv.reader(text.splitlines(), delimiter=delimiter) if len(row) >= 3]
        codes = [row for row in found if re.fullmatch(r"[0-9A-Z]\d{3}[0-9A-Z]", row[0].strip())]
        rows: list[tuple[str, ...]] = []
        if kind == "ptp":
            rows = [
                (row[0].strip(), row[1].strip(), _day(row[3]), _day(row[4]) or "99999999", row[5].strip()[:1])
                for row in codes
                if len(row) >= 6 and _day(row[3])
            ]
        elif kind == "mue":
            rows = [
                (row[0].strip(), row[1].strip(), row[2].strip()[:1])
                for row in codes
                if row[1].strip().isdigit() and row[2].strip()[:1] in ("1", "2", "3")
            ]
        if not rows:
            raise error("value", f"No {kind} edits are in this file; it must have the columns of CMS, one edit a line.")
        self._connection.execute("BEGIN")
        self._connection.execute(f"DELETE FROM {'ptp' if kind == 'ptp' else 'mue'}")
        marks = ", ".join("?" for _ in rows[0])
        self._connection.executemany(f"INSERT OR REPLACE INTO {kind} VALUES ({marks})", rows)
        self._connection.execute("COMMIT")
        return len(rows)

    def pairs(self, claim: ClaimData) -> Iterator[Finding]:
        """Codes that are not paid together on a day (NCCI procedure to procedure)."""
        for one in claim.lines:
            for two in claim.lines:
                if one is two or not (one.code and two.code) or one.date != two.date:
                    continue
                row = self._connection.execute(
                    "SELECT modifier FROM ptp WHERE one = ? AND two = ? AND start <= ? AND until >= ?",
                    (one.code, two.code, one.date, one.date),
                ).fetchone()
                if row is None or row[0] == "9" or (row[0] == "1" and BYPASS & {*one.modifiers, *two.modifiers}):
                    continue
                way = "a modifier such as 59 if they were separate" if row[0] == "1" else "no modifier allows it"
                yield Finding("error", "ncci-ptp", f"{two.code} is part of {one.code} on {one.date}: {way}.")

    def units(self, claim: ClaimData) -> Iterator[Finding]:
        """More units than are likely (MUE): of a line, or of a day where the indicator is 2 or 3."""
        for line in claim.lines:
            row = self._connection.execute("SELECT units, per FROM mue WHERE code = ?", (line.code,)).fetchone()
            if row is None:
                continue
            same = [each for each in claim.lines if each.code == line.code and each.date == line.date]
            units = Decimal(line.units) if row[1] == "1" else sum((Decimal(each.units) for each in same), Decimal(0))
            if units > Decimal(row[0]) and (row[1] == "1" or same[0] is line):
                yield Finding(
                    "error", "mue", f"{line.code} has {units} units on {line.date}, at most {row[0]} are paid."
                )

    def of_payer(self, claim: ClaimData) -> Iterator[Finding]:
        """Edits as data: what a payer needs of a kind of claim, or of lines with some codes."""
        for edit in self.payer:
            if edit.payer not in ("*", claim.payer.id) or edit.kind not in ("*", claim.kind):
                continue
            lines = [line for line in claim.lines if line.code in edit.codes]
            if edit.codes and not lines:
                continue
            if edit.modifier and all(edit.modifier in line.modifiers for line in lines):
                continue
            if edit.needs and _value(claim, edit.needs):
                continue
            yield Finding(edit.severity, f"payer-{edit.edit}", edit.text)

    def close(self) -> None:
        """Closes the file."""
        self._connection.close()


def findings(claim: ClaimData, edits: Edits, eligible: bool | None) -> list[Finding]:
    """All that there is to say of a claim, errors first."""
    found = [*_completeness(claim), *edits.pairs(claim), *edits.units(claim), *edits.of_payer(claim)]
    if eligible is False:
        found.append(
            Finding(
                "error",
                "eligibility",
                "The payer answered that this coverage is not in force on the day of the service.",
            )
        )
    elif eligible is None:
        found.append(Finding("warning", "eligibility", "No answer of the payer on eligibility is on file; send a 270."))
    if not any(each.severity == "error" for each in found):
        try:
            write_claims([claim], TRIAL, *TRIALISTS)
        except FhirError as problem:
            found.append(Finding("error", "x12", str(problem)))
    return sorted(found, key=lambda each: each.severity)


def _completeness(claim: ClaimData) -> Iterator[Finding]:
    needed = [
        (claim.diagnoses, "diagnosis", "an ICD-10-CM diagnosis (Encounter.diagnosis or a Condition of the encounter)"),
        (_npi(claim.billing.id), "billing-npi", "a valid NPI of the provider organization"),
        (len(re.sub(r"\D", "", claim.billing.tax)) == 9, "billing-tax", "the tax number (EIN) of the provider"),
        (claim.billing.place.line and claim.billing.place.zip, "billing-address", "the address of the provider"),
        (claim.subscriber.name, "subscriber-name", "the name of the subscriber"),
        (claim.subscriber.id, "member-id", "the member id (Coverage.subscriberId)"),
        (claim.payer.id and claim.payer.name, "payer-id", "the payer's name and identifier (Coverage.payor)"),
        (claim.rendering is None or _npi(claim.rendering.id), "rendering-npi", "a valid NPI of the practitioner"),
    ]
    for there, code, text in needed:
        if not there:
            yield Finding("error", code, f"The claim needs {text}.")
    for number, line in enumerate(claim.lines, 1):
        if claim.kind == "P" and not re.fullmatch(r"[0-9A-Z]{5}", line.code):
            yield Finding("error", "code", f"Line {number} needs a CPT or HCPCS code, not {line.code[:20]!r}.")
        if claim.kind == "I" and not re.fullmatch(r"\d{4}", line.revenue):
            yield Finding("error", "revenue", f"Line {number} needs a revenue code: give one to its price.")
        if line.cents <= 0:
            yield Finding("error", "amount", f"Line {number} has no amount.")
        if Decimal(line.units) <= 0:
            yield Finding("error", "units", f"Line {number} has no units.")
        if not is_day(line.date):
            yield Finding("error", "date", f"Line {number} needs the day of the service, not {line.date[:20]!r}.")
    for code in claim.diagnoses:
        if not _ICD10.fullmatch(code):
            yield Finding("error", "diagnosis", f"{code[:20]!r} is no ICD-10-CM code.")
    if len(claim.diagnoses) > (most := DIAGNOSES[claim.kind]):
        text = f"A claim has room for {most} diagnoses; those from {claim.diagnoses[most]} on are left out."
        yield Finding("warning", "diagnoses", text)


@functools.lru_cache(maxsize=4096)
def _npi(value: str) -> bool:
    """Whether the check digit of an NPI holds (Luhn with 80840 before it)."""
    if not re.fullmatch(r"\d{10}", value):
        return False
    digits = [int(each) for each in "80840" + value]
    total = sum(sum(divmod(each * 2, 10)) if at % 2 else each for at, each in enumerate(reversed(digits)))
    return total % 10 == 0


def _value(claim: ClaimData, path: str) -> Any:
    found: Any = claim
    for name in path.split("."):
        found = getattr(found, name, None)
    return found


def _day(value: str) -> str:
    digits = re.sub(r"\D", "", value)
    return digits if len(digits) == 8 else ""


def texts(found: Sequence[Finding]) -> list[dict[str, str]]:
    """As JSON."""
    return [each._asdict() for each in found]
