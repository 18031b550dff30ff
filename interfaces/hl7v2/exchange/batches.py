"""Batches and files: FHS, BHS, messages, BTS, FTS (HL7 v2.9 chapter 2.10.3), in a frame, a file or an upload."""

from __future__ import annotations

import re
from typing import NamedTuple

from interfaces.hl7v2.exchange.errors import Problem
from interfaces.hl7v2.header import BEFORE, Header

_SEGMENT = re.compile(rb"(?:^|(?<=[\r\n]))(MSH|FHS|BHS|BTS|FTS)(?=[^A-Za-z0-9\r\n])")
_LINE = re.compile(rb"[^\r\n]*")


class Batch(NamedTuple):
    """The messages of a batch or file, and what is wrong with it as a whole; header: its first FHS or BHS; number:
    BHS-11 of the only batch in it, "" where a file has none or several."""

    header: bytes
    messages: list[bytes]
    problems: tuple[Problem, ...]
    file: bool
    number: str

    @property
    def control(self) -> str:
        """FHS-11 or BHS-11."""
        fields = self.header.decode("latin-1").split(chr(self.header[3]))
        return fields[10] if len(fields) > 10 else ""


def is_batch(content: bytes) -> bool:
    """Whether it begins with FHS or BHS."""
    return content[:64].lstrip(BEFORE)[:3] in (b"FHS", b"BHS")


def split(content: bytes) -> list[bytes]:
    """The messages of content that begins with MSH: mostly one, several where they follow each other."""
    starts = [found.start() for found in _SEGMENT.finditer(content) if found[1] == b"MSH"]
    if len(starts) < 2:
        return [content]
    starts[0] = 0
    return [content[start:end] for start, end in zip(starts, [*starts[1:], len(content)], strict=True)]


def read_batch(content: bytes) -> Batch:
    """Reads content that begins with FHS or BHS. A trailer's count that differs, or is missing its header, is told."""
    messages: list[bytes] = []
    problems: list[Problem] = []
    marks = list(_SEGMENT.finditer(content))
    first = _LINE.match(content, marks[0].start())
    assert first is not None
    header = first[0]
    batches, in_batch, batch_count, trailer = 0, 0, 0, False
    numbers: list[str] = []
    for mark, following in zip(marks, [*marks[1:], None], strict=True):
        end = following.start() if following else len(content)
        name = mark[1].decode()
        line = _LINE.match(content, mark.start())
        assert line is not None
        fields = line[0].decode("latin-1").split(chr(line[0][3]))
        match name:
            case "MSH":
                messages.append(content[mark.start() : end])
                in_batch += 1
            case "BHS":
                batches += 1
                numbers.append("".join(fields[10:11]))
                in_batch = 0
                trailer = False
            case "BTS":
                trailer = True
                batch_count += 1
                problems += _count(fields, in_batch, ("BTS", batch_count, 1), "messages")
            case "FTS":
                problems += _count(fields, batches or 1, ("FTS", 1, 1), "batches")
    if batches and not trailer:
        problems.append(Problem("100", "The batch has no BTS: it may be cut off.", ("BTS", 1)))
    if header[:3] == b"FHS" and marks[-1][1] != b"FTS":
        problems.append(Problem("100", "The file has no FTS: it may be cut off.", ("FTS", 1)))
    number = numbers[0] if len(numbers) == 1 else ""
    return Batch(header, messages, tuple(problems), header[:3] == b"FHS", number)


def _count(fields: list[str], found: int, place: tuple[str | int, ...], what: str) -> list[Problem]:
    stated = fields[1].strip() if len(fields) > 1 else ""
    if not stated or stated == str(found) or (stated.isdigit() and int(stated) == found):
        return []
    text = f"{place[0]}-1 states {stated} {what}, there are {found}. Nothing of it was applied; send it whole."
    return [Problem("102" if not stated.isdigit() else "199", text, place)]


def batch_answer(batch: Batch, answers: list[bytes]) -> bytes:
    """The acknowledgements of a batch's messages as a batch of its own; the names are turned round (2.10.3.3)."""
    fields = batch.header.decode("latin-1").split(chr(batch.header[3]))
    fields += [""] * (12 - len(fields))
    turned = fields[1:2] + fields[4:6] + fields[2:4]
    bar = chr(batch.header[3])
    body = [b"BHS" + bar.encode("latin-1") + _line(bar, [*turned, "", "", "", "", "", batch.number])]
    body += [line for answer in answers for line in answer.rstrip(b"\r").split(b"\r")]
    body.append(f"BTS{bar}{len(answers)}".encode("latin-1"))
    if batch.file:
        body.insert(0, b"FHS" + bar.encode("latin-1") + _line(bar, [*turned, "", "", "", "", "", fields[10]]))
        body.append(f"FTS{bar}1".encode("latin-1"))
    return b"\r".join(body) + b"\r"


def _line(bar: str, fields: list[str]) -> bytes:
    return bar.join(fields).rstrip(bar).encode("latin-1")


def batch_header(batch: Batch) -> Header:
    """What of the batch's header an acknowledgement of the whole needs."""
    line = batch.header.decode("latin-1")
    fields = line.split(line[3])
    fields += [""] * (13 - len(fields))
    marks = fields[1][:4] + "^~\\&"[len(fields[1][:4]) :]
    return Header._make([line[3], *marks, *fields[2:7], "", fields[10], "P", "", "", "", ""])
