"""Bulk data: one value, or all of an instance, series or study (PS3.18 sections 10.4.1.1.5 and 10.4.3.3.5)."""

from __future__ import annotations

from collections.abc import Iterator

from fhir_server.core.errors import FhirError, error
from interfaces.dicom.archive.index import Row
from interfaces.dicom.dataset.model import little_endian, to_model
from interfaces.dicom.dataset.syntaxes import FRAME_TYPES, syntax
from interfaces.dicom.dataset.walk import DataSet, Element, Malformed
from interfaces.dicom.web.accept import chosen
from interfaces.dicom.web.exchange import WebAnswer, WebRequest, not_found, ranged, tagged
from interfaces.dicom.web.frames import OCTETS, given, how, pixel_parts
from interfaces.dicom.web.multipart import Part, related
from interfaces.dicom.web.resources import model_url, named, partial, readable, split, tag_of
from interfaces.dicom.web.retrieve import walked


def bulk(request: WebRequest) -> WebAnswer:
    """The bytes of one value, named by tags and item numbers: /bulkdata/7FE00010 or …/00880200/1/7FE00010."""
    path, (_, *place) = split(request.path)
    row = named(request, path)[0]
    data_set = walked(request.archive, row)
    try:
        element = _element(data_set, place)
    except (KeyError, ValueError, Malformed) as problem:
        raise not_found(f"value {'/'.join(place)} in instance {row['instance_uid']}") from problem
    location = _location(request, row, "/".join(place))
    if element.fragments is not None and len(place) == 1:
        return given(request, row, list(range(1, row["frames"] + 1)), location)
    content = _content(data_set, element)
    tag = tag_of([row], "bulkdata", *place)
    _, wanted = chosen(request.accept(), (OCTETS,))
    if wanted.multipart or wanted.type == "*/*":
        parts: list[Part] = [([("Content-Type", OCTETS), ("Content-Location", location)], content)]
        return tagged(request, tag, related(OCTETS, parts))
    return tagged(request, tag, ranged(request, WebAnswer(200, [("content-type", OCTETS)], content)))


def all_bulk(request: WebRequest) -> WebAnswer:
    """Every value of the instances that metadata give as a link, each a part that names it by this link."""
    path, _ = split(request.path)
    rows = named(request, path)
    type, _ = chosen(request.accept(), (OCTETS, *dict.fromkeys(FRAME_TYPES.values())))
    tag = tag_of(rows, "bulkdata", request.accept())
    known = tagged(request, tag, WebAnswer(200, []))
    if known.status == 304:
        return known
    whole = readable(request, rows)
    fitting = [row for row in whole if _fits(request, row)] or whole[:1]  # the first says why none can be given

    def parts() -> Iterator[Part]:
        some = False
        for row in fitting:
            for part in _parts(request, row):
                some = True
                yield part
        if not some:
            raise error("not-found", "There is no bulk data: all values of what is asked for stand in its metadata.")

    return partial(tagged(request, tag, related(type, parts())), rows, fitting)


def _fits(request: WebRequest, row: Row) -> bool:
    """Whether the pixels of an instance can be given in a way that is accepted."""
    if not syntax(row["transfer_syntax"]).encapsulated:
        return True
    try:
        return bool(how(request, row))
    except FhirError:
        return False


def _parts(request: WebRequest, row: Row) -> Iterator[Part]:
    data_set = walked(request.archive, row)
    places: list[str] = []

    def linked(place: str) -> str:
        places.append(place)
        return place

    to_model(data_set, bulk=linked)
    for place in places:
        element, location = _element(data_set, place.split("/")), _location(request, row, place)
        if element.fragments is not None and "/" not in place:
            yield from pixel_parts(request, row, location)
        else:
            yield [("Content-Type", OCTETS), ("Content-Location", location)], _content(data_set, element)


def _location(request: WebRequest, row: Row, place: str) -> str:
    return f"{model_url(request, row)}/bulkdata/{place}"


def _element(data_set: DataSet, place: list[str]) -> Element:
    """The element of a place, a tag behind pairs of a sequence's tag and the number of an item; KeyError, ValueError or
    Malformed for none."""
    elements = data_set.elements
    for at in range(0, len(place) - 1, 2):
        items = dict(enumerate(data_set.items(elements[int(place[at], 16)]), 1))
        elements = items[int(place[at + 1])]
    return elements[int(place[-1], 16)]


def _content(data_set: DataSet, element: Element) -> bytes:
    """The bytes of a value; of the pixels of an icon as they are kept."""
    if element.fragments is None:
        return little_endian(data_set, element)
    return b"".join(bytes(data_set.data[start : start + length]) for start, length in element.fragments[1:])
