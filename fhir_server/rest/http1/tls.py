"""TLS of the server's own port: 1.2 and later, forward secret, authenticated ciphers (Mozilla's intermediate list)."""

from __future__ import annotations

import ssl
from contextlib import suppress

from fhir_server.core.errors import error
from fhir_server.core.renewed_tls import no_password, renewed
from fhir_server.core.settings import Settings

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
    files = settings.tls_certificate, settings.tls_key, settings.tls_clients
    return renewed(lambda: _context(settings), files)


def _context(settings: Settings) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    with suppress(NotImplementedError):
        context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(settings.tls_certificate, settings.tls_key or None, password=no_password)
        if settings.tls_clients:
            context.load_verify_locations(settings.tls_clients)
            context.verify_mode = ssl.CERT_REQUIRED
    except (OSError, ValueError) as problem:
        raise error(
            "value", f"tls_certificate, tls_key or tls_clients can't be used: {problem}. They are PEM files."
        ) from problem
    return context
