r"""Separators in a value, `,` `$` and `|`, and the backslash that takes their meaning away.

Specification: https://hl7.org/fhir/R4/search.html#escaping
"""

from __future__ import annotations

import re

_SPECIAL = re.compile(r"([,$|\\])")
_ESCAPED = re.compile(r"\\([,$|\\])")


def split(text: str, separator: str) -> list[str]:
    r"""The parts of `a,b\,c` between separators that are not escaped; escapes stay, to split the parts again."""
    if "\\" not in text:
        return text.split(separator)
    parts, start, position = [], 0, 0
    while position < len(text):
        if text[position] == "\\":
            position += 2
            continue
        if text[position] == separator:
            parts.append(text[start:position])
            start = position + 1
        position += 1
    return [*parts, text[start:]]


def unescape(text: str) -> str:
    r"""The text that is meant: `\,` is `,`; a backslash before anything else is itself."""
    return _ESCAPED.sub(r"\1", text) if "\\" in text else text


def escape(text: str) -> str:
    r"""The text as a value that means it: `,` is `\,`."""
    return _SPECIAL.sub(r"\\\1", text)
