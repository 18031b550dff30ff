"""The data keys of a data folder, as the settings name their master key."""

from __future__ import annotations

from pathlib import Path

from fhir_server.core.settings import Settings
from fhir_server.security.encryption.data_keys import FILE_NAME, DataKeys
from fhir_server.security.encryption.master_keys import MasterKeys


def opened(settings: Settings) -> DataKeys | None:
    """What seals, with a connection of its own; None without a key file. FhirError "value" where it can't be used."""
    if not settings.encryption_keys:
        return None
    return DataKeys(settings.data / FILE_NAME, MasterKeys(Path(settings.encryption_keys)))
