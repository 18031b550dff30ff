"""What a JWT says before its signature is checked: whose keys to try, and nothing more is to be made of it."""

from __future__ import annotations

import base64
from typing import Any

import msgspec

LONGEST = 16 * 1024  # characters of a token


def header(token: str) -> dict[str, Any]:
    """What a token's header says; {} for what is no token."""
    return _segment(token, 0)


def claims(token: str) -> dict[str, Any]:
    """What a token says; {} for what is no token."""
    return _segment(token, 1)


def issuer(token: str) -> str:
    """Who a token says it is from, "" for nobody."""
    return str(claims(token).get("iss", ""))


def _segment(token: str, number: int) -> dict[str, Any]:
    if len(token) > LONGEST:
        return {}
    try:
        part = token.split(".")[number]
        found = msgspec.json.decode(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
        return found if isinstance(found, dict) else {}
    except (IndexError, ValueError, RecursionError):
        return {}
