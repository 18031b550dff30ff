"""The only place that knows the concrete classes: settings in, a running server out."""

from fhir_server.bootstrap.machine import now
from fhir_server.bootstrap.mounting import application, page_of, preload
from fhir_server.bootstrap.securing import opened_audit, opened_audit_of_all, opened_security
from fhir_server.bootstrap.starting import checker, start

__all__ = [
    "application",
    "checker",
    "now",
    "opened_audit",
    "opened_audit_of_all",
    "opened_security",
    "page_of",
    "preload",
    "start",
]
