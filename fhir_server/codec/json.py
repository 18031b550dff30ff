"""JSON, both ways, digits kept: https://hl7.org/fhir/R4/json.html.

A resource is a plain dict. Numbers with a point or an exponent are decimal.Decimal, so that 1.00 stays 1.00; others are
int. What comes from outside goes through `parse`; `decode` is for the bytes that this server wrote itself.
"""

from __future__ import annotations

import decimal
import json
import re
from typing import Any

import msgspec

from fhir_server.core.errors import FhirError, error

MAX_DEPTH = 200  # objects and arrays inside one another; the deepest official example has 26
MAX_EXPONENT = 999  # of a decimal, and digits it may have: past any measurement, and below what would exhaust memory

_NUMBERS = decimal.Context(
    prec=MAX_EXPONENT,
    Emax=MAX_EXPONENT,
    Emin=-MAX_EXPONENT,
    traps=[decimal.InvalidOperation, decimal.Overflow, decimal.Inexact, decimal.Clamped],
)
_BOM = b"\xef\xbb\xbf"
_MALFORMED = re.compile(r"JSON is malformed: (.*) \(byte (\d+)\)")  # how msgspec says it
_HALF_A_PAIR = re.compile(r"(?<!\\ud[89ab]..)\\ud[c-f]..|\\ud[89ab]..(?!\\ud[c-f]..)")
_NOT_BRACKETS = bytes(byte for byte in range(256) if byte not in b"{}[]")

decode = msgspec.json.Decoder(float_hook=_NUMBERS.create_decimal).decode
"""The value of JSON bytes that are known to be good."""

serialize = msgspec.json.Encoder(decimal_format="number").encode
"""The canonical bytes of a resource: compact, in its own order, each decimal with its digits."""


def parse(data: bytes) -> dict[str, Any]:
    """The resource in JSON bytes from outside; a byte order mark is passed over.

    FhirError malformed, with line and column: not JSON, not UTF-8, cut short, nested deeper than MAX_DEPTH, not an
    object, an object with one name twice, a number past MAX_EXPONENT.
    """
    resource = parse_any(data)
    if type(resource) is not dict:
        raise error("malformed", f"The JSON is {_kind(resource)} where a resource, an object {{…}}, is expected.")
    return resource


def parse_any(data: bytes) -> Any:
    """Like parse, for a document that need not be an object (a JSON Patch is an array)."""
    try:
        value = decode(data)
    except (ValueError, ArithmeticError, RecursionError) as cause:
        if data.startswith(_BOM):
            return parse_any(data[len(_BOM) :])
        raise _malformed(data, cause) from None
    if nested_deeper(data, MAX_DEPTH) and _depth(value) > MAX_DEPTH:
        raise _too_deep()
    # A name that comes twice would silently lose a value. Each loss takes quotes with it.
    if serialize(value).count(b'"') != data.count(b'"') or (b"\\" in data and b"\\u0022" in data):
        _refuse_repeated_names(data)
    return value


def pretty(data: bytes) -> bytes:
    """The same JSON with line breaks and two spaces a level; digits and order as they are."""
    return msgspec.json.format(data, indent=2)


def _kind(value: Any) -> str:
    return {list: "an array", str: "a string", bool: "a boolean", type(None): "null"}.get(type(value), "a number")


def _position(data: bytes, at: int) -> str:
    return f"line {data.count(10, 0, at) + 1}, column {at - data.rfind(10, 0, at)}"


def _malformed(data: bytes, cause: Exception) -> FhirError:
    """The error for bytes that don't decode: what is wrong and where."""
    if isinstance(cause, RecursionError):
        return _too_deep()
    if isinstance(cause, decimal.DecimalException) or "out of range" in str(cause):
        return error("malformed", f"A number of the JSON is too large or has more than {MAX_EXPONENT} digits.")
    try:
        data.decode()
    except UnicodeDecodeError as wrong:
        where = _position(data, wrong.start)
        return error("malformed", f"The body is not UTF-8: byte 0x{data[wrong.start]:02x} at {where}.", location=where)
    if not data.strip():
        return error("malformed", "The body is empty; a resource in JSON is expected.")
    if _HALF_A_PAIR.search(json.dumps(_leniently(data))):
        return error(
            "malformed", "A \\u escape is half of a surrogate pair; write both halves, or the character itself."
        )
    if broken := _MALFORMED.match(str(cause)):
        reason, at = broken.groups()
        where = _position(data, int(at))
        return error("malformed", f"The body is not JSON: {reason} at {where}.", location=where)
    where = _position(data, len(data))
    return error("malformed", f"The JSON is cut short: it ends unfinished at {where}.", location=where)


def _leniently(data: bytes) -> Any:
    """The value as a reader has it that takes halves of surrogate pairs; None where it takes nothing."""
    try:
        return json.loads(data) if b"\\u" in data else None
    except (ValueError, RecursionError):
        return None


def _too_deep() -> FhirError:
    return error("malformed", f"The JSON is nested too deep; at most {MAX_DEPTH} levels are taken.", code="too-costly")


def nested_deeper(data: bytes, limit: int) -> bool:
    """Whether brackets may be nested deeper than this; those of a text count too, so True has to be looked into."""
    brackets = data.translate(None, _NOT_BRACKETS)
    if len(brackets) <= 2 * limit:
        return False
    for _ in range(limit):
        outer = brackets.replace(b"{}", b"").replace(b"[]", b"")  # without the innermost level of all that is left
        if len(outer) == len(brackets):
            break
        brackets = outer
    return bool(brackets)


def _depth(value: Any) -> int:
    depth = 0
    level = [value]
    while level := [node for node in level if isinstance(node, (dict, list))]:
        level = [child for node in level for child in (node.values() if isinstance(node, dict) else node)]
        depth += 1
    return depth


def _refuse_repeated_names(data: bytes) -> None:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            names = [name for name, _ in pairs]
            repeated = next(name for name in names if names.count(name) > 1)
            raise error("malformed", f'The JSON has the name "{repeated}" twice in one object; keep one of them.')
        return found

    json.loads(data, object_pairs_hook=unique)
