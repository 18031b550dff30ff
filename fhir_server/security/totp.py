"""Time-based one-time passwords (RFC 6238): SHA-1, 30 seconds, 6 digits, as authenticator apps have them."""

from __future__ import annotations

import base64
import hmac
import secrets
import struct
from urllib.parse import quote

STEP = 30_000_000  # microseconds
DRIFT = 1  # steps that a phone's clock may be off


def new_secret() -> str:
    """A secret of 160 bits in base32."""
    return base64.b32encode(secrets.token_bytes(20)).decode()


def code_at(secret: str, step: int) -> str:
    """The six digits of a step."""
    found = hmac.digest(base64.b32decode(secret), struct.pack(">Q", step), "sha1")
    offset = found[-1] & 15
    return f"{(struct.unpack('>I', found[offset : offset + 4])[0] & 0x7FFFFFFF) % 1_000_000:06}"


def step_of(secret: str, code: str, now: int) -> int | None:
    """The step that a code is of, to be used once only; None where it is of none near now (microseconds)."""
    current = now // STEP
    found = None
    for step in range(current - DRIFT, current + DRIFT + 1):
        if hmac.compare_digest(code_at(secret, step).encode(), code.strip().encode()):
            found = step
    return found


def uri(secret: str, name: str, issuer: str) -> str:
    """What an authenticator app reads from a QR code or a link."""
    return f"otpauth://totp/{quote(issuer)}:{quote(name)}?secret={secret}&issuer={quote(issuer)}"
