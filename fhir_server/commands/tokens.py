"""The access token that a process shows to a server elsewhere: from a file, or asked for by a client with a key.

The latter is a Backend Service (https://hl7.org/fhir/smart-app-launch/STU2.2/backend-services.html) that proves itself
by private_key_jwt.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fhir_server.core.errors import error

if TYPE_CHECKING:
    import httpx

    from fhir_server.client import ShownToken

SCOPE = "system/*.cruds"
ASSERTION_SECONDS = 120
EARLY = 30.0  # seconds before its end from which a token is not shown any more

TokenFileOption = Annotated[
    Path | None,
    typer.Option(help="File with the access token for --server; read again whenever it changes.", show_default=False),
]
ClientIdOption = Annotated[
    str, typer.Option(help="The client (a backend service) that asks --server for tokens.", show_default=False)
]
ClientKeyOption = Annotated[
    Path | None,
    typer.Option(help="File with that client's private key, a JWK; `hms client add --new-key` makes one."),
]


class TokenFile:
    """The token in a file, as it is now: another program may put a new one there before the old one ends."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp = (0, 0)
        self._token = ""

    def read(self) -> str:
        """The token; FhirError "unavailable" where the file has none."""
        try:
            found = self._path.stat()
            if (found.st_mtime_ns, found.st_size) != self._stamp:
                self._token = self._path.read_text("ascii").strip()
                self._stamp = (found.st_mtime_ns, found.st_size)
        except (OSError, UnicodeError) as problem:
            raise error("unavailable", f"The token file {self._path} can't be read: {problem}.") from problem
        if not self._token:
            raise error("unavailable", f"The token file {self._path} is empty.")
        return self._token

    async def token(self) -> str:
        """See ShownToken."""
        return self.read()

    def refused(self, token: str) -> bool:
        """See ShownToken."""
        return self.read() != token


class ClientKey:
    """Tokens that a client gets by its key from the token endpoint of a FHIR server; each is shown until it ends.

    seconds: gives the time since 1970, for the assertion that it signs.
    """

    def __init__(
        self,
        base: str,
        id: str,
        file: Path,
        transport: httpx.AsyncBaseTransport | None = None,
        seconds: Callable[[], float] = time.time,
    ) -> None:
        self._base = base.rstrip("/")
        self._id = id
        self._jwk = _private_key(file)
        self._transport = transport
        self._seconds = seconds
        self._asking = asyncio.Lock()
        self._token = ""
        self._until = 0.0  # of time.monotonic()

    async def token(self) -> str:
        """See ShownToken."""
        async with self._asking:
            if time.monotonic() >= self._until:
                await self._ask()
            return self._token

    def refused(self, token: str) -> bool:
        """See ShownToken."""
        if token == self._token:
            self._until = 0.0
        return True

    async def _ask(self) -> None:
        import httpx

        async with httpx.AsyncClient(transport=self._transport, timeout=30) as http:
            try:
                stated = await http.get(f"{self._base}/.well-known/smart-configuration")
                place = str(_object(stated)["token_endpoint"])
                form = {
                    "grant_type": "client_credentials",
                    "scope": SCOPE,
                    "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
                    "client_assertion": self._assertion(place),
                }
                answer = await http.post(place, data=form)
                given = _object(answer)
                seconds = float(given["expires_in"])
                token = str(given["access_token"])
            except (httpx.HTTPError, httpx.InvalidURL) as problem:
                raise error(
                    "unavailable", f"No token can be had from {self._base}: {problem or 'no answer'}."
                ) from None
            except (KeyError, ValueError, TypeError):
                raise error(
                    "unavailable", f"{self._base} gives no tokens; is it the FHIR base URL of a secured server?"
                ) from None
        self._token = token
        self._until = time.monotonic() + max(seconds - EARLY, seconds / 2)

    def _assertion(self, audience: str) -> str:
        from joserfc import jwt

        from fhir_server.security.keys import key_of

        key = key_of(self._jwk)
        header = {"alg": "RS384" if self._jwk["kty"] == "RSA" else "ES384", "typ": "JWT", "kid": key.kid}
        now = int(self._seconds())
        claims = {
            "iss": self._id, "sub": self._id, "aud": audience, "jti": secrets.token_urlsafe(24), "iat": now,
            "exp": now + ASSERTION_SECONDS,
        }  # fmt: skip
        return jwt.encode({k: v for k, v in header.items() if v}, claims, key, algorithms=[header["alg"]])


def _object(answer: httpx.Response) -> dict[str, Any]:
    """What a JSON answer says; FhirError "unavailable" with the server's words where it refuses."""
    found = answer.json() if answer.content[:1] == b"{" else {}
    if answer.status_code >= 400 and "error" in found:
        why = str(found.get("error_description") or found["error"])[:300]
        raise error("unavailable", f"The server gives this client no token: {why}")
    return found


def _private_key(file: Path) -> dict[str, Any]:
    """The first private key of a JWK or a JWK Set; FhirError "value" where there is none that can be used."""
    from joserfc.errors import JoseError

    from fhir_server.security.keys import key_of

    try:
        found = json.loads(file.read_text("utf-8"))
        keys = [each for each in found.get("keys", [found]) if each.get("d")]
        if keys:
            key_of(keys[0])
            return keys[0]
    except (OSError, ValueError, TypeError, AttributeError, KeyError, JoseError) as problem:
        raise error("value", f"The key file {file} can't be used: {problem}.") from None
    raise error("value", f"The key file {file} has no private key; it must be a JWK of type EC (P-384) or RSA.")


def shown(server: str, token_file: Path | None, client_id: str, client_key: Path | None) -> ShownToken | None:
    """What the options ask for, None for nothing; FhirError "value" where they don't fit together."""
    if bool(client_id) != bool(client_key) or (client_id and token_file):
        raise error("value", "Give --token-file, or --client-id with --client-key.")
    if not server and (token_file or client_id):
        raise error("value", "A token is shown to a server elsewhere; name it with --server.")
    if token_file:
        found = TokenFile(token_file)
        found.read()
        return found
    return ClientKey(server, client_id, client_key) if client_key else None
