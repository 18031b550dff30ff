"""The assignments of the tables: constants, and texts joined of parts of the source; ours may multiply two numbers.

    "ATND"      "urn:oid:"+HD.2      XTN.6+" "+XTN.7      OBX-5.1+"-"+OBX-5.2      FT1-12.1.1*FT1-10

What stands between slashes tells an implementer what to do, and is no assignment.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any

from mappings.hl7v2.conditions import Operand

_PART = re.compile(r'\s*(?:"([^"]*)"|([A-Z][A-Z0-9]{1,2}(?:[-.]\d+(?:\.\d+){0,2})?)|(\+))')
_PRODUCT = re.compile(r"([A-Z][A-Z0-9]{2}-\d+(?:\.\d+){0,2})\s*\*\s*([A-Z][A-Z0-9]{2}-\d+(?:\.\d+){0,2})")
_WORD = re.compile(r"[a-z][\w:/.-]*|https?://\S+")

Assignment = str | Callable[[Any], str]


@lru_cache(4096)
def compile_assignment(text: str) -> Assignment | None:
    """A constant, a function from a Context to a text, or None where the text is an instruction to people."""
    text = text.strip()
    if not text or text.startswith("/"):
        return None
    if _WORD.fullmatch(text):
        return text
    if product := _PRODUCT.fullmatch(text):
        return _multiply(_operand(product[1]), _operand(product[2]))
    parts: list[str | Operand] = []
    position = 0
    while position < len(text):
        found = _PART.match(text, position)
        if not found:
            return None
        position = found.end()
        if found[1] is not None:
            parts.append(found[1])
        elif found[2]:
            parts.append(_operand(found[2]))
    if all(isinstance(part, str) for part in parts):
        return "".join(part for part in parts if isinstance(part, str)).strip()

    def join(context: Any) -> str:
        values = [part if isinstance(part, str) else (context.read(part) or [""])[0] for part in parts]
        return (
            "".join(values).strip()
            if any(value for value, part in zip(values, parts, strict=True) if not isinstance(part, str))
            else ""
        )

    return join


def _operand(text: str) -> Operand:
    name, *numbers = re.split(r"[-.]", text)
    return Operand(name, *(int(number) for number in numbers))


def _multiply(one: Operand, two: Operand) -> Callable[[Any], str]:
    def product(context: Any) -> str:
        try:
            values = [Decimal((context.read(each) or [""])[0].strip()) for each in (one, two)]
        except InvalidOperation:
            return ""
        return format(values[0] * values[1], "f") if all(each.is_finite() for each in values) else ""

    return product
