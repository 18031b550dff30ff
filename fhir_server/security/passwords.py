"""Passwords and client secrets, kept as scrypt hashes (RFC 7914) with the parameters beside them.

A hash takes a twentieth of a second and 32 MiB, so that whoever answers others meanwhile has it made in a thread, of
which there are few.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import secrets
from concurrent.futures import ThreadPoolExecutor
from unicodedata import normalize

COST, BLOCK, PARALLEL = 2**15, 8, 1
SHORTEST = 12
THREADS = 2

_threads = ThreadPoolExecutor(THREADS, "scrypt")


def hashed(password: str) -> str:
    """What to keep: scrypt$cost$block$parallel$salt$hash."""
    salt = secrets.token_bytes(16)
    return "$".join(["scrypt", str(COST), str(BLOCK), str(PARALLEL), _text(salt), _text(_scrypt(password, salt))])


def matches(password: str, kept: str) -> bool:
    """Whether it is the password; takes as long where there is none to compare with."""
    if not kept:
        kept = _NOTHING
    _, cost, block, parallel, salt, wanted = kept.split("$")
    found = _scrypt(password, base64.b64decode(salt), int(cost), int(block), int(parallel))
    return hmac.compare_digest(found, base64.b64decode(wanted)) and kept is not _NOTHING


def is_same(kept: str, before: str) -> bool:
    """Whether what is kept of a password is what was kept before."""
    return hmac.compare_digest(kept, before)


async def hashed_aside(password: str) -> str:
    """`hashed`, while others are answered."""
    return await asyncio.get_running_loop().run_in_executor(_threads, hashed, password)


async def matches_aside(password: str, kept: str) -> bool:
    """`matches`, while others are answered."""
    return await asyncio.get_running_loop().run_in_executor(_threads, matches, password, kept)


def problem(password: str, name: str) -> str:
    """What is wrong with a new password, "" for nothing."""
    if len(password) < SHORTEST:
        return f"A password needs at least {SHORTEST} characters."
    if name.casefold() in password.casefold():
        return "A password must not contain the name."
    if len(set(password)) < 5:
        return "A password needs more different characters."
    return ""


def _scrypt(password: str, salt: bytes, cost: int = COST, block: int = BLOCK, parallel: int = PARALLEL) -> bytes:
    written = normalize("NFC", password)  # keyboards differ in how they compose accents
    return hashlib.scrypt(written.encode(), salt=salt, n=cost, r=block, p=parallel, maxmem=2**26, dklen=32)


def _text(value: bytes) -> str:
    return base64.b64encode(value).decode()


_NOTHING = "$".join(["scrypt", str(COST), str(BLOCK), str(PARALLEL), _text(b"\0" * 16), _text(b"\0" * 32)])
