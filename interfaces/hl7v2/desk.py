"""What a person does with messages: look, correct, replay, dismiss, and replay a range in order."""

from __future__ import annotations

from typing import Any

import msgspec

from fhir_server.core.errors import error
from fhir_server.core.ports import Clock
from interfaces.hl7v2.header import patient_numbers, read_header
from interfaces.hl7v2.messages.message import STATES, Message
from interfaces.hl7v2.messages.port import MessageStore, Wanted

PAGE = 500


class Desk:
    """The same calls for the command line, REST and the page."""

    def __init__(self, store: MessageStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def list(self, wanted: Wanted) -> list[Message]:
        """Messages, newest first; FhirError "value" for a state that there is not."""
        if wanted.state and wanted.state not in STATES:
            text = f"There is no state {wanted.state!r}; there are {', '.join(STATES)}."
            raise error("value", text, location="state")
        return await self._store.find(wanted)

    async def show(self, id: int) -> Message:
        """A message; FhirError "not-found"."""
        found = await self._store.load(id)
        if found is None:
            raise error("not-found", f"There is no message {id}.")
        return found

    async def raw(self, id: int, revision: int = -1) -> bytes:
        """The bytes of a message: the revision in force, or that one, 0 for what came."""
        await self.show(id)
        content = await self._store.raw(id, revision)
        if not content:
            raise error("not-found", f"Message {id} has no revision {revision}.")
        return content

    async def replay(self, id: int, reason: str = "") -> None:
        """Has a settled message applied anew."""
        found = await self.show(id)
        await self._reopen(found, None, f"replayed{f': {reason}' if reason else ''}", found.patients)

    async def correct(self, id: int, raw: bytes, reason: str = "") -> None:
        """Has a settled message applied anew with other content; what came stays beside it."""
        found = await self.show(id)
        header = read_header(raw)
        if header is None:
            raise error("value", "The corrected message must begin with a readable MSH segment.", location="MSH")
        if header.origin != found.sender:
            text = f"The corrected message must keep its sender, {found.sender!r} (MSH-3, MSH-4)."
            raise error("value", text, location="MSH-3")
        text = f"corrected{f': {reason}' if reason else ''}"
        await self._reopen(found, raw, text, patient_numbers(raw, header))

    async def dismiss(self, id: int, reason: str) -> None:
        """Puts a failed or waiting message aside; the reason is kept with it."""
        if not reason.strip():
            raise error("required", "A message is dismissed with a reason.", location="reason")
        found = await self.show(id)
        if not await self._store.dismiss(id, f"dismissed: {reason.strip()[:1000]}", self._clock()):
            raise error("business-rule", f"Message {id} is {found.state}; only failed and waiting ones are dismissed.")

    async def replay_range(self, wanted: Wanted, reason: str = "") -> int:
        """Has all settled messages that are wanted applied anew, in the order in which they came; how many."""
        count, after = 0, wanted.after
        while True:
            found = await self.list(_replace(wanted, after=after, oldest_first=True, limit=PAGE))
            for message in found:
                if message.settled and not message.erased:
                    await self._reopen(message, None, f"replayed{f': {reason}' if reason else ''}", message.patients)
                    count += 1
            if len(found) < PAGE:
                return count
            after = found[-1].id

    async def _reopen(self, found: Message, raw: bytes | None, reason: str, patients: tuple[str, ...]) -> None:
        if found.erased:
            raise error("business-rule", f"Message {found.id} was erased with its patient; nothing of it is left.")
        if not await self._store.reopen(found.id, raw, reason[:1000], patients, self._clock()):
            raise error("business-rule", f"Message {found.id} is {found.state}; it is being applied already.")


def _replace(wanted: Wanted, **changes: Any) -> Wanted:

    return msgspec.structs.replace(wanted, **changes)
