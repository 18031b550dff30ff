"""Values as X12 writes them."""

from __future__ import annotations

import datetime
import re
import unicodedata
from decimal import Decimal, InvalidOperation

from fhir_server.core.errors import error

_LETTERS = str.maketrans(  # that no normal form of Unicode parts into a plain letter and an accent
    {"ß": "ss", "ẞ": "SS", "Æ": "AE", "æ": "ae", "Œ": "OE", "œ": "oe", "Ø": "O", "ø": "o", "Ł": "L", "ł": "l", "Đ": "D",
     "đ": "d", "Ð": "D", "ð": "d", "Þ": "Th", "þ": "th", "Ħ": "H", "ħ": "h", "ı": "i", "’": "'", "‘": "'", "ʼ": "'",
     "‐": "-", "‑": "-", "–": "-", "—": "-"}
)  # fmt: skip
_FORBIDDEN = re.compile(r"[^ -~]|[*:~^|]")


def text(value: str, most: int = 0) -> str:
    """Plain characters without delimiters; accents are taken off, and letters that are not plain are spelled out."""
    plain = unicodedata.normalize("NFKD", value.translate(_LETTERS))
    plain = "".join(each for each in plain if not unicodedata.combining(each))
    plain = _FORBIDDEN.sub(" ", plain).strip()
    return plain[:most].strip() if most else plain


def is_day(value: str) -> bool:
    """Whether a value is a day as CCYYMMDD."""
    try:
        return bool(re.fullmatch(r"[0-9]{8}", value) and datetime.date.fromisoformat(value))
    except ValueError:
        return False


def amount(cents: int) -> str:
    """Cents as an amount without zeros at its end: 12550 is 125.5."""
    sign, cents = ("-", -cents) if cents < 0 else ("", cents)
    whole, part = divmod(cents, 100)
    return f"{sign}{whole}" + (f".{part:02}".rstrip("0") if part else "")


def cents(value: str, where: str = "") -> int:
    """Cents of an amount, 0 for an empty one; FhirError "value" for what is no amount or has parts of cents."""
    if not value:
        return 0
    try:
        made = Decimal(value) * 100
        whole = int(made)
    except (InvalidOperation, ValueError, OverflowError):
        raise error("value", f"{where or 'The amount'} {value[:30]!r} is no amount of money.") from None
    if whole != made or abs(whole) > 10**15:
        raise error("value", f"{where or 'The amount'} {value[:30]!r} is no amount of whole cents.")
    return whole
