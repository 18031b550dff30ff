"""Synthetic patients to try a server with."""

from __future__ import annotations

import re
import tarfile
from pathlib import Path

import zstandard

ARCHIVE = Path(__file__).with_name("synthea-r4-28-patients.tar.zst")
_PATIENT = re.compile(r"_([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\.json$")


def patient_ids() -> list[str]:
    """The ids of the patients in the archive; they stand at the end of its files' names."""
    with zstandard.open(ARCHIVE) as unpacked, tarfile.open(fileobj=unpacked, mode="r|") as archive:
        return [found[1] for member in archive if (found := _PATIENT.search(member.name))]
