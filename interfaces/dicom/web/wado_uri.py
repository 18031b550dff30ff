"""WADO-URI for viewers of before DICOMweb (PS3.18 section 9)."""

from __future__ import annotations

from fhir_server.core.errors import error
from interfaces.dicom.web.exchange import WebAnswer, WebRequest, ranged, tagged
from interfaces.dicom.web.frames import numbers_of
from interfaces.dicom.web.rendered import TYPES, View, image
from interfaces.dicom.web.resources import named, tag_of
from interfaces.dicom.web.retrieve import file_of

DICOM = "application/dicom"


def wado(request: WebRequest) -> WebAnswer:
    """One instance as a file or as an image."""
    if request.parameter("requestType").upper() != "WADO":
        raise error("value", "requestType must be WADO.")
    uids = [request.parameter(name) for name in ("studyUID", "seriesUID", "objectUID")]
    if not all(uids):
        raise error("required", "studyUID, seriesUID and objectUID name the instance; all three are needed.")
    row = named(request, ("studies", uids[0], "series", uids[1], "instances", uids[2]))[0]
    type = request.parameter("contentType").split(",")[0].strip() or "image/jpeg"
    if type == DICOM:
        syntax = request.parameter("transferSyntax")
        content = file_of(request.archive, row, {syntax} if syntax else set())
        return tagged(
            request, tag_of([row], DICOM, syntax), ranged(request, WebAnswer(200, [("content-type", DICOM)], content))
        )
    if type not in TYPES:
        raise error("not-acceptable", f"contentType {type[:60]} can't be given; {DICOM} and {', '.join(TYPES)} can.")
    number = numbers_of(request.parameter("frameNumber") or "1", row)[0]
    content = image(request.archive, row, number, type, _view(request))
    return tagged(request, tag_of([row], type, str(request.query)), WebAnswer(200, [("content-type", type)], content))


def _view(request: WebRequest) -> View:
    view = View()
    try:
        if request.parameter("windowCenter") and request.parameter("windowWidth"):
            window = (float(request.parameter("windowCenter")), float(request.parameter("windowWidth")), "linear")
            view = view._replace(window=window)
        rows, columns = (int(request.parameter(name) or 0) for name in ("rows", "columns"))
        if rows or columns:
            view = view._replace(viewport=(min(columns or 16384, 16384), min(rows or 16384, 16384)))
        if request.parameter("imageQuality"):
            view = view._replace(quality=max(1, min(100, int(request.parameter("imageQuality")))))
    except ValueError as problem:
        raise error("value", "windowCenter, windowWidth, rows, columns and imageQuality are numbers.") from problem
    return view
