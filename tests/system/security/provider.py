"""An OpenID provider made for tests, on a socket of its own: it signs whatever a test wants, right or wrong."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from joserfc import jwt
from joserfc.jwk import ECKey, Key, RSAKey


class Provider:
    """keys: what it publishes; asked: the paths that were fetched; answer: what its token endpoint gives."""

    def __init__(self) -> None:
        self.key: Key = RSAKey.generate_key(2048, {"use": "sig"}, auto_kid=True)
        self.keys: list[Key] = [self.key]
        self.asked: list[str] = []
        self.answer: dict[str, Any] = {}
        self.form: dict[str, str] = {}
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                provider.asked.append(self.path)
                self._give(provider.at(self.path))

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"])).decode()
                provider.form = {name: values[0] for name, values in parse_qs(body).items()}
                self._give(provider.answer)

            def _give(self, content: dict[str, Any]) -> None:
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.end_headers()
                self.wfile.write(json.dumps(content).encode())

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.issuer = f"http://127.0.0.1:{self.http.server_port}/realm"

    def at(self, path: str) -> dict[str, Any]:
        """What it tells of itself."""
        if path.endswith("/keys"):
            return {"keys": [dict(key.as_dict(private=False)) for key in self.keys]}
        names = ("authorization_endpoint", "token_endpoint", "jwks_uri")
        places = dict(zip(names, (f"{self.issuer}/{each}" for each in ("authorize", "token", "keys")), strict=True))
        return {"issuer": self.issuer, **places}

    def rotate(self) -> None:
        """Signs with a new key from now on."""
        self.key = ECKey.generate_key("P-256", {"use": "sig"}, auto_kid=True)
        self.keys = [self.key]

    def token(self, now: int, header: dict[str, Any] | None = None, key: Key | None = None, **more: Any) -> str:
        """A token with these claims beside those of an account; None leaves one out."""
        key = key or self.key
        said = {
            "iss": self.issuer, "sub": "7", "aud": "http://fhir.test/fhir", "azp": "phone", "exp": now + 300,
            "iat": now, "jti": "j", "scope": "openid user/Patient.rs", "realm_access": {"roles": ["fhir-physician"]},
            "preferred_username": "grace", **more,
        }  # fmt: skip
        algorithm = "RS256" if key.key_type == "RSA" else "ES256"
        head = {"alg": algorithm, "kid": key.kid, **(header or {})}
        return jwt.encode(head, {k: v for k, v in said.items() if v is not None}, key, algorithms=[head["alg"]])


@contextmanager
def providing() -> Iterator[Provider]:
    """A provider that answers."""
    made = Provider()
    thread = threading.Thread(target=made.http.serve_forever, daemon=True)
    thread.start()
    try:
        yield made
    finally:
        made.http.shutdown()
        made.http.server_close()
        thread.join(10)


def query_of(url: str) -> dict[str, str]:
    """The parameters of a URL."""
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
