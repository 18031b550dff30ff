"""A hospital with a visit, and billing on it."""

from pathlib import Path

import pytest

from fhir_server.subsystems.billing.service import Billing
from tests.conftest import Fhir
from tests.unit.subsystems.billing.story import Story, folder, hospital


@pytest.fixture
async def story(fhir: Fhir, tmp_path: Path):
    made = Story(fhir, Billing(folder(tmp_path)))
    await made.store(*hospital())
    yield made
    made.billing.close()
