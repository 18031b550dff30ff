"""Synthetic patients to try a server with."""

from __future__ import annotations

from pathlib import Path

ARCHIVE = Path(__file__).with_name("synthea-r4-28-patients.tar.zst")
