"""One message to one FHIR transaction, applied exactly once.

The transaction carries a Provenance whose id is made of the message. Whether a message was applied is asked of the FHIR
store, not remembered beside it: a second try of the same message meets that Provenance and changes nothing.
"""

from __future__ import annotations

import asyncio
import datetime
import re
from collections.abc import Sequence
from typing import Any

import structlog

from fhir_server.api import Request
from fhir_server.client import FhirClient
from fhir_server.codec import json
from fhir_server.core.errors import PASSING, FhirError
from fhir_server.core.ports import Clock
from interfaces.hl7v2.configuration import Interfaces, Sender
from interfaces.hl7v2.exchange.acknowledgement import Ours, acknowledge, code_of
from interfaces.hl7v2.exchange.errors import Problem, reason_of
from interfaces.hl7v2.header import Header, read_header
from interfaces.hl7v2.messages.message import DONE, FAILED, IGNORED, WAITING, Message, Outcome
from interfaces.hl7v2.translation import Translation, Translator
from mappings.hl7v2.moving import Named

log = structlog.get_logger("hl7")

CHANGED = ("conflict", "precondition")  # what another write leads to
RACES = (*CHANGED, "multiple-matches")
PLACE = re.compile(r"([A-Z][A-Z0-9]{2})(?:-(\d+))?")
LARGE = 100_000  # bytes of a transaction's answer that is read beside the event loop
TRIES = 4  # of a transaction that another write came between
MESSAGE_ID = "urn:hl7-org:v2:MSH-10"
PARTICIPANT = "http://terminology.hl7.org/CodeSystem/provenance-participant-type"


class Later(Exception):
    """The message can't be applied now, by no fault of its own; it is to be tried again.

    lasting: for as long as it takes; else a few times, as the fault may be the message's after all.
    """

    def __init__(self, text: str, lasting: bool = True) -> None:
        super().__init__(text)
        self.lasting = lasting


class Applying:
    """Applies messages to a FHIR server."""

    def __init__(self, interfaces: Interfaces, client: FhirClient, translator: Translator, clock: Clock) -> None:
        self._interfaces = interfaces
        self._client = client
        self._translator = translator
        self._clock = clock
        self._ours = Ours(interfaces.application, interfaces.facility)

    async def apply(self, message: Message, raw: bytes, again: bool) -> Outcome:
        """What the message came to; Later where it must be tried again. again: it may have been applied already."""
        try:
            return await self._apply(message, raw, again)
        except (Later, FhirError):
            raise
        except Exception as problem:
            log.exception("hl7 message could not be applied", message=message.id)
            raise Later("The message could not be applied; the log says where it ended.", False) from problem

    async def _apply(self, message: Message, raw: bytes, again: bool) -> Outcome:
        header = read_header(raw)
        if header is None:
            return self._failed(message, None, (Problem("100", "There is no readable MSH segment.", ("MSH", 1)),))
        policies = self._interfaces.policies(header.origin)
        if again and (outcome := await self._found(message, raw, header)) is not None:
            return outcome
        listener = self._interfaces.listener.get(message.source)
        strict = listener is not None and listener.strict
        for attempt in range(TRIES):
            if attempt and (outcome := await self._found(message, raw, header)) is not None:
                return outcome
            try:
                translation = await self._translator.translate(raw, header, policies, strict)
                if (outcome := self._without_commit(message, header, policies, translation)) is not None:
                    return outcome
                links = await self._commit(message, header, translation)
                links = _together(links, await self._gather(message, header, translation.named))
            except FhirError as problem:
                if problem.category in PASSING or problem.category == "exception":
                    raise Later(str(problem), problem.category in PASSING) from problem
                if problem.category in RACES and attempt < TRIES - 1:
                    continue  # another write came between: what is there now is looked at anew
                if problem.category in CHANGED:
                    break
                return self._failed(message, header, problems_of(problem))
            releases = message.patients if translation.brings else ()
            return self._settled(message, header, DONE, "", translation, links, releases)
        raise Later("other writes came between", False)

    def _without_commit(
        self, message: Message, header: Header, policies: Sender, translation: Translation
    ) -> Outcome | None:
        """The outcome of a message that is not to be committed, None for one that is."""
        if any(problem.severity == "E" for problem in translation.problems):
            return self._failed(message, header, translation.problems)
        if translation.ignored:
            return self._settled(message, header, IGNORED, translation.ignored, translation)
        if translation.unknown and policies.unknown_patient != "create" and not translation.brings:
            text = f"its patient is not known: {', '.join(translation.unknown)}"
            if policies.unknown_patient == "wait":
                return self._settled(message, header, WAITING, text)
            return self._failed(message, header, (Problem("204", text, ("PID", 1, 3)),))
        if not translation.bundle or not translation.bundle.get("entry"):
            reason = reason_of(translation.problems) or (
                "" if translation.answer else "it changes nothing that is kept"
            )
            return self._settled(message, header, DONE, reason, translation)
        return None

    async def _commit(self, message: Message, header: Header, translation: Translation) -> tuple[str, ...]:
        """Commits, once; links to what it made."""
        assert translation.bundle is not None
        asked = {"method": "PUT", "url": f"Provenance/{message.provenance}", "ifNoneMatch": "*"}
        return await self._perform(self._with_provenance(message, header, translation.bundle, asked))

    async def _gather(self, message: Message, header: Header, named: Sequence[Named]) -> tuple[str, ...]:
        """What was put at patients who were merged away meanwhile, or with visits that were moved, by this message or
        by others before a merge or a move that this message is, goes where they went; links to it. Where nothing was,
        nothing is committed."""
        links: tuple[str, ...] = ()
        asked = {"method": "PUT", "url": f"Provenance/{message.provenance}-moved"}
        for _ in range(2 * TRIES):  # a survivor may end meanwhile, too
            entries = await self._translator.left_behind(named) if named else []
            if not entries:
                return links
            bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
            try:
                links = _together(links, await self._perform(self._with_provenance(message, header, bundle, asked)))
            except FhirError as problem:
                if problem.category not in RACES:
                    raise
        raise Later("other writes came between")

    async def _perform(self, bundle: dict[str, Any]) -> tuple[str, ...]:
        request = Request(
            "POST", (), resource=bundle, body=json.serialize(bundle), content_type="application/fhir+json"
        )
        response = await self._client.perform(request)
        body, told = response.body, response.told
        if told is not None:
            return tuple([one.key.reference for one in told if not one.deleted and not _is_own(one.type, one.id)])
        return await asyncio.to_thread(_links, body) if len(body) > LARGE else _links(body)

    async def _found(self, message: Message, raw: bytes, header: Header) -> Outcome | None:
        """The outcome of a message that was applied before, None for one that was not."""
        links = await self._applied(message)
        if links is None:
            return None
        try:
            links = _together(links, await self._gather(message, header, await self._translator.named(raw)))
        except FhirError as problem:
            raise Later(str(problem), problem.category in PASSING) from problem
        return self._settled(message, header, DONE, links=links, releases=message.patients)

    async def _applied(self, message: Message) -> tuple[str, ...] | None:
        """What the message made, where it was applied; None where it was not."""
        try:
            found = await self._client.perform(Request("GET", ("Provenance", message.provenance)))
        except FhirError as problem:
            if problem.category in ("not-found", "deleted"):
                return None
            raise Later(str(problem), problem.category in PASSING) from problem
        targets = json.parse(found.body).get("target", ())
        return tuple(target["reference"] for target in targets if "reference" in target)

    # ------------------------------------------------------------------ what is told
    def _with_provenance(
        self, message: Message, header: Header, bundle: dict[str, Any], asked: dict[str, str]
    ) -> dict[str, Any]:
        """The transaction with a Provenance of the message; asked: the request that writes it."""
        entries = bundle["entry"]
        own: dict[str, Any] = next(
            (entry["resource"] for entry in entries if entry.get("resource", {}).get("resourceType") == "Provenance"),
            {},
        )
        others = [entry for entry in entries if entry.get("resource") is not own]
        provenance: dict[str, Any] = {"resourceType": "Provenance", **own, "id": asked["url"].partition("/")[2]}
        if not own:
            author = {"coding": [{"system": PARTICIPANT, "code": "author"}]}
            what = {"identifier": {"system": MESSAGE_ID, "value": message.control or message.digest}}
            provenance |= {
                "target": [{"reference": reference} for entry in others if (reference := _reference(entry))],
                "recorded": _instant(self._clock()),
                "agent": [{"type": author, "who": {"display": header.origin or "HL7 v2"}}],
                "entity": [{"role": "source", "what": what}],
            }
        return {**bundle, "entry": [*others, {"resource": provenance, "request": asked}]}

    def given_up(self, message: Message, raw: bytes, reason: str) -> Outcome:
        """The outcome of a message that was tried often enough."""
        return self._failed(message, read_header(raw), (Problem("207", reason),))

    def _failed(self, message: Message, header: Header | None, problems: tuple[Problem, ...]) -> Outcome:
        code = code_of(header, problems)
        answer = acknowledge(header, code, message.received, problems, self._ours)
        return Outcome(FAILED, reason_of(problems), message.links, code, answer)

    def _settled(
        self,
        message: Message,
        header: Header,
        state: str,
        reason: str = "",
        translation: Translation = Translation(),  # noqa: B008  it can't be changed
        links: tuple[str, ...] = (),
        releases: tuple[str, ...] = (),
    ) -> Outcome:
        problems = translation.problems
        answer = translation.answer or acknowledge(header, "AA", message.received, problems, self._ours)
        return Outcome(state, reason or reason_of(problems), _together(message.links, links), "AA", answer, releases)


def problems_of(failure: FhirError) -> tuple[Problem, ...]:
    """A FHIR server's refusal as problems of the message."""
    codes = {"required": "101", "value": "102", "structure": "102", "code-invalid": "103", "too-long": "104"}
    codes |= {"not-found": "204", "lock-error": "206", "exception": "207", "conflict": "205"}
    return tuple(
        Problem(
            codes.get(issue.code, "199"),
            " ".join(part for part in (issue.diagnostics, issue.expression) if part),
            _place(issue.location),
        )
        for issue in failure.issues
        if issue.severity in ("fatal", "error")
    ) or (Problem("207", "The FHIR server refused the message."),)


def _place(location: str) -> tuple[str | int, ...]:
    """MSH-18 as the place of a problem; () for what names no place of a message."""
    found = PLACE.fullmatch(location)
    return () if found is None else (found[1], 1, int(found[2])) if found[2] else (found[1], 1)


def _reference(entry: dict[str, Any]) -> str:
    """How another entry of the transaction refers to this one."""
    full, request = entry.get("fullUrl", ""), entry["request"]
    if full:
        return full
    url = request["url"]
    return url if request["method"] == "PUT" and "/" in url and "?" not in url else ""


def _together(before: tuple[str, ...], now: tuple[str, ...]) -> tuple[str, ...]:
    """What a message has made, of each resource the newest version: what it made before it was applied anew too."""
    return tuple({link.partition("/_history/")[0]: link for link in (*before, *now)}.values()) if before else now


def _is_own(type: str, id: str) -> bool:
    """Whether it is the Provenance of a message."""
    return type == "Provenance" and id.startswith("v2-")


def _links(body: bytes) -> tuple[str, ...]:
    """What a transaction made, as references with versions, without the message's own Provenance."""
    found = []
    for entry in json.parse(body).get("entry", ()):
        location = entry.get("response", {}).get("location", "")
        parts = location.split("/_history/")[0].split("/")[-2:]
        if len(parts) == 2 and not _is_own(parts[0], parts[1]):
            version = location.partition("/_history/")[2]
            found.append("/".join(parts) + (f"/_history/{version}" if version else ""))
    return tuple(found)


def _instant(moment: int) -> str:
    return datetime.datetime.fromtimestamp(moment / 1e6, datetime.UTC).isoformat(timespec="milliseconds")
