"""Versions as MongoDB documents and back, digit for digit.

A resource is stored as native BSON. BSON can't hold all JSON: a decimal of more than 34 digits, a whole number past 64
bits, a name that starts with `$` (which drivers take for something else) or has a NUL, 100 levels. Then `resource` has
the nearest that BSON can hold, and `exact` the bytes, which count.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import bson
import msgspec
from bson.codec_options import CodecOptions, TypeEncoder, TypeRegistry
from bson.decimal128 import Decimal128
from bson.errors import InvalidDocument
from bson.int64 import Int64
from bson.raw_bson import RawBSONDocument

from fhir_server.codec.json import nested_deeper
from fhir_server.core.keys import StoredVersion

DIGITS = 34  # of a Decimal128
LEVELS = 90  # MongoDB takes 100 with those that are ours
_HALVES = struct.Struct("<QQ").unpack
_LARGE = 0x6000000000000000  # bits of another form of the coefficient, of infinity and of what is no number
_DOLLAR_NAME = re.compile(rb'"\$[^"]*":')


class _InexactError(Exception):
    """A decimal that Decimal128 can't hold."""


class _DecimalEncoder(TypeEncoder):
    @property
    def python_type(self) -> type[Decimal]:
        return Decimal

    def transform_python(self, value: Decimal) -> Decimal128:
        if len(value.as_tuple().digits) > DIGITS:
            raise _InexactError
        return Decimal128(value)


OPTIONS: CodecOptions[dict[str, Any]] = CodecOptions(type_registry=TypeRegistry([_DecimalEncoder()]))
RAW: CodecOptions[RawBSONDocument] = CodecOptions(document_class=RawBSONDocument)


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal128):
        return _number(value)
    if isinstance(value, Int64):
        return int(value)
    raise TypeError(f"{type(value).__name__} in a stored resource")


def _number(value: Decimal128) -> Decimal | msgspec.Raw:
    """The digits as they were, from the binary form for nearly all: PyMongo's own way takes ten times as long.

    https://github.com/mongodb/specifications/blob/master/source/bson-decimal128/decimal128.md
    """
    low, high = _HALVES(value.bid)
    exponent = (high >> 49 & 0x3FFF) - 6176
    if not -6 <= exponent <= 0 or high & _LARGE == _LARGE:
        return value.to_decimal()
    digits = str((high & 0x1FFFFFFFFFFFF) << 64 | low)
    if exponent:
        digits = digits.rjust(1 - exponent, "0")
        digits = f"{digits[:exponent]}.{digits[exponent:]}"
    return msgspec.Raw(f"-{digits}" if high >> 63 else digits)


_serialize = msgspec.json.Encoder(decimal_format="number", enc_hook=_plain).encode


def native(resource: Mapping[str, Any], body: bytes) -> tuple[RawBSONDocument, bool]:
    """The resource as BSON, and whether its canonical JSON bytes can be made of it again."""
    if not (_DOLLAR_NAME.search(body) or nested_deeper(body, LEVELS)):
        try:
            return RawBSONDocument(bson.encode(resource, codec_options=OPTIONS)), True
        except (_InexactError, InvalidDocument, OverflowError, ArithmeticError):
            pass
    return RawBSONDocument(bson.encode(_nearest(resource, LEVELS), codec_options=OPTIONS)), False


def _nearest(node: Any, levels: int) -> Any:
    """What BSON can hold of a value: other names for those that it can't have, numbers cut short, depth cut off."""
    if isinstance(node, Mapping):
        if not levels:
            return {}
        return {
            name.replace("\0", "\N{SYMBOL FOR NULL}").replace("$", "\N{FULLWIDTH DOLLAR SIGN}"): _nearest(
                value, levels - 1
            )
            for name, value in node.items()
        }
    if isinstance(node, list):
        return [_nearest(value, levels - 1) for value in node] if levels else []
    if isinstance(node, Decimal):
        return Decimal(f"{node:.{DIGITS - 1}e}") if len(node.as_tuple().digits) > DIGITS else node
    if isinstance(node, int) and not -(2**63) <= node < 2**63:
        return str(node)
    return node


def body_of(document: Mapping[str, Any]) -> bytes:
    """The canonical JSON bytes of a version that has them within its document; b"" for a deletion."""
    exact = document.get("exact")
    if exact is not None:
        return bytes(exact)
    resource = document.get("resource")
    return b"" if resource is None else _serialize(resource)


def version_of(document: Mapping[str, Any], body: bytes) -> StoredVersion:
    """A document of resources or history as the version that it holds."""
    type, _, id = document.get("key", document["_id"]).partition("/")
    return StoredVersion(
        type, id, int(document["version"]), int(document["seq"]), int(document["updated"]), document["method"], body
    )
