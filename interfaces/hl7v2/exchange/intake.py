"""What is done with bytes that came: kept durably, then acknowledged, and applied or joined to what applies them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import NamedTuple

import msgspec
import structlog

from fhir_server.core.errors import FhirError
from fhir_server.core.ports import Clock
from interfaces.hl7v2.configuration import Interfaces, Sender
from interfaces.hl7v2.exchange.acknowledgement import Ours, acknowledge, code_of, wanted
from interfaces.hl7v2.exchange.batches import batch_answer, batch_header, is_batch, read_batch, split
from interfaces.hl7v2.exchange.errors import Problem, reason_of
from interfaces.hl7v2.header import Header, patient_numbers, read_header
from interfaces.hl7v2.messages.message import (
    DONE,
    FAILED,
    IGNORED,
    RECEIVED,
    TRANSLATING,
    WAITING,
    Arrival,
    Message,
)
from interfaces.hl7v2.messages.port import Kept, MessageStore
from interfaces.hl7v2.worker import Worker

log = structlog.get_logger("hl7")

NO_HEADER = Problem("100", "The message does not begin with a readable MSH segment.", ("MSH", 1))
SAME_ID = "its MSH-10 is another message's of this sender, with other content"


class Reply(NamedTuple):
    """What a sender is told: now (None for nothing), and later, once it is known; kept: it is durable here."""

    now: bytes | None
    later: Awaitable[bytes | None] | None = None
    kept: bool = True


class Unanswered(Exception):
    """Nothing can be said in time; the connection is to be closed, and the sender sends again."""


class Intake:
    """Takes what listeners, folders and uploads bring."""

    def __init__(self, interfaces: Interfaces, store: MessageStore, worker: Worker, clock: Clock) -> None:
        self._interfaces = interfaces
        self._store = store
        self._worker = worker
        self._clock = clock
        self._ours = Ours(interfaces.application, interfaces.facility)

    async def take(self, content: bytes, source: str, patience: float) -> Reply:
        """Keeps and answers the content of a frame, file or upload: a message, several, or a batch.

        What it does before its first await keeps the order of calls. patience: seconds to wait for what it comes to,
        after which Unanswered is raised.
        """
        if is_batch(content):
            return await self._batch(content, source, patience)
        messages = split(content)
        if len(messages) == 1:
            return await self._one(content, source, patience)
        replies = await asyncio.gather(*(self._one(each, source, patience) for each in messages))
        first = b"".join(reply.now for reply in replies if reply.now)
        return Reply(first or None, _joined([reply.later for reply in replies if reply.later]))

    def too_long(self, head: bytes, size: int, limit: int) -> Reply:
        """The answer to a frame over the limit, of which the head is known. It is not kept."""
        text = f"The message has {size:,} bytes, more than the {limit:,} that are taken here; nothing of it was kept."
        log.warning("hl7 frame over the limit", bytes=size)
        header = read_header(head)
        problems = (Problem("207", text),)
        code = code_of(header, problems, header is not None and header.enhanced)
        return Reply(acknowledge(header, code, self._clock(), problems, self._ours), kept=False)

    # ------------------------------------------------------------------ one message
    async def _one(
        self, raw: bytes, source: str, patience: float, batch: str = "", refused: tuple[Problem, ...] = ()
    ) -> Reply:
        received = self._clock()
        header = read_header(raw)
        policies = self._interfaces.policies(header.origin if header else "")
        problems = refused or _problems(header, policies)
        try:
            kept = await self._keep(raw, source, header, policies, problems, received, batch)
            if kept.novelty == "duplicate" and header is not None and not (problems or _ignored(header, policies)):
                kept = await self._again(kept)
        except FhirError as problem:
            log.error("hl7 message not kept", problem=problem.category)
            problems = (Problem("207", str(problem)),)
            code = code_of(header, problems, header is not None and header.enhanced)
            return Reply(acknowledge(header, code, received, problems, self._ours), kept=False)
        if header is not None and header.type.startswith("ACK"):
            return Reply(None)
        if header is not None and header.enhanced:
            self._worker.answered()
            return self._enhanced(kept, header, policies, problems)
        if policies.answer == "stored" and not problems and kept.message.state != FAILED:
            self._worker.answered()
            return Reply(self._answer(kept.message, header, ()))
        return Reply(await self._outcome(kept.message, header, patience))

    async def _keep(
        self,
        raw: bytes,
        source: str,
        header: Header | None,
        policies: Sender,
        problems: tuple[Problem, ...],
        received: int,
        batch: str,
    ) -> Kept:
        state, reason, code, answer = RECEIVED, "", "", b""
        if problems:
            state, reason = FAILED, reason_of(problems)
            code = code_of(header, problems)
            answer = acknowledge(header, code, received, problems, self._ours)
        elif header is not None and _ignored(header, policies):
            state, reason, code = IGNORED, f"{header.type} is not applied here", "AA"
            if header.type.startswith("ACK"):
                reason = "an acknowledgement"
            answer = acknowledge(header, code, received, (), self._ours)
        arrival = Arrival(
            raw,
            source,
            header.origin if header else "",
            header.control if header else "",
            header.kind if header else "",
            header.version if header else "",
            patient_numbers(raw, header) if header else (),
            received,
            batch,
            state,
            reason,
            answer,
            code,
        )
        refuse_other = SAME_ID if policies.same_id == "refuse" else ""
        kept = await self._store.keep(arrival, self._worker.name, refuse_other)
        if kept.novelty == "other":
            log.warning("hl7 MSH-10 used twice", message=kept.message.id, sender=arrival.sender)
        if kept.claimed:
            self._worker.run(kept.message, raw)
        return kept

    async def _again(self, kept: Kept) -> Kept:
        """A message that was refused unread, with a batch that was not whole or by a policy of then, is applied where
        it comes again and nothing speaks against it now."""
        message = kept.message
        if not _refused_unread(message) or message.reason == SAME_ID:
            return kept
        await self._store.reopen(message.id, None, "it was sent again", message.patients, self._clock())
        found = await self._store.load(message.id) or message
        return kept._replace(message=found if found.settled else msgspec.structs.replace(found, answer=b""))

    def _enhanced(self, kept: Kept, header: Header, policies: Sender, problems: tuple[Problem, ...]) -> Reply:
        """Enhanced mode (2.9.3): the accept acknowledgement now, the application acknowledgement later."""
        message = kept.message
        if not _refused_unread(message):
            problems = problems if kept.novelty != "duplicate" else ()
        elif message.reason == SAME_ID:
            problems = (Problem("205", SAME_ID, ("MSH", 1, 10)),)
        code = code_of(header, problems, accept=True)
        first = None
        if wanted(header.accept, not problems):
            first = acknowledge(header, code, message.received, problems, self._ours)
        later = None
        if header.application not in ("", "NE") and not policies.reply and code == "CA":
            later = self._later(message, header)
        return Reply(first, later)

    async def _later(self, message: Message, header: Header) -> bytes | None:
        settled = await self._worker.outcome(message)
        return self._answer(settled, header) if wanted(header.application, settled.code == "AA") else None

    async def _outcome(self, message: Message, header: Header | None, patience: float) -> bytes:
        if message.answer:
            return message.answer
        try:
            async with asyncio.timeout(patience):
                settled = await self._worker.outcome(message)
        except TimeoutError:
            raise Unanswered from None
        return self._answer(settled, header)

    def _answer(self, message: Message, header: Header | None, problems: tuple[Problem, ...] | None = None) -> bytes:
        """The answer that the message has, or the one that its state stands for."""
        if message.answer:
            return message.answer
        if problems is None:
            problems = ()
            if message.state not in (DONE, WAITING, IGNORED):
                code, place = ("205", ("MSH", 1, 10)) if message.alarm else ("207", ())
                problems = (Problem(code, message.reason or "The message could not be applied.", place),)
        return acknowledge(header, code_of(header, problems), message.received, problems, self._ours)

    # ------------------------------------------------------------------ batches
    async def _batch(self, content: bytes, source: str, patience: float) -> Reply:
        batch = read_batch(content)
        header = batch_header(batch)
        policies = self._interfaces.policies(header.origin)
        refused = batch.problems if policies.batch_count == "refuse" else ()
        if batch.problems:
            log.warning("hl7 batch is not whole", control=batch.control, problem=reason_of(batch.problems))
        if not batch.messages:
            problems = (*refused, Problem("100", "The batch has no message."))[:1]
            answers = [acknowledge(header, code_of(header, problems), self._clock(), problems, self._ours)]
            return Reply(batch_answer(batch, answers), kept=False)
        replies = await asyncio.gather(
            *(self._one(each, source, patience, batch.control, refused) for each in batch.messages)
        )
        first = [reply.now for reply in replies if reply.now]
        return Reply(
            batch_answer(batch, first) if first else None,
            _joined([reply.later for reply in replies if reply.later]),
            all(reply.kept for reply in replies),
        )


def _problems(header: Header | None, policies: Sender) -> tuple[Problem, ...]:
    """What is wrong with a message before anybody reads it."""
    if header is None:
        return (NO_HEADER,)
    processing = header.processing.split(header.component)[0]
    if processing and processing.upper() not in policies.processing:
        text = f"Processing id {processing!r} is not taken here; taken are {', '.join(policies.processing)}."
        return (Problem("202", text, ("MSH", 1, 11)),)
    return ()


def _refused_unread(message: Message) -> bool:
    """Whether it was refused as it came, and nobody has tried to apply it since."""
    return message.state == FAILED and all(step.state != TRANSLATING for step in message.steps)


def _ignored(header: Header, policies: Sender) -> bool:
    """Whether it is kept and not applied."""
    kind = header.type
    return kind.startswith("ACK") or kind in policies.ignore or kind.partition("^")[0] in policies.ignore


def _joined(parts: list[Awaitable[bytes | None]]) -> Awaitable[bytes | None] | None:
    if not parts:
        return None

    async def all_of_them() -> bytes | None:
        return b"".join([answer for part in parts if (answer := await part)]) or None

    return all_of_them()
