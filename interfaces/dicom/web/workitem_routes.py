"""The requests of UPS-RS (PS3.18 table 11.3-1)."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from interfaces.dicom.dataset.model import Model
from interfaces.dicom.web import subscribers, workitems
from interfaces.dicom.web.exchange import WebAnswer, WebRequest

LARGEST_STEP = 4 * 2**20


class WorkitemRoute(NamedTuple):
    """A request of UPS-RS: its method and path, what it is to FHIR of a Task, whether a body must come, the answer."""

    method: str
    shape: tuple[str, ...]
    interaction: str
    handler: Callable[[WebRequest, Model], WebAnswer]
    body: bool = False


_W, _SUBSCRIBER = ("workitems", "*"), ("workitems", "*", "subscribers", "*")
WORKITEMS = (
    WorkitemRoute("POST", ("workitems",), "c", workitems.create, True),
    WorkitemRoute("GET", ("workitems",), "s", workitems.search),
    WorkitemRoute("GET", _W, "r", workitems.retrieve),
    WorkitemRoute("POST", _W, "u", workitems.update, True),
    WorkitemRoute("PUT", (*_W, "state"), "u", workitems.change_state, True),
    WorkitemRoute("POST", (*_W, "cancelrequest"), "u", workitems.request_cancel),
    WorkitemRoute("POST", _SUBSCRIBER, "u", subscribers.subscribe),
    WorkitemRoute("DELETE", _SUBSCRIBER, "u", subscribers.unsubscribe),
    WorkitemRoute("POST", (*_SUBSCRIBER, "suspend"), "u", subscribers.suspend),
    WorkitemRoute("GET", ("subscribers", "*"), "r", subscribers.channel),
)
