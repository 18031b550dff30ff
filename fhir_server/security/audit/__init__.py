"""Who did what with whose record: kept durably, chained by hash, given as AuditEvents."""

from fhir_server.security.audit.chain import Verdict
from fhir_server.security.audit.event import Event
from fhir_server.security.audit.log import FILE_NAME, AuditLog

__all__ = ["FILE_NAME", "AuditLog", "Event", "Verdict"]
