"""WADO-URI for viewers of before DICOMweb (PS3.18 section 9)."""

from __future__ import annotations

from fhir_server.core.errors import error
from interfaces.dicom.archive.index import Row
from interfaces.dicom.archive.instances import attributes
from interfaces.dicom.dataset.model import first
from interfaces.dicom.web.annotations import annotations_of
from interfaces.dicom.web.exchange import WebAnswer, WebRequest, ranged, tagged
from interfaces.dicom.web.frames import numbers_of
from interfaces.dicom.web.rendered import LARGEST, TYPES, View, image, numbers_in
from interfaces.dicom.web.resources import named, tag_of
from interfaces.dicom.web.retrieve import file_of

DICOM = "application/dicom"
# what would give another object than was asked for, were it left out
REFUSED = ("anonymize", "presentationUID", "presentationSeriesUID")


def wado(request: WebRequest) -> WebAnswer:
    """One instance as a file or as an image."""
    if request.parameter("requestType").upper() != "WADO":
        raise error("value", "requestType must be WADO.")
    uids = [request.parameter(name) for name in ("studyUID", "seriesUID", "objectUID")]
    if not all(uids):
        raise error("required", "studyUID, seriesUID and objectUID name the instance; all three are needed.")
    for name in REFUSED:
        if request.parameter(name):
            raise error("unsupported-parameter", f"{name} can't be done here; leave it out for the object as it is.")
    row = named(request, ("studies", uids[0], "series", uids[1], "instances", uids[2]))[0]
    type = _type(request)
    if type == DICOM:
        syntax = request.parameter("transferSyntax")
        accepted = {each.strip() for each in syntax.split(",")} - {""}
        content = file_of(request.archive, row, set() if "*" in accepted else accepted)  # * is as it is kept
        return tagged(
            request, tag_of([row], DICOM, syntax), ranged(request, WebAnswer(200, [("content-type", DICOM)], content))
        )
    number = numbers_of(request.parameter("frameNumber") or "1", row)[0]
    content = image(request.archive, row, number, type, _view(request, row))
    return tagged(request, tag_of([row], type, str(request.query)), WebAnswer(200, [("content-type", type)], content))


def _type(request: WebRequest) -> str:
    """The first of contentType's types that can be given, image/jpeg where it names none."""
    wanted = [part.split(";")[0].strip().lower() for part in request.parameter("contentType").split(",")]
    found = next((type for type in wanted if type == DICOM or type in TYPES), "")
    if not found and any(wanted):
        given = request.parameter("contentType")[:60]
        raise error("not-acceptable", f"contentType {given} can't be given; {DICOM} and {', '.join(TYPES)} can.")
    return found or "image/jpeg"


def _view(request: WebRequest, row: Row) -> View:
    view = View()
    names = ("windowCenter", "windowWidth", "rows", "columns", "imageQuality")
    given = {name: text for name in names if (text := request.parameter(name))}
    numbers = dict(zip(given, numbers_in(list(given.values())), strict=False))
    if len(numbers) < len(given):
        raise error("value", f"{', '.join(names)} are numbers.")
    if ("windowCenter" in numbers) != ("windowWidth" in numbers) or not numbers.get("windowWidth", 1) > 0:
        raise error("value", "windowCenter and windowWidth go together, the width above 0.")
    if "windowWidth" in numbers:
        view = view._replace(window=(numbers["windowCenter"], numbers["windowWidth"], "linear"))
    edges = {name: numbers.get(name, LARGEST) for name in ("rows", "columns")}
    if not all(1 <= edge <= LARGEST for edge in edges.values()):
        raise error("value", f"rows and columns are whole numbers from 1 to {LARGEST}.")
    if "rows" in numbers or "columns" in numbers:
        view = view._replace(viewport=(int(edges["columns"]), int(edges["rows"])))
    quality = numbers.get("imageQuality", view.quality)
    if not 1 <= quality <= 100:
        raise error("value", "imageQuality is a whole number from 1 to 100.")
    view = view._replace(quality=int(quality))
    if request.parameter("region"):
        view = view._replace(source=_region(request.parameter("region"), row))
    if request.parameter("annotation"):
        view = view._replace(annotation=annotations_of(request.parameter("annotation")))
    return view


def _region(text: str, row: Row) -> tuple[float, float, float, float]:
    """The source box of a region, which is given in parts of the image: left, top, right, bottom."""
    numbers = numbers_in(text.split(","))
    left, top, right, bottom = numbers if len(numbers) == 4 else [-1.0] * 4
    if not (0 <= left < right <= 1 and 0 <= top < bottom <= 1):
        raise error("value", "region is left,top,right,bottom in parts of the image from 0 to 1.")
    model = attributes(row)
    height, width = (first(model, tag, 0) for tag in ("00280010", "00280011"))
    return left * width, top * height, (right - left) * width, (bottom - top) * height
