"""Messages and letters as JSON for programs and the page; times are FHIR instants."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fhir_server.core.errors import FhirError
from fhir_server.core.keys import instant
from interfaces.hl7v2 import er7
from interfaces.hl7v2.messages.message import Message
from interfaces.hl7v2.messages.port import Letter

MOST_SEGMENTS = 500
MOST_TEXT = 2_000_000  # characters of a message that are shown as one text


def message_row(message: Message) -> dict[str, Any]:
    """A message in a list."""
    return {
        "id": message.id,
        "received": instant(message.received),
        "source": message.source,
        "sender": message.sender,
        "kind": message.kind,
        "control": message.control,
        "version": message.version,
        "patients": list(message.patients),
        "size": message.size,
        "state": message.state,
        "changed": instant(message.changed),
        "reason": message.reason,
        "alarm": message.alarm,
        "batch": message.batch,
        "attempt": message.attempt,
        "revision": message.revision,
        "code": message.code,
    }


def message_view(message: Message, raw: bytes) -> dict[str, Any]:
    """A message by itself, with its segments and what it made."""
    segments, text, problem = _read(raw)
    return {
        **message_row(message),
        "steps": [{"at": instant(at), "state": state, "reason": reason} for at, state, reason in message.steps],
        "links": list(message.links),
        "provenance": f"Provenance/{message.provenance}" if message.links else "",
        "answer": message.answer.decode("utf-8", "backslashreplace"),
        "text": text[:MOST_TEXT],
        "more_text": max(0, len(text) - MOST_TEXT),
        "segments": segments[:MOST_SEGMENTS],
        "more_segments": max(0, len(segments) - MOST_SEGMENTS),
        "problem": problem,
    }


def _read(raw: bytes) -> tuple[list[dict[str, Any]], str, str]:
    try:
        read = er7.parse(raw)
    except FhirError as problem:
        return [], raw.decode("utf-8", "backslashreplace"), str(problem)
    text = raw.decode(read.encoding.codec, "backslashreplace").replace("\r\n", "\n").replace("\r", "\n")
    bar = read.delimiters.field
    shown = [_segment(segment, bar) for segment in read.segments[: MOST_SEGMENTS + 1]]
    shown += [{}] * (len(read.segments) - len(shown))
    return shown, text, "; ".join(read.problems)


def _segment(segment: er7.Segment, bar: str) -> dict[str, Any]:
    """A segment as its name and its fields that are not empty, as they are written."""
    parts = segment.text.split(bar)
    first = 2 if segment.name in ("MSH", "BHS", "FHS") else 1
    return {
        "name": _shown(segment.name),
        "fields": [{"number": number, "text": _shown(part)} for number, part in enumerate(parts[1:], first) if part],
    }


def _shown(text: str) -> str:
    """A text; bytes in it that are not of the message's character set as \\xNN."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def letter_view(letter: Letter) -> dict[str, Any]:
    """A letter, with its content and its acknowledgement."""
    return {
        "id": letter.id,
        "destination": letter.destination,
        "key": letter.key,
        "kind": letter.kind,
        "control": letter.control,
        "state": letter.state,
        "made": instant(letter.made),
        "changed": instant(letter.changed),
        "tries": letter.tries,
        "reason": letter.reason,
        "text": letter.body.decode("utf-8", "backslashreplace").replace("\r", "\n"),
        "answer": letter.answer.decode("utf-8", "backslashreplace").replace("\r", "\n"),
    }


def status(rows: Iterable[Any], now: int) -> list[dict[str, Any]]:
    """Tallies as JSON, with how old the oldest message is, in seconds."""
    return [
        {"sender": sender, "state": state, "count": count, "oldest_seconds": round((now - oldest) / 1e6, 3)}
        for sender, state, count, oldest in rows
    ]
