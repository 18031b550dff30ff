"""WADO-RS: instances and metadata (PS3.18 section 10.4)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress

import msgspec

from fhir_server.core.errors import FhirError, error
from interfaces.dicom.archive.archive import Archive
from interfaces.dicom.archive.files import Torn
from interfaces.dicom.archive.index import Row
from interfaces.dicom.archive.instances import encoded
from interfaces.dicom.archive.instances import file_of as kept_file
from interfaces.dicom.archive.lost import torn
from interfaces.dicom.dataset.model import Model, to_model
from interfaces.dicom.dataset.part10 import read_file
from interfaces.dicom.dataset.syntaxes import EXPLICIT_LITTLE, UNCOMPRESSED, syntax
from interfaces.dicom.dataset.walk import DataSet, Malformed
from interfaces.dicom.web.accept import MediaRange, chosen, media_ranges
from interfaces.dicom.web.exchange import DICOM_JSON, WebAnswer, WebRequest, ranged, tagged
from interfaces.dicom.web.multipart import Part, related
from interfaces.dicom.web.native import native
from interfaces.dicom.web.recent import Recent
from interfaces.dicom.web.resources import model_url, named, partial, readable, split, tag_of

DICOM = "application/dicom"
DICOM_XML = "application/dicom+xml"
HEAD_BYTES = 64 * 1024  # enough for what is before the pixel data, mostly


def instances(request: WebRequest) -> WebAnswer:
    """Whole instances: parts of multipart/related, or one alone as application/dicom, in a syntax that is accepted."""
    rows = named(request, request.path)
    wanted = _wanted(request.accept())
    accepted = {each.syntax or EXPLICIT_LITTLE for each in wanted}
    syntaxes = set() if "*" in accepted else accepted
    tag = tag_of(rows, DICOM, *sorted(syntaxes))
    if len(rows) == 1 and not wanted[0].multipart and wanted[0].type == DICOM:
        content = file_of(request.archive, rows[0], syntaxes)
        return tagged(request, tag, ranged(request, WebAnswer(200, [("content-type", DICOM)], content)))

    def parts() -> Iterator[Part]:
        for row in given:
            location = ("Content-Location", model_url(request, row))
            yield [("Content-Type", DICOM), location], lambda row=row: file_of(request.archive, row, syntaxes)

    answer = tagged(request, tag, related(DICOM, parts()))
    if answer.status == 304:
        return answer
    whole = readable(request, rows)
    given = [row for row in whole if _convertible(row, syntaxes)] or whole[:1]  # the first says why none can be given
    return partial(answer, rows, given)


def _convertible(row: Row, syntaxes: set[str]) -> bool:
    """Whether an instance can be had in one of the syntaxes, as far as its own syntax tells."""
    from pydicom.pixels.decoders.base import get_decoder
    from pydicom.uid import UID

    kept = row["transfer_syntax"]
    if not syntaxes or kept in syntaxes:
        return True
    if EXPLICIT_LITTLE not in syntaxes or kept in UNCOMPRESSED:
        return EXPLICIT_LITTLE in syntaxes
    try:
        return get_decoder(UID(kept)).is_available
    except NotImplementedError:
        return False


def _wanted(accept: str) -> list[MediaRange]:
    wanted = [each for each in media_ranges(accept) if each.covers(DICOM)]
    if not wanted:
        chosen(accept, [f'multipart/related; type="{DICOM}"', DICOM])
    # a bare */* takes what is stored
    return [each._replace(syntax=each.syntax or "*") if each.type == "*/*" else each for each in wanted]


def file_of(archive: Archive, row: Row, syntaxes: set[str]) -> bytes:
    """An instance as a file in one of the syntaxes, () for as it is kept; FhirError where it can't be converted."""
    if syntaxes and not syntaxes & {row["transfer_syntax"], EXPLICIT_LITTLE}:
        raise error(
            "not-acceptable",
            f"{row['instance_uid']} is kept in {row['transfer_syntax']} and can be had in it or in {EXPLICIT_LITTLE}.",
        )
    try:
        return encoded(archive, row, syntaxes)
    except FhirError:
        raise
    except Exception as problem:  # pydicom and decoders raise what they like
        if getattr(problem, "errno", None) is not None:  # but the disk says which of its own it is
            raise
        raise error(
            "not-acceptable",
            f"{row['instance_uid']} is kept in {row['transfer_syntax']} and can't be converted; ask for "
            f"transfer-syntax=* or {row['transfer_syntax']}.",
        ) from problem


def metadata(request: WebRequest) -> WebAnswer:
    """All attributes of the instances, large values as links."""
    path, _ = split(request.path)
    rows = named(request, path)
    type, _ = chosen(request.accept(), (DICOM_JSON, "application/json", DICOM_XML))
    tag = tag_of(rows, type, request.base)
    known = tagged(request, tag, WebAnswer(200, []))
    if known.status == 304:
        return known
    if type == DICOM_XML:
        given = readable(request, rows)
        parts = (([("Content-Type", DICOM_XML)], lambda row=row: native(attributes(request, row))) for row in given)
        return partial(tagged(request, tag, related(DICOM_XML, parts)), rows, given)
    there = rows if request.archive.files.local(rows[0]["digest"]) is None else readable(request, rows)
    given, bodies = [], []
    for row in there:
        with suppress(Torn):
            key = row["digest"], row["coercion"], request.base
            bodies.append(_METADATA.get(key, lambda row=row: msgspec.json.encode(attributes(request, row))))
            given.append(row)
    if not given:
        raise Torn("Each file of what is asked for")
    answer = tagged(request, tag, WebAnswer(200, [("content-type", type)], b"[%b]" % b",".join(bodies)))
    return partial(answer, rows, given)


_METADATA = Recent(32 * 2**20)


def attributes(request: WebRequest, row: Row) -> Model:
    """The attributes of an instance in the order of their tags, as they are in its file but for what is coerced."""
    data_set = head(request.archive, row)
    base = model_url(request, row)
    model = to_model(data_set, bulk=lambda path: f"{base}/bulkdata/{path}")
    if row["coercion"]:
        model.update(json.loads(row["coercion"]))
    model["00083002"] = {"vr": "UI", "Value": [row["transfer_syntax"]]}
    model["00080005"] = {"vr": "CS", "Value": ["ISO_IR 192"]}
    return dict(sorted(model.items()))


def head(archive: Archive, row: Row) -> DataSet:
    """The data set of an instance up to its pixel data, without reading these where that is possible."""
    if not syntax(row["transfer_syntax"]).deflated and row["size"] > HEAD_BYTES:
        with suppress(Malformed, FileNotFoundError):
            data = memoryview(archive.files.read(row["digest"], 0, HEAD_BYTES))
            return DataSet(data[row["start"] :], row["transfer_syntax"], to_pixels=True)
    return walked(archive, row)


def walked(archive: Archive, row: Row) -> DataSet:
    """The data set of an instance; Torn where its file is not as it was kept."""
    try:
        return read_file(kept_file(archive, row))[1]
    except Malformed as problem:
        raise torn(archive, row) from problem
