"""Waits for a processor, where others have it."""

import os
import subprocess
import sys
import threading
import time

import pytest

from fhir_server.core.processor_waits import FILE, ProcessorWaits

pytestmark = pytest.mark.skipif(not os.path.exists(FILE), reason="the system does not tell")


def test_a_thread_that_shares_a_processor_waits_for_it() -> None:
    grown: list[bool] = []

    def work() -> None:
        os.sched_setaffinity(0, {processor})
        waits = ProcessorWaits()
        before, end = waits.seconds(), time.monotonic() + 20
        while waits.seconds() < before + 0.05 and time.monotonic() < end:
            pass
        grown.append(waits.seconds() >= before + 0.05)
        waits.close()

    processor = min(os.sched_getaffinity(0))
    other = subprocess.Popen([sys.executable, "-c", "while True: pass"], preexec_fn=lambda: _only(processor))
    try:
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    finally:
        other.kill()
        other.wait()
    assert grown == [True]


def test_who_asks_no_more_is_told_of_none() -> None:
    waits = ProcessorWaits()
    assert waits.seconds() >= 0.0
    waits.close()
    assert waits.seconds() == 0.0


def _only(processor: int) -> None:
    os.sched_setaffinity(0, {processor})
