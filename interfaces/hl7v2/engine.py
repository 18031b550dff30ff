"""The tables of mappings.hl7v2 as the interface's translator, and as the maker of messages for destinations."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import re
import threading
from collections.abc import Sequence
from typing import Any

from fhir_server.client import FhirClient
from fhir_server.core.errors import FhirError
from fhir_server.core.ports import Clock
from interfaces.hl7v2 import er7
from interfaces.hl7v2.configuration import Destination, Interfaces, Sender
from interfaces.hl7v2.er7.charsets import codec_of
from interfaces.hl7v2.er7.strict import strict_problems
from interfaces.hl7v2.exchange.errors import Problem
from interfaces.hl7v2.header import Header, patient_values, read_header
from interfaces.hl7v2.queries import answer
from interfaces.hl7v2.queries.response import Asker
from interfaces.hl7v2.reading import ClientReader
from interfaces.hl7v2.translation import Translation
from mappings.hl7v2.identifiers import Identity, fallback_system, identity_of
from mappings.hl7v2.merges import visits_of
from mappings.hl7v2.moving import Named, left_behind
from mappings.hl7v2.outgoing import to_message
from mappings.hl7v2.resources import identities_of
from mappings.hl7v2.tables import SiteTables, Tables
from mappings.hl7v2.translating import translate

LARGE = 256 * 1024  # bytes from which a message is translated beside the event loop
_LACKING = re.compile(r"([A-Z][A-Z0-9]{2}) is required")  # a segment
_PLACE = re.compile(r"([A-Z][A-Z0-9]{2})(?:\[(\d+)\])?-(\d+)(?:\[\d+\])?(?:\.(\d+))?")


class Engine:
    """Translates by the tables of HL7, of ours, of the site and of the sender, as they are at that moment."""

    def __init__(self, interfaces: Interfaces, client: FhirClient, clock: Clock) -> None:
        self._interfaces = interfaces
        self._reader = ClientReader(client)
        self._clock = clock
        self._tables: dict[str, SiteTables] = {}

    async def translate(self, raw: bytes, header: Header, sender: Sender, strict: bool) -> Translation:
        """See Translator."""
        message = er7.parse(raw)
        if strict and (broken := await asyncio.to_thread(strict_problems, message)):
            return Translation(problems=tuple(problem_of(text, "E") for text in broken))
        tables = self._current(sender)
        asker = Asker(
            self._interfaces.application, self._interfaces.facility, self._time(), f"R{message.control_id}"[:199]
        )
        response = await answer(message, self._reader, tables, asker)
        if response is not None:
            return Translation(answer=response, ignored="It is a query; it was answered.")
        now = datetime.datetime.fromtimestamp(self._clock() / 1e6, datetime.UTC)
        try:
            if len(raw) < LARGE:
                found = await translate(message, tables, self._reader, zone=sender.zone, now=now)
            else:
                found = await self._beside(message, tables, sender.zone, now)
        except FhirError as problem:
            if problem.category == "not-supported":
                return Translation(problems=(self._unsupported(header, tables, str(problem)),))
            raise
        problems = (
            *(problem_of(text, "E") for text in found.errors),
            *(problem_of(text, "W") for text in found.issues),
        )
        unknown = tuple(f"{system}|{value}" for system, value in found.unknown)
        return Translation(found.bundle, problems, brings=found.brings, unknown=unknown, named=tuple(found.named))

    async def named(self, raw: bytes) -> tuple[Named, ...]:
        """See Translator."""
        header = read_header(raw)
        if header is None:
            return ()
        found = await self._reader.find({"Patient": sorted(self.patients(raw))})
        named = [Named(f"Patient/{patient['id']}") for patient in found]
        tables = self._current(self._interfaces.policies(header.origin))
        for theirs, visits in visits_of(er7.parse(raw), tables):
            holders = [one for one in found if any(number in theirs for number in identities_of(one))]
            wanted = {"Encounter": visits, "Account": visits}
            for visit in await self._reader.find(wanted) if holders and visits else ():
                reference = f"{visit['resourceType']}/{visit['id']}"
                named += [Named(f"Patient/{one['id']}", reference) for one in holders]
        return tuple(named)

    async def left_behind(self, named: Sequence[Named]) -> list[dict[str, Any]]:
        """See Translator."""
        return await left_behind(self._reader, named)

    async def to_message(self, resource: dict[str, Any], destination: Destination, control: str) -> bytes:
        """See ToMessage."""
        made = await to_message(
            resource, self._reader, self._site("").current(), destination.message, destination.version
        )
        codec = codec_of([destination.charset]) or "utf-8"
        message = er7.Message.new(codec="utf-8" if codec.startswith("utf-") else codec)
        message.add(
            "MSH",
            self._interfaces.application,
            self._interfaces.facility,
            destination.application,
            destination.facility,
            self._time(),
            "",
            [made.kind, made.event, made.structure],
            control,
            "P",
            destination.version,
            *[""] * 5,
            destination.charset,
        )
        for name, fields in made.segments:
            message.add(name, *fields)
        return message.encode()

    def patients(self, raw: bytes) -> set[Identity]:
        """(system, value) of every patient number of a message, which may be one that can't be parsed.

        A number without an authority is there by the sender's system, and with the system "" too.
        """
        header = read_header(raw)
        if header is None:
            return set()
        tables = self._current(self._interfaces.policies(header.origin))
        facility = header.sender_facility or header.sender
        fallbacks = (fallback_system(tables, facility.split(header.component)[0]), "")
        values = patient_values(raw, header)
        found = (identity_of(value, tables, fallback) for value in values for fallback in fallbacks)
        return {identity for identity in found if identity is not None}

    async def _beside(self, message: er7.Message, tables: Tables, zone: str, now: datetime.datetime) -> Any:
        """Translates in a thread; what it asks of the store is asked on the event loop."""
        loop = asyncio.get_running_loop()
        reader = _Elsewhere(self._reader, loop)
        done: asyncio.Future[Any] = loop.create_future()

        def tell(found: Any, problem: BaseException | None) -> None:
            if not done.done():
                done.set_result(found) if problem is None else done.set_exception(problem)

        def run() -> None:
            found, problem = None, None
            try:
                found = asyncio.run(translate(message, tables, reader, zone=zone, now=now))
            except BaseException as raised:
                problem = raised
            with contextlib.suppress(RuntimeError):  # the loop is closed: the server has stopped meanwhile
                loop.call_soon_threadsafe(tell, found, problem)

        threading.Thread(target=run, name="hl7 large message", daemon=True).start()  # a stop does not wait for it
        return await done

    def _current(self, sender: Sender) -> Tables:
        return self._site(sender.tables).current()

    def _site(self, own: str) -> SiteTables:
        site = self._tables.get(own)
        if site is None:
            site = self._tables[own] = SiteTables(self._interfaces.tables, own)
        return site

    def _time(self) -> str:
        moment = datetime.datetime.fromtimestamp(self._clock() / 1e6, datetime.UTC)
        return moment.strftime("%Y%m%d%H%M%S+0000")

    @staticmethod
    def _unsupported(header: Header, tables: Tables, text: str) -> Problem:
        """Code 200 for a type that no table has, 201 for an event of a known one (table 0357)."""
        type = header.kind.upper().split(header.component)[0]
        known = any(name.partition("_")[0] == type for name in tables.messages)
        return Problem("201" if known else "200", text, ("MSH", 1, 9, 1, 2 if known else 1))


class _Elsewhere:
    """A Reader for another thread than the one that its client works on."""

    def __init__(self, reader: ClientReader, loop: asyncio.AbstractEventLoop) -> None:
        self._reader = reader
        self._loop = loop

    async def find(self, wanted: Any) -> list[dict[str, Any]]:
        """See Reader."""
        return await self._there(self._reader.find(wanted))

    async def read(self, reference: str) -> dict[str, Any] | None:
        """See Reader."""
        return await self._there(self._reader.read(reference))

    async def referring(self, reference: str) -> list[dict[str, Any]]:
        """See Reader."""
        return await self._there(self._reader.referring(reference))

    async def about(self, type_name: str, reference: str) -> list[dict[str, Any]]:
        """See Reader."""
        return await self._there(self._reader.about(type_name, reference))

    async def _there(self, work: Any) -> Any:
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._loop))


def problem_of(text: str, severity: str) -> Problem:
    """A sentence of the engine as a problem; the field that it begins with is its place."""
    found = _PLACE.match(text)
    place: tuple[str | int, ...] = ()
    if found:
        segment, number, field, component = found.groups()
        place = (segment, int(number or 1), int(field)) + ((1, int(component)) if component else ())
    elif lacking := _LACKING.match(text):
        return Problem("100", text, (lacking[1], 1), severity)
    code = "101" if "is required" in text else "102" if found else "199"
    return Problem(code, text, place, severity)
