"""Processes that are begun without an ear for Ctrl-C."""

import multiprocessing
import signal
import subprocess
import sys
from pathlib import Path

from fhir_server.core.children import unheeding

ROOT = Path(__file__).parents[3]


def heeds() -> bool:
    return signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())


def tell() -> None:
    raise SystemExit(heeds())


def begin() -> None:
    """Begins a process in the block and one after it; prints whether this one heeds, and what they said."""
    spawn = multiprocessing.get_context("spawn")
    first, second = spawn.Process(target=tell), spawn.Process(target=tell)
    with unheeding():
        first.start()
    second.start()
    first.join()
    second.join()
    print(heeds(), first.exitcode, second.exitcode)


def test_a_process_never_hears_of_ctrl_c_and_who_began_it_does():
    program = f"from {__name__} import begin; begin()"  # a process that has begun no other yet
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "True 0 1\n"
