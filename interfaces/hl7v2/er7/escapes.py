"""Escape sequences (HL7 v2.9, 2.7): the text a value stands for, and the value that stands for a text.

    \\F\\ \\S\\ \\T\\ \\R\\ \\E\\ \\P\\   the delimiters themselves
    \\Xdd..\\                 bytes in the character set of the message
    \\Cxxyy\\ \\Mxxyyzz\\       ISO 2022 sequences: what follows is in another character set
    \\H\\ \\N\\                 highlighting: dropped from the text
    \\.br\\ \\.sp\\ \\.in\\ …     formatting commands: line ends, spaces, or dropped

What is no escape sequence stays as it is written: a lone escape character, `\\Zxx\\` (local), an unknown letter.
"""

from __future__ import annotations

import re
from functools import lru_cache

from interfaces.hl7v2.er7.charsets import LOSSLESS
from interfaces.hl7v2.er7.delimiters import Delimiters

# Formatting commands (2.7.6): name, and what one stands for; those with a number stand for that many.
FORMATTING = {"br": "\n", "sp": "\n", "sk": " ", "in": "", "ti": "", "fi": "", "nf": "", "ce": "\n"}
_SEQUENCE = r"[FSTREPHN]|X(?:[0-9A-Fa-f]{2})+|C[0-9A-Fa-f]{4}|M[0-9A-Fa-f]{4}(?:[0-9A-Fa-f]{2})?|\.[a-z]{2}[+-]?\d*"
# Sets of 96 letters, by the last byte of the sequence that names one (ISO 2022, ESC - x); read with the eighth bit set.
LETTERS_96 = {
    0x41: "iso8859-1", 0x42: "iso8859-2", 0x43: "iso8859-3", 0x44: "iso8859-4", 0x4C: "iso8859-5",
    0x47: "iso8859-6", 0x46: "iso8859-7", 0x48: "iso8859-8", 0x4D: "iso8859-9", 0x62: "iso8859-15",
}  # fmt: skip


@lru_cache(64)
def _pattern(escape: str) -> re.Pattern[str]:
    mark = re.escape(escape)
    return re.compile(f"{mark}({_SEQUENCE}){mark}")


def unescape(value: str, delimiters: Delimiters, codec: str) -> str:
    """The text that a value stands for; the same string where nothing in it is escaped."""
    if not delimiters.escape or delimiters.escape not in value:
        return value
    parts = _pattern(delimiters.escape).split(value)  # text, body of a sequence, text, … text
    if len(parts) == 1:
        return value
    meanings = _meanings(delimiters)
    designation: bytes | None = None
    for index in range(1, len(parts), 2):
        body = parts[index]
        if body in meanings:
            parts[index] = meanings[body]
        elif body[0] == "X":
            parts[index] = _hexadecimal(bytes.fromhex(body[1:]), codec)
        elif body[0] == ".":
            parts[index] = _formatting(body, f"{delimiters.escape}{body}{delimiters.escape}")
        else:
            designation, parts[index] = bytes.fromhex(body[1:]), ""
        if designation is not None:
            parts[index + 1] = _designated(parts[index + 1], designation, codec)
    return "".join(parts)


def escape(text: str, delimiters: Delimiters) -> str:
    """The value that stands for a text: delimiters escaped, line ends as `.br`, other control characters in hex."""
    mark = delimiters.escape
    if not mark:
        return "".join(" " if character in delimiters or character < " " else character for character in text)
    letters = _letters(delimiters)
    if text.isprintable() and not any(character in letters for character in text):
        return text
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return "".join(
        f"{mark}{letters[character]}{mark}"
        if character in letters
        else f"{mark}.br{mark}"
        if character == "\n"
        else f"{mark}X{ord(character):02X}{mark}"
        if character < " "
        else character
        for character in text
    )


@lru_cache(64)
def _meanings(delimiters: Delimiters) -> dict[str, str]:
    letters = {letter: character for character, letter in _letters(delimiters).items()}
    return {"P": "", **letters, "H": "", "N": ""}


@lru_cache(64)
def _letters(delimiters: Delimiters) -> dict[str, str]:
    return {
        character: letter
        for character, letter in zip(
            (
                delimiters.field,
                delimiters.component,
                delimiters.subcomponent,
                delimiters.repetition,
                delimiters.escape,
                delimiters.truncation,
            ),
            "FSTREP",
            strict=True,
        )
        if character
    }


def _formatting(body: str, whole: str) -> str:
    meaning = FORMATTING.get(body[1:3])
    if meaning is None:
        return whole
    count = body[3:].lstrip("+-")
    return meaning * min(int(count), 200) if count and body[1:3] in ("sp", "sk") else meaning


def _hexadecimal(raw: bytes, codec: str) -> str:
    try:
        return raw.decode(codec, LOSSLESS)
    except UnicodeDecodeError:
        return raw.decode("iso8859-1")


def _designated(text: str, designation: bytes | None, codec: str) -> str:
    """A stretch of text in the set that an ISO 2022 sequence named."""
    if designation is None or not text:
        return text
    raw = text.encode(codec, LOSSLESS)
    try:
        if designation[0] == 0x2D and designation[-1] in LETTERS_96:
            return bytes(byte | 0x80 if byte > 0x20 else byte for byte in raw).decode(LETTERS_96[designation[-1]])
        return (b"\x1b" + designation + raw + b"\x1b(B").decode("iso2022_jp_2")
    except UnicodeDecodeError:
        return text
