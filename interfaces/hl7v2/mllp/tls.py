"""TLS contexts of listeners and destinations."""

from __future__ import annotations

import ssl

from fhir_server.core.errors import error
from fhir_server.core.renewed_tls import no_password, renewed
from interfaces.hl7v2.configuration import Tls


def listening(tls: Tls | None) -> ssl.SSLContext | None:
    """For a listener; with authorities a client without a certificate of theirs is refused. None for plain TCP.

    Files that are renewed count from the next connection on.
    """
    if tls is None:
        return None
    files = *_own(tls), str(tls.authorities or "")
    return renewed(lambda: _loaded(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), tls), files)


def connecting(tls: Tls | None) -> ssl.SSLContext | None:
    """For a destination; its certificate must be of the authorities, else of the system's."""
    if tls is None:
        return None
    context = ssl.create_default_context()
    context.check_hostname = tls.check_name
    return _loaded(context, tls)


def _own(tls: Tls) -> tuple[str, str]:
    """The files of its certificate and key, "" for none."""
    return str(tls.certificate) if tls.certificate.name else "", str(tls.key) if tls.key.name else ""


def _loaded(context: ssl.SSLContext, tls: Tls) -> ssl.SSLContext:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        certificate, key = _own(tls)
        if certificate:
            context.load_cert_chain(certificate, key or None, password=no_password)
        if tls.authorities is not None:
            context.load_verify_locations(tls.authorities)
            context.verify_mode = ssl.CERT_REQUIRED
    except (OSError, ValueError) as problem:
        raise error(
            "value", f"The certificates {tls.certificate}, {tls.key}, {tls.authorities} can't be used: {problem}."
        ) from problem
    return context
