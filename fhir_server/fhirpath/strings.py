"""String functions on plain values (https://hl7.org/fhirpath/#string-manipulation); None stands for empty."""

from __future__ import annotations

import functools
from typing import Any

import regex

from fhir_server.fhirpath.errors import FhirPathError

REGEX_SECONDS = 0.25
MAX_PATTERN = 4_000
MAX_TEXT = 1_000_000
_INTEGER = regex.compile(r"[+\-]?\d{1,10}")


_FLAGS = {"i": regex.IGNORECASE, "m": regex.MULTILINE}


@functools.lru_cache(maxsize=512)
def pattern(text: str, flags: str = "") -> regex.Pattern[str]:
    """A regular expression as FHIRPath has it: the dot matches line ends too. FhirPathError for one that is none.

    flags: i ignores case, m lets ^ and $ match at each line.
    """
    if not set(flags) <= _FLAGS.keys():
        raise FhirPathError("execution", f"The flags of a regular expression are i and m, not `{flags}`")
    if len(text) > MAX_PATTERN:
        raise FhirPathError("limit", f"The regular expression has {len(text)} characters; {MAX_PATTERN} are allowed")
    try:
        return regex.compile(text, functools.reduce(int.__or__, (_FLAGS[f] for f in flags), int(regex.DOTALL)))
    except regex.error as failure:
        raise FhirPathError("execution", f"`{text[:200]}` is no regular expression: {failure}") from None


def _timed(call: Any, *arguments: Any) -> Any:
    try:
        return call(*arguments, timeout=REGEX_SECONDS)
    except TimeoutError:
        raise FhirPathError(
            "limit", f"A regular expression took longer than {REGEX_SECONDS} s; simplify its repetitions"
        ) from None


def startsWith(text: str | None, prefix: str | None) -> bool | None:
    """Whether text starts with prefix."""
    return None if text is None or prefix is None else text.startswith(prefix)


def endsWith(text: str | None, suffix: str | None) -> bool | None:
    """Whether text ends with suffix."""
    return None if text is None or suffix is None else text.endswith(suffix)


def contains(text: str | None, part: str | None) -> bool | None:
    """Whether part occurs in text."""
    return None if text is None or part is None else part in text


def indexOf(text: str | None, part: str | None) -> int | None:
    """Where part first occurs in text, -1 where it does not."""
    return None if text is None or part is None else text.find(part)


def lastIndexOf(text: str | None, part: str | None) -> int | None:
    """Where part last occurs in text, -1 where it does not."""
    return None if text is None or part is None else text.rfind(part)


def substring(text: str | None, start: int | None, length: int | None = None) -> str | None:
    """The part of text from start (0-based), at most length long; None where start is outside of it."""
    if text is None or start is None or not 0 <= start < len(text):
        return None
    return text[start:] if length is None else text[start : start + max(length, 0)]


def matches(text: str | None, expression: str | None, flags: str | None = None) -> bool | None:
    """Whether the regular expression matches some part of text."""
    if text is None or expression is None:
        return None
    return _timed(pattern(expression, flags or "").search, text) is not None


def matchesFull(text: str | None, expression: str | None, flags: str | None = None) -> bool | None:
    """Whether the regular expression matches all of text."""
    if text is None or expression is None:
        return None
    return _timed(pattern(expression, flags or "").fullmatch, text) is not None


def replaceMatches(
    text: str | None, expression: str | None, substitution: str | None, flags: str | None = None
) -> str | None:
    """Text with all matches replaced; the substitution may name groups as $1 or ${name}. "" matches nothing."""
    if text is None or expression is None or substitution is None:
        return None
    if not expression:
        return text
    return limited(_timed(pattern(expression, flags or "").sub, _template(substitution), text))


@functools.lru_cache(maxsize=128)
def _template(substitution: str) -> str:
    escaped = substitution.replace("\\", "\\\\")
    return regex.sub(r"\$(?:(\d)|\{(\w+)\})", lambda found: f"\\g<{found[1] or found[2]}>", escaped)


def replace(text: str | None, part: str | None, substitution: str | None) -> str | None:
    """Text with every occurrence of part replaced; an empty part occurs around every character."""
    if text is None or part is None or substitution is None:
        return None
    return limited(text.replace(part, substitution))


def length(text: str | None) -> int | None:
    """How many characters there are."""
    return None if text is None else len(text)


def upper(text: str | None) -> str | None:
    """In upper case."""
    return None if text is None else text.upper()


def lower(text: str | None) -> str | None:
    """In lower case."""
    return None if text is None else text.lower()


def trim(text: str | None) -> str | None:
    """Without white space at its ends."""
    return None if text is None else text.strip()


def toInteger(text: str | None) -> int | None:
    """The integer that text spells; None where it spells none, or one beyond 32 bits."""
    if text is None or not _INTEGER.fullmatch(text):
        return None
    number = int(text)
    return number if -(2**31) <= number < 2**31 else None


def limited(text: str) -> str:
    """The text, if it is not longer than results may be. FhirPathError, kind limit."""
    if len(text) > MAX_TEXT:
        raise FhirPathError("limit", f"A text of {len(text)} characters came out; {MAX_TEXT} are allowed")
    return text
