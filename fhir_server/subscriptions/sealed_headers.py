"""Values of a channel's headers, which may be secrets: in the resource they are sealed, whoever reads it.

    Name: sealed.BASE64URL        a nonce of 12 bytes, and AES-256-GCM of the value

What is sealed is good for one Subscription, one endpoint and one name. So a Subscription that is read, changed and
stored keeps its headers, and nobody has them sent elsewhere.
"""

from __future__ import annotations

import base64
import binascii
import secrets
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from fhir_server.subscriptions.criteria import refused
from fhir_server.subscriptions.subscription import HEADER, Header

SEALED = "sealed."
NONCE = 12  # bytes


class SealedHeaders:
    """secret: 32 bytes, the same in all processes."""

    def __init__(self, secret: Callable[[], Awaitable[bytes]]) -> None:
        self._secret = secret

    async def sealed(self, id: str, resource: dict[str, Any], before: dict[str, Any]) -> dict[str, Any]:
        """The Subscription with its headers sealed; those that say what they said before are as they were."""
        listed = _listed(resource)
        if not listed:
            return resource
        key, endpoint = AESGCM(await self._secret()), _endpoint(resource)
        known: dict[Header | None, str] = {}
        for text in _listed(before):
            header = _header(text)
            value = header and _opened(key, id, endpoint, header)
            if header and value is not None:
                known[header[0], value] = text
        made = [known.get(_header(text)) or _sealed(key, id, endpoint, text) for text in listed]
        return {**resource, "channel": {**resource["channel"], "header": made}}

    async def opened(self, id: str, endpoint: str, headers: Sequence[Header]) -> tuple[Header, ...]:
        """The headers as they are sent; FhirError "unprocessable" for one that was sealed for something else."""
        if not any(value.startswith(SEALED) for _, value in headers):
            return tuple(headers)
        key = AESGCM(await self._secret())
        found = []
        for number, header in enumerate(headers):
            value = _opened(key, id, endpoint, header) if header[1].startswith(SEALED) else header[1]
            if value is None:
                raise refused(f"channel.header[{number}]", f"What {header[0]} says was sealed for another Subscription "
                              "or endpoint, or by another server; say it anew.")  # fmt: skip
            found.append((header[0], value))
        return tuple(found)


def _listed(resource: dict[str, Any]) -> list[Any]:
    channel = resource.get("channel")
    listed = channel.get("header") if isinstance(channel, dict) else None
    return listed if isinstance(listed, list) else []


def _endpoint(resource: dict[str, Any]) -> str:
    return str(resource["channel"].get("endpoint", ""))


def _header(text: Any) -> Header | None:
    found = HEADER.match(text) if isinstance(text, str) else None
    return (found[1], found[2].strip()) if found else None


def _about(id: str, endpoint: str, name: str) -> bytes:
    return "\n".join((id, endpoint, name.lower())).encode()


def _sealed(key: AESGCM, id: str, endpoint: str, text: Any) -> Any:
    header = _header(text)
    if header is None or header[1].startswith(SEALED):
        return text
    nonce = secrets.token_bytes(NONCE)
    sealed = nonce + key.encrypt(nonce, header[1].encode(), _about(id, endpoint, header[0]))
    return f"{header[0]}: {SEALED}{base64.urlsafe_b64encode(sealed).decode()}"


def _opened(key: AESGCM, id: str, endpoint: str, header: Header) -> str | None:
    try:
        sealed = base64.urlsafe_b64decode(header[1].removeprefix(SEALED))
        return key.decrypt(sealed[:NONCE], sealed[NONCE:], _about(id, endpoint, header[0])).decode()
    except (InvalidTag, ValueError, binascii.Error):
        return None
