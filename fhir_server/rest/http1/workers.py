"""Several processes that serve one socket: started, replaced when they end, and stopped together.

A worker may take as long as it needs to start; only one that has ended is replaced. Workers are copies of this process
(where the system can do that safely): what it has loaded by then they need not load, and share as memory. So it must
have no other threads, and nothing open that is for one process only.
"""

from __future__ import annotations

import signal
import socket
import sys
import time
from collections.abc import Callable
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess

import structlog

from fhir_server.core.children import COPIES
from fhir_server.core.sharing import Share, counts_of_copies
from fhir_server.rest.http1.stopping import stop_signals

NOT_STARTED = 3  # the exit code of a worker that can't start
SHORT = 1.0  # seconds; a worker that lived no longer is replaced after as many
AGAIN = 3.0  # seconds after which one that can't start beside others that serve is tried again
GRACE = 5.0  # seconds beyond stop_seconds until a worker is killed

log = structlog.get_logger("workers")


Work = Callable[[socket.socket, Share | None], None]


def keep(count: int, work: Work, listening: socket.socket, stop_seconds: float) -> bool:
    """Keeps so many processes that run work(listening, share), until one of `stop_signals`; False where none can start.

    One that can't start while another is there (the disk was full, the program is being replaced) is tried again.
    work: a function of a module, which a fresh process can import; it exits with NOT_STARTED where it can't start.
    """
    woken, waker = socket.socketpair()
    woken.setblocking(False)
    waker.setblocking(False)
    stopping = False

    def stop(number: int, frame: object) -> None:
        nonlocal stopping
        stopping = True

    before = signal.set_wakeup_fd(waker.fileno())
    for number in stop_signals():
        signal.signal(number, stop)

    counts = counts_of_copies(count) if sys.platform == "linux" else None  # others are no copies, and share no memory

    def start(place: int) -> tuple[BaseProcess, float]:
        share = Share(counts, place) if counts is not None else None
        process = COPIES.Process(target=begin, args=(work, listening, share))
        process.start()
        return process, time.monotonic()

    workers = [start(place) for place in range(count)]
    due: dict[int, float] = {}  # when those that have ended are started again
    unstarted: set[int] = set()  # where one could not start the last time
    failed = False

    def serves(place: int, failing: float) -> bool:
        """Whether one is there that has started: one that tries again can still fail for as long as failing took."""
        process, since = workers[place]
        return process.is_alive() and (place not in unstarted or time.monotonic() - since > failing)

    while not stopping and not failed:
        running = [process.sentinel for place, (process, _) in enumerate(workers) if place not in due]
        wait([woken, *running], max(0.0, min(due.values()) - time.monotonic()) if due else None)
        for place, (process, since) in enumerate(workers):
            if stopping or place in due or process.is_alive():
                continue
            process.join()
            lived = time.monotonic() - since
            pause = SHORT if lived < SHORT else 0.0
            if process.exitcode == NOT_STARTED:
                unstarted.add(place)
                if not any(serves(other, lived) for other in range(count)):
                    failed = True
                    break
                pause = AGAIN
            else:
                unstarted.discard(place)
                log.error("a worker ended and is replaced", worker=process.pid, exit_code=process.exitcode)
            due[place] = time.monotonic() + pause
        for place in [place for place, moment in due.items() if moment <= time.monotonic()]:
            if not stopping and not failed:
                if workers[place][0].exitcode == NOT_STARTED:  # told now, as it is not where all others fail too
                    log.error("a worker could not start, and is tried again", worker=workers[place][0].pid)
                del due[place]
                workers[place] = start(place)
    listening.close()  # whoever comes now must not wait for nobody
    _end([process for process, _ in workers], stop_seconds)
    signal.set_wakeup_fd(before)
    woken.close()
    waker.close()
    return not failed


def begin(work: Work, listening: socket.socket, share: Share | None) -> None:
    """The worker's own start: signals are its own again."""
    signal.set_wakeup_fd(-1)
    for number in stop_signals():
        signal.signal(number, signal.SIG_DFL)
    work(listening, share)


def _end(workers: list[BaseProcess], stop_seconds: float) -> None:
    """Asks all to stop, and kills those that have not after a while."""
    for process in workers:
        if process.is_alive():
            process.terminate()
    end = time.monotonic() + stop_seconds + GRACE
    for process in workers:
        process.join(max(0.0, end - time.monotonic()))
        if process.is_alive():
            process.kill()
            process.join()
