"""Deletion of studies, series and instances, where the setting dicom_web_delete allows it."""

from __future__ import annotations

from fhir_server.core.errors import error
from interfaces.dicom.web.exchange import WebAnswer, WebRequest
from interfaces.dicom.web.resources import keys_of, named


def delete(request: WebRequest) -> WebAnswer:
    """Removes what the path names; its ImagingStudy follows."""
    if not request.archive.settings.dicom_web_delete:
        raise error("not-supported", "The setting dicom_web_delete allows no deletion.", headers={"Allow": "GET"})
    named(request, request.path)
    request.archive.delete(keys_of(request.path), request.who)
    return WebAnswer(204, [])
