"""Who did what with whose record: kept durably, chained by hash, given as AuditEvents."""

from fhir_server.security.audit.event import Event
from fhir_server.security.audit.log import FILE_NAME, AuditLog, Verdict

__all__ = ["FILE_NAME", "AuditLog", "Event", "Verdict"]
