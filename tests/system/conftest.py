"""The sample patients, loaded once for all system tests that look at them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fhir_server.loading.sources import documents
from fhir_server.samples import ARCHIVE
from tests.system.process import hms


@pytest.fixture(scope="session")
def sample_files() -> dict[str, dict[str, Any]]:
    """The Bundles of the sample archive by their files' names."""
    return {found.name.rpartition(":")[2]: json.load(found.stream) for found in documents([ARCHIVE])}


@pytest.fixture(scope="session")
def sample_entries(sample_files: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """Every Bundle entry of the sample archive, as the files have them."""
    return [entry for bundle in sample_files.values() for entry in bundle["entry"]]


@pytest.fixture(scope="session")
def sample(sample_entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Every resource of the sample archive, as the files have them."""
    return [entry["resource"] for entry in sample_entries]


@pytest.fixture(scope="session")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder that the samples were loaded into twice. Tests only read what is in it."""
    folder = tmp_path_factory.mktemp("samples")
    for _ in range(2):
        assert "16816 resources loaded" in hms("load", "--samples", "--data", folder)
    return folder
