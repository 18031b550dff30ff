"""The message log as a page, in a headless Chromium: what a person sees once its scripts ran."""

from __future__ import annotations

import functools
import shutil
import subprocess
import warnings
from pathlib import Path

import pytest
from lxml import html

from tests.system.hl7v2.conftest import Hospital, adt, hospital_at, oru
from tests.system.test_page import CHROMIUM, FLAGS


@pytest.fixture
def chromium() -> str:
    if CHROMIUM is None or shutil.which(CHROMIUM) is None:
        warnings.warn("Chromium is not installed: the page is not tested in a browser.", stacklevel=1)
        pytest.skip("Chromium is not installed: the page is not tested in a browser.")
    return CHROMIUM


def seen(chromium: str, hospital: Hospital, place: str) -> str:
    """What a person reads at a place of the page."""
    command = [chromium, *FLAGS, f"{hospital.server.origin}/hl7/{place}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    return str(html.fromstring(done.stdout).xpath("string(.//main)"))


@pytest.fixture
def page(hospital: Hospital, chromium: str):
    return functools.partial(seen, chromium, hospital)


def test_a_log_without_messages_says_so(tmp_path: Path, chromium: str):
    with hospital_at(tmp_path, "[listener.lab]\nport = 0\n") as hospital:
        assert "No message has come yet" in seen(chromium, hospital, "")
        hospital.ask(adt("A01", "page-first", "P1"))
        assert "No message is like this" in seen(chromium, hospital, "#/?state=failed")


def test_the_log_a_message_and_the_destinations(hospital: Hospital, page):
    hospital.ask(oru("page-good", "P1", 2, name="<B>^JANE"))
    hospital.ask(adt("Z99", "page-bad", "P1"))
    log = page("#/?text=page-")
    assert "page-good" in log and "page-bad" in log
    assert "No mapping table has the message" in page("#/?state=failed")
    (row,) = [each for each in hospital.messages(patient="P1") if each["control"] == "page-good"]
    message = page(f"#/message/{row['id']}")
    for text in ("PID-5", "<B>^JANE", "Observation", "Answered AA", "Apply the corrected message"):
        assert text in message
    assert "No destination is set up" in page("#/destinations")
