"""What each path under /hl7 does, as one table; openapi.json and the application are made from it."""

from __future__ import annotations

import datetime
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple

from fhir_server.core.errors import error
from interfaces.hl7v2.er7.charsets import codec_of
from interfaces.hl7v2.exchange.batches import is_batch
from interfaces.hl7v2.exchange.intake import Unanswered
from interfaces.hl7v2.header import read_header
from interfaces.hl7v2.http.views import letter_view, message_row, message_view, status
from interfaces.hl7v2.interface import Hl7Interface
from interfaces.hl7v2.messages.message import STATES, Message
from interfaces.hl7v2.messages.port import Wanted

ER7 = "x-application/hl7-v2+er7"
UPLOAD_SECONDS = 60.0
MOST_ROWS = 500


class Call(NamedTuple):
    """One request: the number in its path, its query, its body, and the body's fields where it is JSON.

    charset: in which the content type says that the body is, "" where it says nothing.
    """

    id: int
    query: dict[str, str]
    body: bytes
    fields: dict[str, Any]
    charset: str = ""


class Answer(NamedTuple):
    """Content as JSON, or bytes of a content type. about: the messages that it tells of."""

    content: Any
    type: str = "application/json"
    status: int = 200
    about: Sequence[Message] = ()


Handler = Callable[[Hl7Interface, Call], Awaitable[Answer]]


class Route(NamedTuple):
    """A method and path, {id} in it for a number; parameters: the query's; takes: the body's content type."""

    method: str
    path: str
    summary: str
    handler: Handler
    parameters: tuple[str, ...] = ()
    takes: str = ""
    fields: tuple[str, ...] = ()

    @property
    def told(self) -> tuple[str, str] | None:
        """What the audit log calls it: an interaction of FHIR and its action; None where no message is shown."""
        if self.path in ("/hl7/status", "/hl7/destinations"):
            return None
        if self.method == "GET":
            return ("read", "R") if "{id}" in self.path else ("search-type", "E")
        return ("create", "C") if self.path == "/hl7/upload" else ("update", "U")


FILTER = ("state", "sender", "kind", "patient", "text", "since", "until", "alarm")


async def messages(interface: Hl7Interface, call: Call) -> Answer:
    """A page of messages, newest first; next: the value of `before` for the following page."""
    wanted = wanted_of(call.query)
    found = await interface.desk.list(wanted)
    following = found[-1].id if len(found) == wanted.limit and found else 0
    return Answer({"messages": [message_row(each) for each in found], "next": following}, about=found)


async def message(interface: Hl7Interface, call: Call) -> Answer:
    """A message with its segments, steps, links and acknowledgement."""
    found = await interface.desk.show(call.id)
    return Answer(message_view(found, await interface.desk.raw(call.id)), about=(found,))


async def raw(interface: Hl7Interface, call: Call) -> Answer:
    """The bytes of a message."""
    revision = _number(call.query, "revision", -1)
    content = await interface.desk.raw(call.id, revision)
    return Answer(content, ER7, about=(await interface.desk.show(call.id),))


async def replay(interface: Hl7Interface, call: Call) -> Answer:
    """Applies a message anew."""
    before = await interface.desk.show(call.id)
    await interface.desk.replay(call.id, str(call.fields.get("reason", "")))
    await interface.worker.look()
    return Answer({"id": call.id}, status=202, about=(before,))


async def correct(interface: Hl7Interface, call: Call) -> Answer:
    """Applies a message anew with the content that is sent; where a charset is stated, it is put into MSH-18's."""
    before = await interface.desk.show(call.id)
    content = _in_own_charset(call.body, call.charset) if call.charset else call.body
    await interface.desk.correct(call.id, content, call.query.get("reason", ""))
    await interface.worker.look()
    return Answer({"id": call.id}, status=202, about=(before,))


async def dismiss(interface: Hl7Interface, call: Call) -> Answer:
    """Puts a message aside."""
    await interface.desk.dismiss(call.id, str(call.fields.get("reason", "")))
    return Answer({"id": call.id})


async def replay_range(interface: Hl7Interface, call: Call) -> Answer:
    """Applies a whole range anew, in the order in which it came."""
    given = {
        name: str(value).lower() if isinstance(value, bool) else str(value)
        for name, value in call.fields.items()
        if name != "reason"
    }
    count = await interface.desk.replay_range(wanted_of(given), str(call.fields.get("reason", "")))
    await interface.worker.look()
    return Answer({"replayed": count}, status=202)


async def upload(interface: Hl7Interface, call: Call) -> Answer:
    """Takes a message, several, or a batch like a listener does, and answers with the acknowledgements."""
    if not call.body:
        raise error("required", "The body must be a message, several, or a batch.")
    try:
        reply = await interface.intake.take(call.body, "upload", UPLOAD_SECONDS)
    except Unanswered:
        raise error(
            "unavailable", "It is kept, but not applied yet; /hl7/messages shows what becomes of it.",
            headers={"Retry-After": "30"},
        ) from None  # fmt: skip
    later = await reply.later if reply.later is not None and not is_batch(call.body) else None
    return Answer(later or reply.now or b"", ER7, 200 if reply.kept else 422)


async def interface_status(interface: Hl7Interface, call: Call) -> Answer:
    """Listeners, and how many messages are in which state."""
    connections = await interface.connections()
    listeners = [
        {"name": each.name, "host": each.listener.host, "port": each.port, "tls": each.listener.tls is not None,
         "connections": connections[each.name], "refused": each.refused}
        for each in interface.listeners
    ]  # fmt: skip
    return Answer({
        "listeners": listeners,
        "folders": {name: str(folder.path) for name, folder in interface.interfaces.folder.items()},
        "messages": status(await interface.store.tallies(), interface.clock()),
    })  # fmt: skip


async def destinations(interface: Hl7Interface, call: Call) -> Answer:
    """Destinations with their queues."""
    return Answer({"destinations": await interface.destinations.status()})


async def letters(interface: Hl7Interface, call: Call) -> Answer:
    """Letters, newest first."""
    limit = min(_number(call.query, "limit", 50), MOST_ROWS)
    found = await interface.store.letters(
        call.query.get("destination", ""), call.query.get("state", ""), _number(call.query, "before"), limit
    )
    following = found[-1].id if len(found) == limit and found else 0
    return Answer({"letters": [letter_view(each) for each in found], "next": following})


async def letter(interface: Hl7Interface, call: Call) -> Answer:
    """A letter."""
    found = await interface.store.letter(call.id)
    if found is None:
        raise error("not-found", f"There is no letter {call.id}.")
    return Answer(letter_view(found))


async def resend(interface: Hl7Interface, call: Call) -> Answer:
    """Sends a letter again."""
    await interface.destinations.resend(call.id)
    return Answer({"id": call.id}, status=202)


async def drop(interface: Hl7Interface, call: Call) -> Answer:
    """Takes a letter out of its queue."""
    await interface.destinations.drop(call.id, str(call.fields.get("reason", "")))
    return Answer({"id": call.id})


JSON = "application/json"
ROUTES = (
    Route("GET", "/hl7/messages", "messages, newest first", messages, (*FILTER, "before", "limit")),
    Route("POST", "/hl7/messages/replay", "replay a range in order", replay_range, (), JSON,
          (*FILTER, "after", "before", "reason")),
    Route("GET", "/hl7/messages/{id}", "a message, what became of it and what it made", message),
    Route("GET", "/hl7/messages/{id}/raw", "its bytes", raw, ("revision",)),
    Route("POST", "/hl7/messages/{id}/replay", "apply it anew", replay, (), JSON, ("reason",)),
    Route("POST", "/hl7/messages/{id}/correct", "apply it anew with other content", correct, ("reason",), ER7),
    Route("POST", "/hl7/messages/{id}/dismiss", "put it aside", dismiss, (), JSON, ("reason",)),
    Route("POST", "/hl7/upload", "a message, several or a batch, answered as by a listener", upload, (), ER7),
    Route("GET", "/hl7/status", "listeners, and messages by sender and state", interface_status),
    Route("GET", "/hl7/destinations", "destinations and their queues", destinations),
    Route("GET", "/hl7/letters", "messages to destinations, newest first", letters,
          ("destination", "state", "before", "limit")),
    Route("GET", "/hl7/letters/{id}", "a message to a destination", letter),
    Route("POST", "/hl7/letters/{id}/resend", "send it again", resend),
    Route("POST", "/hl7/letters/{id}/drop", "take it out of its queue", drop, (), JSON, ("reason",)),
)  # fmt: skip


def wanted_of(query: dict[str, str]) -> Wanted:
    """Which messages a query asks for; FhirError "value" for what it can't mean."""
    if query.get("state") and query["state"] not in STATES:
        raise error("value", f"state must be one of {', '.join(STATES)}.", location="state")
    if query.get("alarm", "") not in ("", "true", "false", "1", "0"):
        raise error("value", "alarm must be true or false.", location="alarm")
    return Wanted(
        state=query.get("state", ""),
        sender=query.get("sender", ""),
        kind=query.get("kind", ""),
        patient=query.get("patient", ""),
        text=query.get("text", ""),
        since=_moment(query, "since"),
        until=_moment(query, "until"),
        before=_number(query, "before"),
        after=_number(query, "after"),
        alarm=query.get("alarm", "") in ("true", "1"),
        limit=min(_number(query, "limit", 50), MOST_ROWS) or 50,
    )


def _in_own_charset(content: bytes, charset: str) -> bytes:
    """A message that was written in a charset, as MSH-18 of it says that it is."""
    stated = codec_of([charset])
    if not stated:
        raise error("value", f"The charset {charset[:40]!r} of the content type is not known; utf-8 is.")
    try:
        text = content.decode(stated)
    except UnicodeDecodeError:
        raise error("value", f"The body is not in {charset[:40]}, as its content type says.") from None
    header = read_header(content)
    codec = (codec_of([header.charset]) if header else "") or "utf-8"
    try:
        return text.encode(codec)
    except UnicodeEncodeError as problem:
        raise error(
            "value",
            f"{text[problem.start]!r} is no letter of {header.charset if header else codec}, the character set that"
            " MSH-18 names; write another, or name UNICODE UTF-8 there.",
            location="MSH-18",
        ) from None


def _number(query: dict[str, str], name: str, default: int = 0) -> int:
    text = query.get(name, "")
    if not text:
        return default
    if not text.isdigit() or len(text) > 15:
        raise error("value", f"{name} must be a whole number.", location=name)
    return int(text)


def _moment(query: dict[str, str], name: str) -> int:
    """An ISO 8601 date or time in microseconds since 1970; without an offset it is UTC."""
    text = query.get(name, "")
    if not text:
        return 0
    try:
        found = datetime.datetime.fromisoformat(text)
    except ValueError:
        raise error("value", f"{name} must be a date or time such as 2026-11-26T08:00:00Z.", location=name) from None
    if found.tzinfo is None:
        found = found.replace(tzinfo=datetime.UTC)
    return int(found.timestamp() * 1_000_000)
