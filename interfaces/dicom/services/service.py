"""What a network service is made of: its SOP classes, its handlers, and what a handler may use."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import structlog

from fhir_server.core.errors import FhirError
from fhir_server.core.settings import Settings
from interfaces.dicom.archive.archive import Archive
from interfaces.dicom.bridge import Bridge
from interfaces.dicom.configuration import Configuration, Peers, peers_alone
from interfaces.dicom.configuration import Service as Permission
from interfaces.dicom.dataset.syntaxes import DEFLATED, EXPLICIT_BIG, EXPLICIT_LITTLE, IMPLICIT_LITTLE
from interfaces.dicom.disclosing import refused

NATIVE = (EXPLICIT_LITTLE, IMPLICIT_LITTLE, DEFLATED, EXPLICIT_BIG)
NOT_AUTHORIZED = 0x0124

log = structlog.get_logger("dicom")


class Context(NamedTuple):
    """What the handlers of a listener share."""

    settings: Settings
    archive: Archive
    configuration: Configuration
    fhir: Bridge


Handler = Callable[[Context, Any], Any]


class Service(NamedTuple):
    """A service of the acceptor.

    sop_classes: by name as in PS3.6; events: pynetdicom's event to its handler; permission: what a peer needs in `may`,
    "" for nothing; statuses: what it answers and when, for the conformance statement.
    """

    name: str
    sop_classes: dict[str, str]
    events: tuple[tuple[Any, Handler], ...]
    permission: Permission | None = None
    statuses: tuple[tuple[str, str], ...] = ()
    both_roles: bool = False


def allowed(context: Context, event: Any, permission: Permission | None) -> bool:
    """Whether the peer of an association may use a service."""
    if permission is None or allowed_to(context, calling(event), permission):
        return True
    refused(context, peer_of(event), permission)
    return False


def allowed_to(context: Context, title: str, permission: Permission) -> bool:
    """Whether the peer of that AE title may use a service; one without an entry may unless only known ones do."""
    try:
        return permitted(context, context.configuration.peers(), title, permission)
    except FhirError as problem:
        log.error("peers can't be read", problem=str(problem))
        return False


def permitted(context: Context, peers: Peers, title: str, permission: Permission) -> bool:
    """`allowed_to` by peers that were read."""
    peer = peers.named(title)
    return permission in peer.may if peer else not peers_alone(context.settings)


RELATIONAL, COMBINED, FUZZY = range(3)  # bytes of a query's extended negotiation (PS3.4 section C.5.1.1)


def negotiated(event: Any, byte: int) -> bool:
    """Whether the association has that byte of the extended negotiation of the request's SOP class."""
    given = event.assoc.acceptor.sop_class_extended.get(event.request.AffectedSOPClassUID, b"")
    return len(given) > byte and given[byte] == 1


def calling(event: Any) -> str:
    """The calling AE title."""
    return (event.assoc.requestor.ae_title or "").strip()


def peer_of(event: Any) -> tuple[str, str]:
    """The calling AE title and the address that it calls from."""
    return calling(event), event.assoc.requestor.address or ""


def status(code: int, comment: str = "") -> Any:
    """A status data set with an error comment (PS3.7 annex C)."""
    from pydicom.dataset import Dataset

    made = Dataset()
    made.Status = code
    if comment:
        made.ErrorComment = comment[:64]
    return made
