"""STOW-RS: instances as files, or as JSON or XML metadata with their bulk data (PS3.18 section 10.5)."""

from __future__ import annotations

import asyncio
import io
import sqlite3
from collections.abc import AsyncIterator
from typing import Any

import msgspec

from fhir_server.core.errors import FhirError, error
from interfaces.dicom.archive.placing import Outcome
from interfaces.dicom.archive.record import Mismatch, record_of
from interfaces.dicom.dataset.model import Model, text
from interfaces.dicom.dataset.part10 import read_file
from interfaces.dicom.dataset.syntaxes import EXPLICIT_LITTLE, FRAME_TYPES
from interfaces.dicom.dataset.walk import DataSet, Malformed
from interfaces.dicom.web.accept import chosen
from interfaces.dicom.web.exchange import WebAnswer, WebRequest, json_answer
from interfaces.dicom.web.multipart import boundary_of, parts_of
from interfaces.dicom.web.native import native, read_native
from interfaces.dicom.web.writing import Writing

DICOM = "application/dicom"
DICOM_JSON = "application/dicom+json"
DICOM_XML = "application/dicom+xml"
LARGEST_PART = 2**31
# failure reasons (PS3.18 table I.2-2, PS3.4 annex B)
PROCESSING_FAILURE, NO_SPACE, NO_MATCH, CANNOT_UNDERSTAND, DUPLICATE = 0x0110, 0xA700, 0xA900, 0xC000, 0x0111
NOT_AUTHORIZED = 0x0124
COERCED = 0xB000
Bulk = dict[str, tuple[str, bytes]]  # by Content-Location: content type and bytes


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

    def file(self, data: bytes) -> None:
        """Keeps one file."""
        uids = ("", "", "", "")
        try:
            meta, data_set = read_file(data)
            uids = tuple(_uid(data_set, tag) for tag in (0x00080016, 0x00080018, 0x0020000D, 0x0020000E))
            if self._study and uids[2] != self._study:
                raise Mismatch(f"it is of study {uids[2]}")
            if self._request.writing is not None:
                self._require_allowed(self._request.writing, data_set, meta.transfer_syntax)
            outcome = self._request.archive.receive(
                memoryview(data)[meta.start :],
                transfer_syntax=meta.transfer_syntax,
                sender="STOW-RS",
                issuer=self._request.archive.settings.dicom_issuer,
            )
        except NotAllowed:
            self._fail(uids, NOT_AUTHORIZED)
        except Malformed:
            self._fail(uids, CANNOT_UNDERSTAND)
        except Mismatch:
            self._fail(uids, NO_MATCH)
        except (OSError, sqlite3.Error, FhirError) as problem:
            self._fail(uids, NO_SPACE if getattr(problem, "errno", 0) == 28 else PROCESSING_FAILURE)
        else:
            if outcome is Outcome.REFUSED:
                self._fail(uids, DUPLICATE)
            else:
                self._keep(uids, COERCED if outcome is Outcome.KEPT else 0)

    def _require_allowed(self, writing: Writing, data_set: DataSet, transfer_syntax: str) -> None:
        archive = self._request.archive
        record = record_of(
            data_set, transfer_syntax=transfer_syntax, digest="", size=0, start=0, sender="",
            issuer=archive.settings.dicom_issuer,
        )  # fmt: skip
        if not writing.stores(archive, record):
            raise NotAllowed

    def _keep(self, uids: tuple[str, ...], warning: int) -> None:
        url = f"{self._request.base}/studies/{uids[2]}/series/{uids[3]}/instances/{uids[1]}"
        item = {**_reference(uids), "00081190": {"vr": "UR", "Value": [url]}}
        if warning:
            item["00081196"] = {"vr": "US", "Value": [warning]}
            self._warned = True
        self.kept.append(item)

    def _fail(self, uids: tuple[str, ...], reason: int) -> None:
        if not all(uids[:2]):
            self._unnamed.append(reason)
            return
        self.failed.append({**_reference(uids), "00081197": {"vr": "US", "Value": [reason]}})

    def foreign(self, type: str) -> None:
        """A part is neither an instance nor bulk data."""
        self._foreign = type
        self._unnamed.append(CANNOT_UNDERSTAND)

    def metadata(self, models: list[Model], bulk: Bulk) -> None:
        """Keeps instances of metadata; FhirError where the only one of the request makes none."""
        alone = len(models) == 1 and not (self.kept or self.failed or self._unnamed)
        for model in models:
            try:
                made = _file(model, bulk)
            except FhirError:
                if alone:
                    raise
                self._fail((_named(model, "00080016"), _named(model, "00080018")), CANNOT_UNDERSTAND)
            else:
                self.file(made)

    def answer(self) -> WebAnswer:
        """200 where all were kept, 202 where some were or with a warning, 409 where none was."""
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
        status = 409 if not self.kept else 202 if failed or self._warned else 200
        if self._type == DICOM_XML:
            return WebAnswer(status, [("content-type", DICOM_XML)], native(model))
        return json_answer(model, status, type=self._type)


def _reference(uids: tuple[str, ...]) -> Model:
    return {
        tag: {"vr": "UI", "Value": [uid]} if uid else {"vr": "UI"}
        for tag, uid in (("00081150", uids[0]), ("00081155", uids[1]))
    }


def _named(model: Model, tag: str) -> str:
    value = model.get(tag)
    return text(model, tag) if isinstance(value, dict) and isinstance(value.get("Value"), list) else ""


def _uid(data_set: Any, tag: int) -> str:
    element = data_set.elements.get(tag)
    return data_set.bytes(element).decode("latin-1").strip(" \0") if element else ""


async def store(request: WebRequest, chunks: AsyncIterator[bytes]) -> WebAnswer:
    """Keeps the instances of a request while they arrive."""
    content_type = request.headers.get("content-type", "")
    stored = Stored(request)
    if content_type.split(";")[0].strip().lower() == DICOM:
        data = b"".join([chunk async for chunk in chunks])
        await asyncio.to_thread(stored.file, data)
        return stored.answer()
    models: list[Model] = []
    bulk: Bulk = {}
    async for headers, content in parts_of(chunks, boundary_of(content_type), LARGEST_PART):
        type = headers.get("content-type", DICOM).split(";")[0].strip().lower()
        if type == DICOM:
            await asyncio.to_thread(stored.file, content)
        elif type in (DICOM_JSON, "application/json"):
            models += models_of(content)
        elif type in (DICOM_XML, "text/xml", "application/xml"):
            models.append(read_native(content))
        elif "content-location" in headers:
            bulk[headers["content-location"]] = (headers.get("content-type", ""), content)
        else:
            stored.foreign(type)
    await asyncio.to_thread(stored.metadata, models, bulk)
    return stored.answer()


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


def _file(model: Model, bulk: Bulk) -> bytes:
    """A file of metadata and the bulk data that it refers to; FhirError where they make none."""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.encaps import encapsulate
    from pydicom.uid import UID

    def load(tag: str, vr: str, uri: str) -> bytes:
        if uri not in bulk:
            raise error("required", f"The metadata refers to {uri[:200]}, and no part has this Content-Location.")
        return bulk[uri][1]

    try:
        pixels = model.get("7FE00010", {}).get("BulkDataURI")
        syntax = _syntax(bulk[pixels][0]) if pixels in bulk else EXPLICIT_LITTLE
        stated = (model.pop("00083002", {}).get("Value") or [""])[0]
        syntax = stated if syntax == EXPLICIT_LITTLE and stated else syntax
        made = Dataset.from_json(
            {tag: value for tag, value in model.items() if not tag.startswith("0002")}, bulk_data_uri_handler=load
        )
        if "PixelData" in made and syntax in FRAME_TYPES:
            made.PixelData = encapsulate([made.PixelData])
            made["PixelData"].is_undefined_length = True
        meta = FileMetaDataset()
        meta.TransferSyntaxUID = UID(syntax)
        meta.MediaStorageSOPClassUID = made.get("SOPClassUID", "")
        meta.MediaStorageSOPInstanceUID = made.get("SOPInstanceUID", "")
        made.file_meta = meta
        buffer = io.BytesIO()
        made.save_as(buffer, enforce_file_format=False, implicit_vr=False, little_endian=True)
    except FhirError:
        raise
    except Exception as problem:  # pydicom raises what it likes over values of the wrong kind
        raise error("malformed", f"The metadata makes no data set: {problem}.") from problem
    content = buffer.getvalue()
    return content if content[128:132] == b"DICM" else b"\0" * 128 + b"DICM" + content


def _syntax(content_type: str) -> str:
    """The transfer syntax of a part of bulk data."""
    for part in content_type.split(";")[1:]:
        name, _, value = part.strip().partition("=")
        if name.lower() == "transfer-syntax":
            return value.strip('"')
    type = content_type.split(";")[0].strip().lower()
    return next((uid for uid, each in FRAME_TYPES.items() if each == type), EXPLICIT_LITTLE)
