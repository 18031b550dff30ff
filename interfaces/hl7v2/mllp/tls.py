"""TLS contexts of listeners and destinations."""

from __future__ import annotations

import ssl

from fhir_server.core.errors import error
from interfaces.hl7v2.configuration import Tls


def listening(tls: Tls | None) -> ssl.SSLContext | None:
    """For a listener; with authorities a client without a certificate of theirs is refused. None for plain TCP."""
    if tls is None:
        return None
    return _loaded(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), tls)


def connecting(tls: Tls | None) -> ssl.SSLContext | None:
    """For a destination; its certificate must be of the authorities, else of the system's."""
    if tls is None:
        return None
    context = ssl.create_default_context()
    context.check_hostname = tls.check_name
    return _loaded(context, tls)


def _loaded(context: ssl.SSLContext, tls: Tls) -> ssl.SSLContext:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        if tls.certificate.name:
            context.load_cert_chain(tls.certificate, tls.key if tls.key.name else None)
        if tls.authorities is not None:
            context.load_verify_locations(tls.authorities)
            context.verify_mode = ssl.CERT_REQUIRED
    except (OSError, ssl.SSLError) as problem:
        raise error(
            "value", f"The certificates {tls.certificate}, {tls.key}, {tls.authorities} can't be used: {problem}."
        ) from problem
    return context
