"""Deletion of studies, series and instances, where the setting dicom_web_delete allows it."""

from __future__ import annotations

from fhir_server.core.errors import error
from interfaces.dicom.web.exchange import WebAnswer, WebRequest
from interfaces.dicom.web.resources import keys_of, named


def delete(request: WebRequest) -> WebAnswer:
    """Removes what the path names; its ImagingStudy follows."""
    if not request.archive.settings.dicom_web_delete:
        raise error("not-supported", "The setting dicom_web_delete allows no deletion.", headers={"Allow": "GET"})
    rows = named(request, request.path)
    if request.writing is not None and not request.writing.changes(rows[0]["fhir_study"]):
        raise error("forbidden", "You may see this study, and not delete it: scopes, policies or Consents keep it.")
    request.archive.delete(keys_of(request.path), request.who)
    return WebAnswer(204, [])
