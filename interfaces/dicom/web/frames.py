"""Frames as they are kept, or decoded (PS3.18 section 10.4.1.1.6)."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import Any

from fhir_server.core.errors import error
from interfaces.dicom.archive.archive import Archive
from interfaces.dicom.archive.index import Row
from interfaces.dicom.archive.instances import attributes, file_of
from interfaces.dicom.archive.lost import is_whole, torn
from interfaces.dicom.dataset.model import first, little_endian
from interfaces.dicom.dataset.part10 import read_file
from interfaces.dicom.dataset.syntaxes import EXPLICIT_LITTLE, FRAME_TYPES, syntax
from interfaces.dicom.dataset.walk import PIXEL_DATA
from interfaces.dicom.web.accept import media_ranges
from interfaces.dicom.web.exchange import WebAnswer, WebRequest, not_found, ranged, reason, tagged
from interfaces.dicom.web.multipart import Part, related
from interfaces.dicom.web.pixels import Pixels
from interfaces.dicom.web.resources import model_url, named, split, tag_of
from interfaces.dicom.web.retrieve import head

OCTETS = "application/octet-stream"
PIXELS = (PIXEL_DATA, 0x7FE00008, 0x7FE00009)  # whole numbers, floating point numbers, those of double precision


def frames(request: WebRequest) -> WebAnswer:
    """The frames of /frames/1,2,3, as multipart/related, or one alone."""
    path, rest = split(request.path)
    row = named(request, path)[0]
    return given(request, row, numbers_of(rest[1] if len(rest) > 1 else "", row))


def given(request: WebRequest, row: Row, numbers: list[int], location: str = "") -> WebAnswer:
    """These frames of an instance, in the first way that the caller takes; location: what names them all, "" for the
    URL of each."""
    as_kept, type = how(request, row)
    tag = tag_of([row], str(numbers), type)
    single = len(numbers) == 1 and not any(each.multipart for each in media_ranges(request.accept()))
    header = type if not as_kept else f"{type}; transfer-syntax={row['transfer_syntax']}"
    if single and request.headers.get("accept", "*/*") != "*/*":
        content = reading(request.archive, row, as_kept)(numbers[0])
        return tagged(request, tag, ranged(request, WebAnswer(200, [("content-type", header)], content)))

    def parts() -> Iterator[Part]:
        read = reading(request.archive, row, as_kept)
        for number in numbers:
            place = location or f"{model_url(request, row)}/frames/{number}"
            yield [("Content-Type", header), ("Content-Location", place)], lambda number=number: read(number)

    return tagged(request, tag, related(type, parts()))


def pixel_parts(request: WebRequest, row: Row, location: str) -> Iterator[Part]:
    """The compressed pixels of an instance as parts of that location: a frame each as they are kept, or all decoded."""
    as_kept, type = how(request, row)
    read, numbers = reading(request.archive, row, as_kept), range(1, row["frames"] + 1)
    if not as_kept:
        headers = [("Content-Type", type), ("Content-Location", location)]
        yield headers, lambda: b"".join(read(number) for number in numbers)
        return
    headers = [("Content-Type", f"{type}; transfer-syntax={row['transfer_syntax']}"), ("Content-Location", location)]
    yield from ((headers, lambda number=number: read(number)) for number in numbers)


def numbers_of(text: str, row: Row) -> list[int]:
    """Frame numbers from 1; FhirError where one is none of the instance."""
    parts = text.split(",")
    if not all(part.isascii() and part.isdigit() and len(part) < 10 for part in parts):
        raise error("value", f"Frames are numbers with commas between, such as 1,2; not {text[:60]}.")
    numbers = [int(part) for part in parts]
    if min(numbers) < 1:
        raise error("value", f"Frames are counted from 1; {min(numbers)} is none.")
    if max(numbers) > row["frames"]:
        raise error("not-found", f"There is no frame {max(numbers)}: the instance has {row['frames']}.")
    return numbers


def how(request: WebRequest, row: Row) -> tuple[bool, str]:
    """Whether frames are given as they are kept, and their media type; FhirError "not-acceptable"."""
    kept = row["transfer_syntax"]
    kept_type = FRAME_TYPES.get(kept, OCTETS)
    native = not syntax(kept).encapsulated
    for wanted in media_ranges(request.accept()):
        if wanted.covers(kept_type) and (wanted.syntax in ("*", kept) or (wanted.type == "*/*" and not wanted.syntax)):
            return not native, kept_type
        if not native and wanted.type == kept_type and not wanted.syntax:
            return True, kept_type
        if wanted.covers(OCTETS) and wanted.syntax in ("", "*", EXPLICIT_LITTLE):
            return False, OCTETS
    raise error(
        "not-acceptable",
        f"Accept asks for {request.accept()[:200]}; these frames are had as {kept_type} in {kept}, or as {OCTETS}.",
    )


def reading(archive: Archive, row: Row, as_kept: bool) -> Callable[[int], bytes]:
    """What gives the frames of an instance by their numbers; FhirError where it has none, or one can't be decoded."""
    data_set = head(archive, row)
    tag = next((tag for tag in PIXELS if tag in data_set.elements), None)
    if tag is None:
        raise not_found(f"pixel data in instance {row['instance_uid']}")
    element = data_set.elements[tag]
    if not is_whole(archive, row):
        raise torn(archive, row)
    if as_kept:
        return lambda number: _fragments(archive, row, element.start, number)
    bits = frame_bits(row) if element.fragments is None else 0
    if not bits:
        pixels = Pixels(archive, row)
        return lambda number: decoded(pixels, number).tobytes()
    if data_set.how.big or data_set.how.deflated:
        _, whole = read_file(file_of(archive, row))
        content = memoryview(little_endian(whole, whole.elements[tag]))
        return lambda number: cut(content, (number - 1) * bits, bits)

    def read(number: int) -> bytes:
        first = (number - 1) * bits
        start, end = first // 8, (first + bits + 7) // 8
        piece = archive.files.read(row["digest"], row["start"] + element.start + start, end - start)
        return cut(memoryview(piece), first % 8, bits)

    return read


def _fragments(archive: Archive, row: Row, start: int, number: int) -> bytes:
    """One frame as it is kept; FhirError where its fragments are not to be found."""
    from pydicom.encaps import get_frame

    path = archive.files.local(row["digest"])
    with open(path, "rb") if path is not None else io.BytesIO(file_of(archive, row)) as file:
        file.seek(row["start"] + start)
        try:
            return get_frame(file, number - 1, number_of_frames=row["frames"])
        except Exception as problem:  # of pixel data that is cut or counted wrongly
            raise error(
                "not-acceptable", f"Frame {number} can't be found in the pixel data: {reason(problem)}."
            ) from problem


def frame_bits(row: Row) -> int:
    """Bits of one native frame; 0 where a pixel's are neither one nor whole bytes."""
    model = attributes(row)
    bits, samples = first(model, "00280100", 0), first(model, "00280002", 1)
    if bits % 8 and bits != 1:
        return 0
    if str(first(model, "00280004", "")).endswith("422"):
        samples = 2  # two pixels have a colour together (PS3.3 section C.7.6.3.1.2)
    return first(model, "00280010", 0) * first(model, "00280011", 0) * samples * bits


def cut(pixels: memoryview, start: int, bits: int) -> bytes:
    """So many bits from one on, the first one the lowest of its byte (PS3.5 section 8.1.1)."""
    covering = pixels[start // 8 : (start + bits + 7) // 8]
    if start % 8 == 0 and bits % 8 == 0:
        return bytes(covering)
    number = int.from_bytes(covering, "little") >> start % 8
    return (number & ((1 << bits) - 1)).to_bytes((bits + 7) // 8, "little")


def decoded(pixels: Pixels, number: int):
    """One frame as an array, laid out as its attributes say; FhirError "not-acceptable" where it can't be decoded."""
    try:
        return _as_described(pixels.described, pixels.frame(number, raw=True))
    except Exception as problem:  # decoders raise what they like
        raise error("not-acceptable", f"The frame can't be decoded: {reason(problem)}.") from problem


def _as_described(data_set: Any, frame: Any) -> Any:
    """Colours as Photometric Interpretation and Planar Configuration have them, which callers read in the metadata.

    A decoder gives (rows, columns, samples), each pixel with its own colour (PS3.3 sections C.7.6.3.1.2 and .3).
    """
    import numpy

    if frame.ndim == 3 and data_set.PhotometricInterpretation.endswith("422"):
        even = numpy.pad(frame, ((0, 0), (0, frame.shape[1] % 2), (0, 0)), "edge")
        two = even.reshape(frame.shape[0], -1, 2, 3)
        return numpy.concatenate((two[..., 0], two[..., 0, 1:]), axis=2)
    if frame.ndim == 3 and data_set.get("PlanarConfiguration") == 1:
        return numpy.moveaxis(frame, 2, 0)
    return frame
