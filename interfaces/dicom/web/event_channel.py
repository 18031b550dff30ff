"""UPS-RS: the event channel of a subscriber, a WebSocket over which its events come (PS3.18 sections 11.10 and 11.14).

What waits for a subscriber is sent in its order, each event as a text message of the DICOM JSON Model, and is kept
until it was sent. Of several channels of one subscriber the last one opened stands.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import msgspec

from fhir_server.codec.websocket import NORMAL, POLICY, UNEXPECTED, WebSocket
from fhir_server.core.errors import FhirError
from interfaces.dicom.archive.archive import Archive
from interfaces.dicom.archive.index import Row
from interfaces.dicom.dataset.model import in_order
from interfaces.dicom.workitems.events import SOP_CLASS
from interfaces.dicom.workitems.finding import patients_of

LOOK_SECONDS = 0.25  # between two looks for events
CHECK_SECONDS = 30.0  # between two looks whether the token still holds
TOGETHER = 100


async def serve(
    headers: dict[str, str],
    receive: Any,
    send: Any,
    archive: Archive,
    title: str,
    allowed: Callable[[], Awaitable[Any]],
    note: Callable[[tuple[str, ...]], Awaitable[None]],
) -> None:
    """Opens the channel and keeps it until the client, the server, or a later channel ends it.

    allowed: asks anew whether the caller may have it; FhirError where not. note: keeps in the audit log of which
    patients (ids) the steps are whose events go out; FhirError where it can't.
    """
    socket = WebSocket(receive, send)
    await socket.open(headers)
    channel = _Channel(socket, archive, title, allowed, note)
    await asyncio.to_thread(channel.claim)
    await socket.run(channel.telling())


class _Channel:
    def __init__(
        self,
        socket: WebSocket,
        archive: Archive,
        title: str,
        allowed: Callable[[], Awaitable[Any]],
        note: Callable[[tuple[str, ...]], Awaitable[None]],
    ) -> None:
        self._socket = socket
        self._note = note
        self._archive, self._title, self._allowed = archive, title, allowed
        self._name, self._own = f"channel {title}", secrets.token_hex(8)

    async def telling(self) -> None:
        """Sends until the socket is closed, or another has taken over."""
        socket = self._socket
        checked = time.monotonic()
        number = 0
        while await socket.alive():
            if time.monotonic() - checked > CHECK_SECONDS:
                checked = time.monotonic()
                try:
                    await self._allowed()
                except FhirError:
                    return await socket.close(POLICY, "the token does not allow it any more")
            rows = await asyncio.to_thread(self._waiting)
            if rows is None:
                return await socket.close(NORMAL, "another channel of this subscriber was opened")
            if rows:
                found = await asyncio.to_thread(patients_of, self._archive.reading, [row["uid"] for row in rows])
                try:
                    await self._note(tuple(sorted({each.removeprefix("Patient/") for each in found} - {""})))
                except FhirError:
                    return await socket.close(UNEXPECTED, "what is told can't be kept in the audit log")
            for row in rows:
                number += 1
                await socket.tell(event_of(row, number % 2**16))
            if rows:
                await finished(asyncio.to_thread(self._told, [row["pk"] for row in rows]))
            else:
                await asyncio.sleep(LOOK_SECONDS)

    def claim(self) -> None:
        """From now on this channel is the subscriber's."""
        self._archive.write(lambda index: index.put("note", {"name": self._name}, {"value": self._own}))

    def _waiting(self) -> list[Row] | None:
        """The next events; None where a later channel has taken over."""
        reading = self._archive.reading
        claimed = reading.one("note", {"name": self._name})
        if claimed is None or claimed["value"] != self._own:
            return None
        return reading.all("workitem_event", {"subscriber": self._title}, limit=TOGETHER)

    def _told(self, numbers: list[int]) -> None:
        def work(index: Any) -> None:
            for number in numbers:
                index.remove("workitem_event", {"pk": number})

        self._archive.write(work)


async def finished(work: Coroutine[Any, Any, None]) -> None:
    """Waits for work to its end even where the waiter is cancelled: what was told must not be told again."""
    task = asyncio.create_task(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await task
        raise


def event_of(row: Row, number: int) -> str:
    """An event as its message: what N-EVENT-REPORT's command set says of it, and its information."""
    about = {
        "00000002": {"vr": "UI", "Value": [SOP_CLASS]},
        "00000110": {"vr": "US", "Value": [number]},
        "00001000": {"vr": "UI", "Value": [row["uid"]]},
        "00001002": {"vr": "US", "Value": [row["type"]]},
    }
    return msgspec.json.encode(in_order({**about, **json.loads(row["information"])})).decode()
