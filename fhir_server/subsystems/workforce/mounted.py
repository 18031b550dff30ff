"""The workforce as a subsystem that is mounted: how it is made on a data folder, and its endpoints."""

from __future__ import annotations

from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from fhir_server.core.errors import error
from fhir_server.core.settings import Settings
from fhir_server.subsystems.workforce.endpoints import ENDPOINTS
from fhir_server.subsystems.workforce.pay import pay_rules
from fhir_server.subsystems.workforce.rota.problem import Rules
from fhir_server.subsystems.workforce.service import Workforce
from fhir_server.subsystems.workforce.training import trainings_of

__all__ = ["ENDPOINTS", "TITLE", "make"]

TITLE = "Workforce"


def make(settings: Settings) -> Workforce:
    """On its file in the data folder; FhirError "value" for a time zone that there is not, and for a wrong file."""
    try:
        zone = ZoneInfo(settings.timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise error(
            "value", f"timezone must be a name such as Europe/Berlin, not {settings.timezone[:60]!r}."
        ) from None
    file = settings.data / "subsystems" / "workforce.sqlite"
    rules = Rules(settings.workforce_rest_hours, settings.workforce_days_in_a_row)
    pay = pay_rules(Path(settings.workforce_pay)) if settings.workforce_pay else None
    trainings = trainings_of(Path(settings.workforce_training)) if settings.workforce_training else ()
    return Workforce(file, zone, rules, pay, trainings)
