"""Billing as a subsystem that is mounted."""

from __future__ import annotations

from fhir_server.core.settings import Settings
from fhir_server.subsystems.billing.endpoints import ENDPOINTS
from fhir_server.subsystems.billing.service import Billing

__all__ = ["ENDPOINTS", "TITLE", "make"]

TITLE = "Billing"


def make(settings: Settings) -> Billing:
    """On its files in the data folder."""
    return Billing(settings.data / "subsystems")
