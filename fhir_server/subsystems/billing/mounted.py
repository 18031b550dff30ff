"""Billing as a subsystem that is mounted."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from fhir_server.core.settings import Settings
from fhir_server.subsystems.billing import endpoints, payment_endpoints, work_endpoints
from fhir_server.subsystems.billing.scrub import OWN, payer_edits
from fhir_server.subsystems.billing.service import Billing

__all__ = ["ENDPOINTS", "TITLE", "make", "require"]

TITLE = "Billing"
ENDPOINTS = (*endpoints.ENDPOINTS, *work_endpoints.ENDPOINTS, *payment_endpoints.ENDPOINTS)


def require(settings: Settings) -> None:
    """FhirError "value" for a wrong file of payers' edits."""
    payer_edits(settings.data / "subsystems" / OWN)


def make(settings: Settings) -> Billing:
    """On its files in the data folder."""
    return Billing(settings.data / "subsystems", ZoneInfo(settings.timezone))
