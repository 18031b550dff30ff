"""UPS-RS: subscriptions (PS3.18 sections 11.10 to 11.13).

The events of an AE title that is one of the peers go to it by N-EVENT-REPORT, those of another wait for its channel.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import parse_qsl, quote

from fhir_server.core.errors import error
from interfaces.dicom.archive.index import Rows
from interfaces.dicom.configuration import Configuration
from interfaces.dicom.dataset.model import Model
from interfaces.dicom.web.exchange import SWITCHING, WebAnswer, WebRequest, not_found
from interfaces.dicom.web.qido import keys_of_query
from interfaces.dicom.web.workitems import answered, warning
from interfaces.dicom.workitems.subscriptions import FILTERED
from interfaces.dicom.workitems.subscriptions import subscribe as subscribe_in
from interfaces.dicom.workitems.subscriptions import suspend as suspend_in
from interfaces.dicom.workitems.subscriptions import unsubscribe as unsubscribe_in

HOW = "Events are sent by N-EVENT-REPORT to the peer of that AE title"
TITLE = re.compile(r"[^\\\x00-\x1f]{1,16}")  # PS3.5 table 6.2-1


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
        archive.write(lambda index: subscribe_in(index, uid, title, lock == "true", keys, moment))

    answered(request, work)
    if _peer(request, title):
        return WebAnswer(201, [warning(request, HOW)])
    return WebAnswer(201, [("content-location", f"ws{request.base.removeprefix('http')}/subscribers/{quote(title)}")])


def unsubscribe(request: WebRequest, body: Model) -> WebAnswer:
    """Ends a subscription; that to all ends every one of the AE title."""
    return _ended(request, unsubscribe_in)


def suspend(request: WebRequest, body: Model) -> WebAnswer:
    """Subscribes an AE title to no more steps; those that are there stay subscribed."""
    return _ended(request, suspend_in)


def channel(request: WebRequest, body: Model) -> WebAnswer:
    """Opens the subscriber's event channel, a WebSocket."""
    title = _title(request, request.path[1])
    if _peer(request, title):
        raise error("conflict", f"{HOW}; take it out of the peers file to be told over a channel instead.")
    return WebAnswer(SWITCHING, [])


def _peer(request: WebRequest, title: str) -> bool:
    return Configuration(request.archive.settings).peers().named(title) is not None


def _ended(request: WebRequest, end: Callable[[Rows, str, str], int]) -> WebAnswer:
    uid, title = _named(request)
    if not answered(request, lambda: request.archive.write(lambda index: end(index, uid, title))):
        raise not_found(f"such subscription of {title}")
    return WebAnswer(200, [])


def _named(request: WebRequest) -> tuple[str, str]:
    return request.path[1], _title(request, request.path[3])


def _title(request: WebRequest, title: str) -> str:
    if request.visible or request.writing is not None:
        raise error("forbidden", "Subscriptions need a token that may see and change every Task.")
    if not TITLE.fullmatch(title.strip()):
        raise error("value", "A subscriber is an AE title of at most 16 characters, without a backslash.")
    return title.strip()


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
