"""Deletion of studies, series and instances, where the setting dicom_web_delete allows it."""

from __future__ import annotations

from fhir_server.core.errors import error
from interfaces.dicom.web.exchange import WebAnswer, WebRequest
from interfaces.dicom.web.resources import named

_WHERE = {2: "t.uid = ?", 4: "t.uid = ? AND s.uid = ?", 6: "t.uid = ? AND s.uid = ? AND i.uid = ?"}


def delete(request: WebRequest) -> WebAnswer:
    """Removes what the path names; its ImagingStudy follows."""
    if not request.archive.settings.dicom_web_delete:
        raise error("not-supported", "The setting dicom_web_delete allows no deletion.", headers={"Allow": "GET"})
    named(request, request.path)
    request.archive.delete(_WHERE[len(request.path)], request.path[1::2], request.who)
    return WebAnswer(204, [])
