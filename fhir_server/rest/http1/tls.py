"""TLS of the server's own port: 1.2 and later, forward secret, authenticated ciphers (Mozilla's intermediate list).

Files that change count from the next connection on; those under way go on as they began.
"""

from __future__ import annotations

import os
import ssl
from contextlib import suppress
from typing import Any

import structlog

from fhir_server.core.errors import FhirError, error
from fhir_server.core.settings import Settings

log = structlog.get_logger("tls")

# TLS 1.2; what TLS 1.3 has is fine as it is. https://wiki.mozilla.org/Security/Server_Side_TLS
CIPHERS = ":".join(
    f"ECDHE-{key}-{cipher}"
    for cipher in ("AES128-GCM-SHA256", "AES256-GCM-SHA384", "CHACHA20-POLY1305")
    for key in ("ECDSA", "RSA")
)


def context_of(settings: Settings) -> ssl.SSLContext | None:
    """The context by the settings tls_…, None without a certificate; FhirError "value" for files that can't be used."""
    if not settings.tls_certificate:
        if settings.tls_key or settings.tls_clients:
            raise error("value", "tls_key and tls_clients need a tls_certificate.")
        return None
    files = tuple(filter(None, (settings.tls_certificate, settings.tls_key, settings.tls_clients)))
    seen = _state(files)
    first = current = _context(settings)

    def renew(connection: ssl.SSLObject, name: str | None, context: ssl.SSLContext) -> None:
        """Looks at the files when a client begins; files that can't be used leave what was there in force."""
        nonlocal seen, current
        state = _state(files)
        if state != seen:
            seen = state
            try:
                current = _context(settings)
                log.info("changed TLS files are in force")
            except FhirError as problem:
                log.error("changed TLS files are not in force", problem=str(problem))
        if current is not context:
            connection.context = current

    first.sni_callback = renew  # asked for every connection, with a name or without
    return first


def _state(files: tuple[str, ...]) -> tuple[Any, ...]:
    """What tells that files have changed."""
    found = []
    for file in files:
        with suppress(OSError):
            state = os.stat(file)
            found.append((state.st_mtime_ns, state.st_size, state.st_ino))
    return tuple(found)


def _context(settings: Settings) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    with suppress(NotImplementedError):
        context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(settings.tls_certificate, settings.tls_key or None, password=_no_password)
        if settings.tls_clients:
            context.load_verify_locations(settings.tls_clients)
            context.verify_mode = ssl.CERT_REQUIRED
    except (OSError, ValueError) as problem:
        raise error(
            "value", f"tls_certificate, tls_key or tls_clients can't be used: {problem}. They are PEM files."
        ) from problem
    return context


def _no_password() -> str:
    raise ValueError("the key has a password; keep it without one, readable by the server's user only")
