"""One message to one FHIR transaction, applied exactly once.

The transaction carries a Provenance whose id is made of the message. Whether a message was applied is asked of the FHIR
store, not remembered beside it: a second try of the same message meets that Provenance and changes nothing.
"""

from __future__ import annotations

import datetime
from typing import Any
from urllib.parse import parse_qsl, unquote

import structlog

from fhir_server.api import Request
from fhir_server.client import FhirClient
from fhir_server.codec import json
from fhir_server.core.errors import FhirError
from fhir_server.core.ports import Clock
from interfaces.hl7v2.configuration import Interfaces
from interfaces.hl7v2.exchange.acknowledgement import Ours, acknowledge, code_of
from interfaces.hl7v2.exchange.errors import Problem, reason_of
from interfaces.hl7v2.header import Header, read_header
from interfaces.hl7v2.messages.message import DONE, FAILED, IGNORED, WAITING, Message, Outcome
from interfaces.hl7v2.translation import Translation, Translator

log = structlog.get_logger("hl7")

PASSING = ("unavailable", "locked", "no-store", "throttled")  # categories of errors that go away by themselves
RACES = ("conflict", "precondition")
TRIES = 4  # of a transaction that another write came between
MESSAGE_ID = "urn:hl7-org:v2:MSH-10"
SOURCE = "http://terminology.hl7.org/CodeSystem/provenance-participant-type"


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
        if again and (links := await self._applied(message)) is not None:
            return self._settled(message, header, DONE, links=links, releases=message.patients)
        try:
            translation = await self._translator.translate(raw, header, policies)
        except FhirError as problem:
            if problem.category in PASSING:
                raise Later(str(problem), problem.category in PASSING) from problem
            return self._failed(message, header, problems_of(problem))
        except Exception:
            log.exception("hl7 translation failed", message=message.id)
            return self._failed(message, header, (Problem("207", "The translation failed; its log says where."),))
        if any(problem.severity == "E" for problem in translation.problems):
            return self._failed(message, header, translation.problems)
        if translation.ignored or not translation.bundle or not translation.bundle.get("entry"):
            reason = translation.ignored or "It says nothing that is kept as FHIR."
            state = DONE if translation.answer else IGNORED
            return self._settled(message, header, state, reason, translation)
        if policies.unknown_patient != "create" and not translation.brings:
            unknown = await self._unknown(translation.bundle)
            if unknown and policies.unknown_patient == "wait":
                return self._settled(message, header, WAITING, f"its patient is not known: {unknown}")
            if unknown:
                problem = Problem("204", f"The patient is not known: {unknown}", ("PID", 1, 3))
                return self._failed(message, header, (problem,))
        return await self._commit(message, header, translation)

    async def _commit(self, message: Message, header: Header, translation: Translation) -> Outcome:
        assert translation.bundle is not None
        bundle = self._with_provenance(message, header, translation.bundle)
        body = json.serialize(bundle)
        for attempt in range(TRIES):
            resource = json.parse(body) if attempt else bundle  # performing it puts its references right in place
            request = Request("POST", (), resource=resource, body=body, content_type="application/fhir+json")
            try:
                response = await self._client.perform(request)
            except FhirError as problem:
                if problem.category in PASSING or problem.category == "exception":
                    raise Later(str(problem), problem.category in PASSING) from problem
                if problem.category in RACES:
                    if (links := await self._applied(message)) is not None:
                        break
                    if attempt < TRIES - 1:
                        continue
                return self._failed(message, header, problems_of(problem))
            links = _links(response.body)
            break
        else:
            raise Later("other writes came between")
        releases = message.patients if translation.brings else ()
        return self._settled(message, header, DONE, "", translation, links, releases)

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

    async def _unknown(self, bundle: dict[str, Any]) -> str:
        """The criteria of the first patient of the transaction that matches nobody, "" where all are known."""
        for entry in bundle["entry"]:
            url = entry["request"]["url"]
            asked = entry["request"].get("ifNoneExist") if entry["request"]["method"] == "POST" else url
            if url.split("?")[0].split("/")[0] != "Patient" or not asked:
                continue
            criteria = asked.partition("?")[2] if "?" in asked else asked
            query = parse_qsl(criteria)
            if not query:
                continue
            try:
                found = await self._client.perform(Request("GET", ("Patient",), [*query, ("_summary", "count")]))
            except FhirError as problem:
                raise Later(str(problem), problem.category in PASSING) from problem
            if json.parse(found.body).get("total") == 0:
                return unquote(criteria)
        return ""

    # ------------------------------------------------------------------ what is told
    def _with_provenance(self, message: Message, header: Header, bundle: dict[str, Any]) -> dict[str, Any]:
        """The transaction with the message's Provenance, which must not exist yet."""
        entries = list(bundle["entry"])
        targets = []
        own: dict[str, Any] = {}
        for entry in entries:
            resource, request = entry.get("resource"), entry["request"]
            if resource is not None and resource["resourceType"] == "Provenance" and not own:
                own = resource
            elif request["method"] in ("PUT", "POST") and (reference := _reference(entry)):
                targets.append({"reference": reference})
        entries = [entry for entry in entries if entry.get("resource") is not own]
        provenance = {
            **own,
            "resourceType": "Provenance",
            "id": message.provenance,
            "target": targets,
            "recorded": _instant(self._clock()),
        }
        author = {"coding": [{"system": SOURCE, "code": "author"}]}
        provenance.setdefault("agent", [{"type": author, "who": {"display": header.origin or "HL7 v2"}}])
        entity = {
            "role": "source",
            "what": {
                "identifier": {"system": MESSAGE_ID, "value": message.control or message.digest},
                "display": f"{header.type} {message.control} of {header.origin}, message {message.id}",
            },
        }
        provenance["entity"] = [*own.get("entity", ()), entity]
        asked = {"method": "PUT", "url": f"Provenance/{message.provenance}", "ifNoneMatch": "*"}
        return {**bundle, "entry": [*entries, {"resource": provenance, "request": asked}]}

    def given_up(self, message: Message, raw: bytes, reason: str) -> Outcome:
        """The outcome of a message that was tried often enough."""
        return self._failed(message, read_header(raw), (Problem("207", reason),))

    def _failed(self, message: Message, header: Header | None, problems: tuple[Problem, ...]) -> Outcome:
        code = code_of(header, problems)
        answer = acknowledge(header, code, message.received, problems, self._ours)
        return Outcome(FAILED, reason_of(problems), (), code, answer)

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
        return Outcome(state, reason or reason_of(problems), links, "AA", answer, releases)


def problems_of(failure: FhirError) -> tuple[Problem, ...]:
    """A FHIR server's refusal as problems of the message."""
    codes = {"required": "101", "value": "102", "structure": "102", "code-invalid": "103", "too-long": "104"}
    codes |= {"not-found": "204", "lock-error": "206", "exception": "207", "conflict": "205"}
    return tuple(
        Problem(codes.get(issue.code, "199"), " ".join(part for part in (issue.diagnostics, issue.expression) if part))
        for issue in failure.issues
        if issue.severity in ("fatal", "error")
    ) or (Problem("207", "The FHIR server refused the message."),)


def _reference(entry: dict[str, Any]) -> str:
    """How another entry of the transaction refers to this one."""
    full, request = entry.get("fullUrl", ""), entry["request"]
    if full:
        return full
    url = request["url"]
    return url if request["method"] == "PUT" and "/" in url and "?" not in url else ""


def _links(body: bytes) -> tuple[str, ...]:
    """What a transaction made, as references with versions, without the message's own Provenance."""
    found = []
    for entry in json.parse(body).get("entry", ()):
        location = entry.get("response", {}).get("location", "")
        parts = location.split("/_history/")[0].split("/")[-2:]
        if len(parts) == 2 and not (parts[0] == "Provenance" and parts[1].startswith("v2-")):
            version = location.partition("/_history/")[2]
            found.append("/".join(parts) + (f"/_history/{version}" if version else ""))
    return tuple(found)


def _instant(moment: int) -> str:
    return datetime.datetime.fromtimestamp(moment / 1e6, datetime.UTC).isoformat(timespec="milliseconds")
