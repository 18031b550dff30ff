"""What files are named by: the BLAKE3 digest of their bytes, and of those kept before it the SHA-256 digest."""

from __future__ import annotations

import hashlib
from typing import Any

import blake3

_MARK = "-b3"  # after the 64 digits of BLAKE3


def start(data: bytes) -> Any:
    """A digest of bytes that more will follow; update takes them."""
    return blake3.blake3(data)


def name(started: Any) -> str:
    """The name that a started digest gives."""
    return f"{started.hexdigest()}{_MARK}"


def names(digest: str, data: bytes) -> bool:
    """Whether bytes are those that a digest names."""
    if digest.endswith(_MARK):
        return name(start(data)) == digest
    return hashlib.sha256(data).hexdigest() == digest


def comparable(one: str, other: str) -> bool:
    """Whether two digests say by themselves if they are of the same bytes."""
    return one.endswith(_MARK) == other.endswith(_MARK)
