"""Events as DICOM audit messages, sent by syslog over TLS.

DICOM PS3.15 annex A.5; RFC 5424 and RFC 5425; IHE ITI-20.
"""

from __future__ import annotations

import base64
import contextlib
import os
import socket
import ssl
from pathlib import Path
from xml.sax.saxutils import quoteattr

from fhir_server.core.errors import error
from fhir_server.core.keys import instant
from fhir_server.security.audit.event import Event
from fhir_server.security.audit.resource import ALERTS, SIGNING

PRIORITY = 85  # facility 10 (security and authorization), severity 5 (notice)
TIMEOUT = 15.0  # seconds
BOM = b"\xef\xbb\xbf"


def connect(host: str, port: int, authorities: Path | None = None, certificate: Path | None = None) -> ssl.SSLSocket:
    """A TLS connection to a repository whose certificate is good; FhirError "unavailable"."""
    try:
        context = ssl.create_default_context(cafile=str(authorities) if authorities else None)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if certificate:
            context.load_cert_chain(certificate)
        return context.wrap_socket(socket.create_connection((host, port), TIMEOUT), server_hostname=host)
    except (OSError, ssl.SSLError, UnicodeError) as problem:  # the last of a name that is no host name
        raise error("unavailable", f"The audit repository {host}:{port} can't be reached: {problem}.") from problem


def send(channel: ssl.SSLSocket, event: Event, name: str) -> None:
    """Sends one event; FhirError "unavailable" where the connection breaks."""
    try:
        channel.sendall(frame(event, name))
    except OSError as problem:
        raise error("unavailable", f"The audit repository broke off: {problem}.") from problem


def finish(channel: ssl.SSLSocket) -> None:
    """Ends the connection once the repository has read everything: closing at once could lose what is on its way."""
    with contextlib.suppress(OSError, ValueError):  # many close without a word of TLS, once they have read
        channel.unwrap()


def frame(event: Event, name: str) -> bytes:
    """A syslog message with its length in front."""
    app = "".join(c for c in name if c.isascii() and c.isalnum())[:48] or "-"
    head = f"<{PRIORITY}>1 {instant(event.recorded)} {socket.gethostname()[:255]} {app} {os.getpid()} IHE+RFC-3881 - "
    message = head.encode() + BOM + as_xml(event, name).encode()
    return b"%d %s" % (len(message), message)


def as_xml(event: Event, name: str) -> str:
    """The AuditMessage of an event."""
    gives = event.action in "CU"
    source, destination = ("110153", "Source Role ID"), ("110152", "Destination Role ID")
    parts = [
        f"<EventIdentification EventActionCode={quoteattr(event.action)}",
        f" EventDateTime={quoteattr(instant(event.recorded))} EventOutcomeIndicator={quoteattr(event.outcome)}>",
        f"{_event_codes(event)}</EventIdentification>",
        _participant(event.client or "unknown", not event.user, source if gives else destination, event.address),
        _participant(name, False, destination if gives else source, ""),
        _participant(event.user, True, None, "") if event.user else "",
        f"<AuditSourceIdentification AuditSourceID={quoteattr(name)} code=\"4\"/>",
        *(_object(f"Patient/{id}", "1", "1", "2", "RFC-3881", "Patient Number") for id in event.patients),
        *(_object(reference, "2", "4", "12", "RFC-3881", "URI") for reference in event.written),
    ]  # fmt: skip
    if event.path:
        query = base64.b64encode(event.query.encode()).decode() if event.query else ""
        parts.append(_object(event.path, "2", "24" if query else "4", "12", "RFC-3881", "URI", query))
    return '<?xml version="1.0" encoding="UTF-8"?><AuditMessage>' + "".join(parts) + "</AuditMessage>"


def _event_codes(event: Event) -> str:
    if event.kind == "rest":
        id = ("110112", "Query") if event.action == "E" else ("110106", "Export") if event.action == "R" else None
        id = id or ("110107", "Import")
        return _code("EventID", *id, "DCM") + _code("EventTypeCode", event.interaction, event.interaction, "FHIR")
    kind = ("110113", "Security Alert") if event.kind in ALERTS else ("110114", "User Authentication")
    return _code("EventID", *kind, "DCM") + _code("EventTypeCode", *SIGNING[event.kind], "DCM")


def _code(element: str, code: str, text: str, system: str) -> str:
    return f"<{element} csd-code={quoteattr(code)} codeSystemName={quoteattr(system)} originalText={quoteattr(text)}/>"


def _participant(id: str, requestor: bool, role: tuple[str, str] | None, address: str) -> str:
    network = f' NetworkAccessPointID={quoteattr(address)} NetworkAccessPointTypeCode="2"' if address else ""
    inside = _code("RoleIDCode", *role, "DCM") if role else ""
    return (
        f"<ActiveParticipant UserID={quoteattr(id)} UserIsRequestor={quoteattr(str(requestor).lower())}{network}>"
        f"{inside}</ActiveParticipant>"
    )


def _object(id: str, type: str, role: str, code: str, system: str, text: str, query: str = "") -> str:
    inside = _code("ParticipantObjectIDTypeCode", code, text, system)
    inside += f"<ParticipantObjectQuery>{query}</ParticipantObjectQuery>" if query else ""
    kind = f"ParticipantObjectTypeCode={quoteattr(type)} ParticipantObjectTypeCodeRole={quoteattr(role)}"
    return (
        f"<ParticipantObjectIdentification ParticipantObjectID={quoteattr(id)} {kind}>{inside}"
        "</ParticipantObjectIdentification>"
    )
