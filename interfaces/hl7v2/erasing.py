"""Erasure of a patient: messages that were filed to the patient or name the patient, and letters of the record.

A message names a patient by PID-2, -3, -4 or MRG-1, -4, with the authority of the number, whatever became of it:
failed, waiting, dismissed, ignored or done. One that is being applied at that moment counts as coming afterwards.
"""

from __future__ import annotations

from collections.abc import Callable

from fhir_server.core.erasing import Erased
from interfaces.hl7v2.messages.message import TRANSLATING, Message
from interfaces.hl7v2.messages.port import MessageStore, Wanted
from interfaces.hl7v2.outbound.queue import ANSWERS

PAGE = 500
PatientsOf = Callable[[bytes], set[tuple[str, str]]]  # (system, value) of the patient numbers of a message


class Erasing:
    """Erases in one message store."""

    def __init__(self, store: MessageStore, patients_of: PatientsOf) -> None:
        self._store = store
        self._patients_of = patients_of

    async def __call__(self, erased: Erased) -> dict[str, int]:
        """See Erase: messages and letters."""
        named = {
            message.id
            for number in {value for _, value in erased.identifiers}
            for message in await self._with_number(number)
            if await self._names(message, erased)
        }
        messages = await self._store.erase(erased.reference, sorted(named))
        answers = {f"{ANSWERS}{message.provenance}" for message in messages}
        letters = await self._store.erase_letters(erased.record | answers)
        return {"messages": len(messages), "letters": letters}

    async def _with_number(self, number: str) -> list[Message]:
        found: list[Message] = []
        before = 0
        while page := await self._store.find(Wanted(patient=number, before=before, limit=PAGE)):
            found += page
            before = page[-1].id
        return found

    async def _names(self, message: Message, erased: Erased) -> bool:
        """Whether its bytes, as they came or as they were corrected, have an identifier of the patient."""
        if message.state == TRANSLATING:
            return False
        revisions = {await self._store.raw(message.id, 0), await self._store.raw(message.id)}
        return any(self._patients_of(raw) & erased.identifiers for raw in revisions)
