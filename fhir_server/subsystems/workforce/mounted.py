"""The workforce as a subsystem that is mounted: how it is made on a data folder, and its endpoints."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from zoneinfo import ZoneInfo

from fhir_server.core.settings import Settings
from fhir_server.subsystems.workforce.endpoints import ENDPOINTS
from fhir_server.subsystems.workforce.models import Training
from fhir_server.subsystems.workforce.pay import PayRules, pay_rules
from fhir_server.subsystems.workforce.rota.problem import Rules
from fhir_server.subsystems.workforce.service import Workforce
from fhir_server.subsystems.workforce.training import trainings_of

__all__ = ["ENDPOINTS", "TITLE", "make", "require"]

TITLE = "Workforce"


def require(settings: Settings) -> None:
    """FhirError "value" for a wrong file of pay or training."""
    _files(settings)


def make(settings: Settings) -> Workforce:
    """On its file in the data folder; FhirError "value" for a wrong file of pay or training."""
    file = settings.data / "subsystems" / "workforce.sqlite"
    rules = Rules(settings.workforce_rest_hours, settings.workforce_days_in_a_row)
    return Workforce(file, ZoneInfo(settings.timezone), rules, *_files(settings))


def _files(settings: Settings) -> tuple[PayRules | None, Sequence[Training]]:
    pay = pay_rules(Path(settings.workforce_pay)) if settings.workforce_pay else None
    return pay, trainings_of(Path(settings.workforce_training)) if settings.workforce_training else ()
