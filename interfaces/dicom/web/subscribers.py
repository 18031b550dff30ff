"""UPS-RS: subscriptions (PS3.18 sections 11.10 to 11.13), whose events go by N-EVENT-REPORT to the AE title's peer.

The channel that the standard has for them is a WebSocket, which this HTTP server does not speak.
"""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import parse_qsl

from fhir_server.core.errors import error
from interfaces.dicom.archive.index import Rows
from interfaces.dicom.configuration import Configuration
from interfaces.dicom.dataset.model import Model
from interfaces.dicom.web.exchange import WebAnswer, WebRequest, not_found
from interfaces.dicom.web.qido import keys_of_query
from interfaces.dicom.web.workitems import answered, warning
from interfaces.dicom.workitems.statuses import UNKNOWN_RECEIVER, Refused
from interfaces.dicom.workitems.subscriptions import FILTERED
from interfaces.dicom.workitems.subscriptions import subscribe as subscribe_in
from interfaces.dicom.workitems.subscriptions import suspend as suspend_in
from interfaces.dicom.workitems.subscriptions import unsubscribe as unsubscribe_in

HOW = "Events are sent by N-EVENT-REPORT to the peer of that AE title"


def subscribe(request: WebRequest, body: Model) -> WebAnswer:
    """Subscribes an AE title to a step, to all, or to those that match the parameter filter."""
    uid, title = _named(request)
    lock = request.parameter("deletionlock").lower()
    if lock not in ("true", "false", ""):
        raise error("value", "deletionlock must be true or false.")
    keys = _filter(request) if uid == FILTERED else {}
    archive = request.archive
    moment = archive.clock()

    def work() -> None:
        if Configuration(archive.settings).peers().named(title) is None:
            raise Refused(UNKNOWN_RECEIVER)
        archive.write(lambda index: subscribe_in(index, uid, title, lock == "true", keys, moment))

    answered(request, work)
    return WebAnswer(201, [warning(request, HOW)])


def unsubscribe(request: WebRequest, body: Model) -> WebAnswer:
    """Ends a subscription; that to all ends every one of the AE title."""
    return _ended(request, unsubscribe_in)


def suspend(request: WebRequest, body: Model) -> WebAnswer:
    """Subscribes an AE title to no more steps; those that are there stay subscribed."""
    return _ended(request, suspend_in)


def channel(request: WebRequest, body: Model) -> WebAnswer:
    """Refused, as there is no WebSocket here."""
    raise error("not-implemented", f"This server has no WebSockets. {HOW}: add it to the peers file, then subscribe.")


def _ended(request: WebRequest, end: Callable[[Rows, str, str], int]) -> WebAnswer:
    uid, title = _named(request)
    if not answered(request, lambda: request.archive.write(lambda index: end(index, uid, title))):
        raise not_found(f"such subscription of {title}")
    return WebAnswer(200, [])


def _named(request: WebRequest) -> tuple[str, str]:
    if request.visible:
        raise error("forbidden", "Subscriptions need a token that may see every Task.")
    return request.path[1], request.path[3]


def _filter(request: WebRequest) -> Model:
    """The matching keys of the parameter filter, Keyword=value joined by & or commas, and of others beside it."""
    given: list[tuple[str, str]] = []
    for name, value in request.query:
        if name.lower() == "filter":
            given += parse_qsl(value.replace(",", "&"), True)
        elif name.lower() != "deletionlock":
            given.append((name, value))
    keys, _, _ = keys_of_query(request._replace(query=given))
    return keys
