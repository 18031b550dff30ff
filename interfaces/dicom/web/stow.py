"""STOW-RS: instances as files, or as JSON or XML metadata with their bulk data (PS3.18 section 10.5)."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
import structlog

from fhir_server.core.errors import FhirError, error
from fhir_server.core.full_disk import lacks_room
from interfaces.dicom.archive.placing import Outcome
from interfaces.dicom.archive.receiving import Announced, Receiving
from interfaces.dicom.archive.record import Mismatch, Record
from interfaces.dicom.dataset.model import Model, text
from interfaces.dicom.dataset.part10 import read_meta, read_names
from interfaces.dicom.dataset.walk import Malformed
from interfaces.dicom.web.accept import chosen
from interfaces.dicom.web.bulk_parts import BulkParts
from interfaces.dicom.web.exchange import WebAnswer, WebRequest, json_answer
from interfaces.dicom.web.made_files import file_of
from interfaces.dicom.web.multipart import boundary_of, parts_of
from interfaces.dicom.web.native import native, read_native

DICOM = "application/dicom"
DICOM_JSON = "application/dicom+json"
DICOM_XML = "application/dicom+xml"
LARGEST = 2**31  # bytes of a file, and of the bulk data of a request
LARGEST_METADATA = 64 * 2**20  # bytes of a request's metadata, which are in memory
TOGETHER = 2**20  # bytes that are written at a time; the names of a file stand in the first ones
METADATA_TOLD = "All metadata of a request has 64 MiB at most; send large values as bulk data, or files."
BULK_TOLD = "All bulk data of a request has 2048 MiB at most; send the instances in several requests, or as files."
# failure reasons (PS3.18 table I.2-2, PS3.4 annex B)
PROCESSING_FAILURE, NO_SPACE, NO_MATCH, CANNOT_UNDERSTAND, DUPLICATE = 0x0110, 0xA700, 0xA900, 0xC000, 0x0111
NOT_AUTHORIZED = 0x0124
COERCED = 0xB000
SERVERS_FAULT = {NO_SPACE: 507, PROCESSING_FAILURE: 500}  # the same request may be taken later

log = structlog.get_logger("dicom")


class NotAllowed(Exception):
    """The caller may not add this instance."""


class Stored:
    """What came of each instance of a request."""

    def __init__(self, request: WebRequest) -> None:
        self._request = request
        self._study = request.path[1] if len(request.path) > 1 else ""
        self._type, _ = chosen(request.accept(), (DICOM_JSON, "application/json", DICOM_XML))
        self.kept: list[Model] = []
        self.failed: list[Model] = []
        self._unnamed: list[int] = []  # why parts failed that don't say which instance they are
        self._warned = False
        self._foreign = ""  # the type of a part that can't be an instance
        self._broken_off = ""  # what is wrong with the rest of the body

    def keep(self, uids: tuple[str, ...], warning: int) -> None:
        """An instance was kept; warning: 0 for none."""
        url = f"{self._request.base}/studies/{uids[2]}/series/{uids[3]}/instances/{uids[1]}"
        item = {**_reference(uids), "00081190": {"vr": "UR", "Value": [url]}}
        if warning:
            item["00081196"] = {"vr": "US", "Value": [warning]}
            self._warned = True
        self.kept.append(item)

    def fail(self, uids: tuple[str, ...], reason: int) -> None:
        """An instance was not kept."""
        if not all(uids[:2]):
            self._unnamed.append(reason)
            return
        self.failed.append({**_reference(uids), "00081197": {"vr": "US", "Value": [reason]}})

    async def file(self, pieces: AsyncIterator[bytes]) -> None:
        """Keeps one file while it arrives."""
        arriving = Arriving(self, self._request, self._study)
        come: list[bytes] = []
        held = 0
        try:
            async for piece in limited(pieces, LARGEST, "A file has 2048 MiB at most."):
                come.append(piece)
                held += len(piece)
                if held >= TOGETHER:
                    await in_thread(arriving.write, b"".join(come))
                    come, held = [], 0
            await in_thread(arriving.finish, b"".join(come))
        except BaseException:  # a cancelled task too: the server stops, or the caller has gone
            arriving.discard()
            raise

    def foreign(self, type: str) -> None:
        """A part is neither an instance nor bulk data."""
        self._foreign = type
        self._unnamed.append(CANNOT_UNDERSTAND)

    def break_off(self, problem: FhirError, models: list[Model]) -> None:
        """The rest of the body can't be read, and metadata without it makes no instances: what is kept is told all the
        same, as the sender would not know of it otherwise. Raises the problem where nothing is."""
        if not self.kept:
            raise problem
        self._broken_off = problem.issues[0].diagnostics
        self._unnamed.append(CANNOT_UNDERSTAND)
        for model in models:
            self.fail((_named(model, "00080016"), _named(model, "00080018")), CANNOT_UNDERSTAND)

    def metadata(self, models: list[Model], bulk: BulkParts) -> None:
        """Keeps instances of metadata; FhirError where the only one of the request makes none."""
        alone = len(models) == 1 and not (self.kept or self.failed or self._unnamed)
        for model in models:
            if bulk.full:
                self.fail((_named(model, "00080016"), _named(model, "00080018")), NO_SPACE)
                continue
            try:
                pieces = file_of(model, bulk)
            except FhirError:
                if alone:
                    raise
                self.fail((_named(model, "00080016"), _named(model, "00080018")), CANNOT_UNDERSTAND)
            else:
                arriving = Arriving(self, self._request, self._study)
                for piece in pieces:
                    arriving.write(piece)
                arriving.finish(b"")

    def answer(self) -> WebAnswer:
        """200 where all were kept, 202 where some were or with a warning; where none was 409, or 507 and 500 where
        nothing is wrong with the request."""
        failed = bool(self.failed or self._unnamed)
        if self._foreign and not self.kept and not self.failed:
            raise error(
                "unsupported-media",
                f"A part of type {self._foreign[:60]} has no Content-Location and is no instance.",
            )
        if not self.kept and not failed:
            raise error("required", "The request has no instance in it.")
        model: Model = {}
        if self._study:
            model["00081190"] = {"vr": "UR", "Value": [f"{self._request.base}/studies/{self._study}"]}
        if self.failed:
            model["00081198"] = {"vr": "SQ", "Value": self.failed}
        if self.kept:
            model["00081199"] = {"vr": "SQ", "Value": self.kept}
        if self._unnamed:
            reasons = [{"00081197": {"vr": "US", "Value": [reason]}} for reason in self._unnamed]
            model["0008119A"] = {"vr": "SQ", "Value": reasons}
        status = 202 if failed or self._warned else 200
        if not self.kept:
            reasons = {each["00081197"]["Value"][0] for each in self.failed} | set(self._unnamed)
            status = SERVERS_FAULT.get(reasons.pop(), 409) if len(reasons) == 1 else 409
        headers = [("warning", f'299 ultimate-hms "{self._broken_off}"')] if self._broken_off else []
        if self._type == DICOM_XML:
            return WebAnswer(status, [("content-type", DICOM_XML), *headers], native(model))
        return json_answer(model, status, *headers, type=self._type)


def _reference(uids: tuple[str, ...]) -> Model:
    return {
        tag: {"vr": "UI", "Value": [uid]} if uid else {"vr": "UI"}
        for tag, uid in (("00081150", uids[0]), ("00081155", uids[1]))
    }


def _named(model: Model, tag: str) -> str:
    value = model.get(tag)
    return text(model, tag) if isinstance(value, dict) and isinstance(value.get("Value"), list) else ""


class Arriving:
    """One file on its way to the disk; what goes wrong with it is told of this instance alone."""

    def __init__(self, stored: Stored, request: WebRequest, study: str) -> None:
        self._stored = stored
        self._request = request
        self._study = study
        self._receiving: Receiving | None = None
        self._uids: tuple[str, ...] = ("", "", "", "")  # SOP class, SOP instance, study and series, as far as known
        self._failed = False

    def write(self, data: bytes | memoryview) -> None:
        """Adds bytes; the first are the whole file or so many that its names stand in them."""
        if not self._failed:
            self._failed = not self._tried(lambda: self._add(data))

    def finish(self, rest: bytes) -> None:
        """Keeps it with the rest, or says why not."""
        if rest or self._receiving is None:
            self.write(rest)
        receiving = self._receiving
        if not self._failed and receiving is not None:
            self._tried(lambda: self._kept(receiving.finish(self._check)))

    def discard(self) -> None:
        """Leaves nothing of it: the rest won't come."""
        if self._receiving is not None:
            self._receiving.discard()

    def _add(self, data: bytes | memoryview) -> None:
        if self._receiving is not None:
            self._receiving.write((data,))
            return
        meta = read_meta(data)
        begun = memoryview(data)[meta.start :]
        names = read_names(begun, meta)
        self._uids = (*names, "", "")
        issuer = self._request.archive.settings.dicom_issuer
        self._receiving = self._request.archive.begin(Announced(*names, meta.transfer_syntax, "STOW-RS", issuer))
        self._receiving.write((begun,))

    def _check(self, record: Record) -> None:
        self._uids = record.sop_class, record.uid, record.study_uid, record.series_uid
        if self._study and record.study_uid != self._study:
            raise Mismatch(f"it is of study {record.study_uid}")
        writing = self._request.writing
        if writing is not None and not writing.stores(self._request.archive, record):
            raise NotAllowed

    def _kept(self, outcome: Outcome) -> None:
        if outcome is Outcome.REFUSED:
            self._stored.fail(self._uids, DUPLICATE)
        else:
            self._stored.keep(self._uids, COERCED if outcome is Outcome.KEPT else 0)

    def _tried(self, work: Callable[[], None]) -> bool:
        """Whether work was done; where it was not, nothing is left and the reason told."""
        try:
            work()
            return True
        except NotAllowed:
            reason = NOT_AUTHORIZED
        except Malformed:
            reason = CANNOT_UNDERSTAND
        except Mismatch:
            reason = NO_MATCH
        except (OSError, sqlite3.Error, FhirError) as problem:
            reason = NO_SPACE if lacks_room(problem) else PROCESSING_FAILURE
            log.error("instance could not be kept", sender="STOW-RS", problem=str(problem))
        self.discard()
        self._stored.fail(self._uids, reason)
        return False


async def store(request: WebRequest, chunks: AsyncIterator[bytes]) -> WebAnswer:
    """Keeps the instances of a request: files while they arrive; metadata, which is held in memory, once all of its
    bulk data is on the disk."""
    content_type = request.headers.get("content-type", "")
    stored = Stored(request)
    if content_type.split(";")[0].strip().lower() == DICOM:
        await stored.file(chunks)
        return stored.answer()
    models: list[Model] = []
    bulk = BulkParts(request.archive.files)
    room, bulk_room = LARGEST_METADATA, LARGEST
    try:
        async for headers, pieces in parts_of(chunks, boundary_of(content_type)):
            type = headers.get("content-type", DICOM).split(";")[0].strip().lower()
            if type == DICOM:
                await stored.file(pieces)
            elif type in (DICOM_JSON, "application/json", DICOM_XML, "text/xml", "application/xml"):
                content = b"".join([piece async for piece in limited(pieces, room, METADATA_TOLD)])
                room -= len(content)
                models += models_of(content) if type.endswith("json") else [read_native(content)]
            elif "content-location" in headers:
                bulk.begin(headers["content-location"], headers.get("content-type", ""))
                with _as_far_as_there_is_room(bulk):
                    bulk_room -= await _spooled(bulk, limited(pieces, bulk_room, BULK_TOLD))
            else:
                stored.foreign(type)
        if not bulk.full:
            with _as_far_as_there_is_room(bulk):
                await in_thread(bulk.ended)
        await in_thread(stored.metadata, models, bulk)
    except FhirError as problem:
        stored.break_off(problem, models)
    finally:
        bulk.discard()
    return stored.answer()


@contextmanager
def _as_far_as_there_is_room(bulk: BulkParts) -> Iterator[None]:
    """A disk without room for bulk data ends what is written of it, not the request: its instances fail alone."""
    try:
        yield
    except OSError as problem:
        if not lacks_room(problem):
            raise
        bulk.full = True


async def _spooled(bulk: BulkParts, pieces: AsyncIterator[bytes]) -> int:
    """Writes a part of bulk data while it arrives; gives how many bytes it has."""
    come: list[bytes] = []
    held = size = 0
    async for piece in pieces:
        come.append(piece)
        held += len(piece)
        if held >= TOGETHER:
            await in_thread(bulk.write, b"".join(come))
            size, come, held = size + held, [], 0
    if come:
        await in_thread(bulk.write, b"".join(come))
    return size + held


async def in_thread(work: Callable[..., None], *given: Any) -> None:
    """Does it in a thread, and waits for that where the task is cancelled: what it writes to is given up then."""
    running = asyncio.ensure_future(asyncio.to_thread(work, *given))
    try:
        await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait([running])
        raise


async def limited(pieces: AsyncIterator[bytes], most: int, told: str) -> AsyncIterator[bytes]:
    """Pieces, as long as they are no more than so many bytes; FhirError "too-large" that tells this."""
    async for piece in pieces:
        most -= len(piece)
        if most < 0:
            raise error("too-large", told)
        yield piece


def models_of(content: bytes) -> list[Model]:
    """Data sets in the DICOM JSON Model, one or a list; FhirError "malformed" for anything else."""
    try:
        found = msgspec.json.decode(content)
    except msgspec.DecodeError as problem:
        raise error("malformed", f"The metadata is no JSON: {problem}.") from problem
    found = found if isinstance(found, list) else [found]
    if not all(isinstance(each, dict) for each in found):
        raise error("malformed", "The metadata must be a list of data sets in the DICOM JSON Model.")
    return found
