"""Whether an audit log is kept."""

from __future__ import annotations

from fhir_server.core.settings import Settings


def audited(settings: Settings) -> bool:
    """Whether every access is kept in an audit log."""
    return settings.audit == "on" or (settings.audit == "auto" and settings.security != "open")
