"""The listener: a port, the processes that accept on it, and the worker for what follows."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import socket
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import structlog

from fhir_server.core.children import COPIES, FRESH, unheeding
from fhir_server.core.errors import FhirError, error
from fhir_server.core.garbage import tune
from fhir_server.core.logs import configure
from fhir_server.core.settings import Settings
from fhir_server.core.sharing import Share
from interfaces.dicom.archive.archive import Archive
from interfaces.dicom.archive.recovery import recover
from interfaces.dicom.bridge import Bridge, Opening
from interfaces.dicom.configuration import Configuration
from interfaces.dicom.workitems.subscriptions import tell_restarted
from interfaces.erasures import keep_working_off

log = structlog.get_logger("dicom")


def listen(settings: Settings, listening: socket.socket, opening: Opening, ready: Any = None) -> None:
    """Accepts associations on a socket until SIGTERM or until the process that started this one is gone."""
    configure(settings)
    archive = Archive(settings)
    configuration = Configuration(settings)
    configuration.peers()  # refused here, before there are other processes
    recover(archive, lambda sender: configuration.issuer(configuration.peers(), sender))
    moment = archive.clock()
    archive.write(lambda index: tell_restarted(index, moment))
    archive.close()
    counts: Any = FRESH.Array("i", settings.dicom_processes, lock=False)

    def another(at: int, context: Any) -> Any:
        return context.Process(target=accept, args=(settings, listening, opening, counts, at + 1), daemon=True)

    import interfaces.dicom.acceptor  # noqa: F401  the others have it from this process

    others = [another(at, COPIES) for at in range(settings.dicom_processes - 1)]
    with unheeding():
        for process in others:
            process.start()
    # now that there are copies: one would not heed a stop before it has handlers of its own, and lack the thread
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    _end_with_parent(stop)
    with accepting(settings, listening, opening, Share(counts, 0), worker=True):
        if ready is not None:
            ready.set()
        while not stop.wait(1.0):
            for at, process in enumerate(others):
                if not process.is_alive():
                    log.error("an acceptor process ended and is started again", exit=process.exitcode)
                    others[at] = another(at, FRESH)
                    with unheeding():
                        others[at].start()
    for process in others:
        process.terminate()
    for process in others:
        process.join(10)


def accept(settings: Settings, listening: socket.socket, opening: Opening, counts: Any, at: int) -> None:
    """One more process that accepts on the same socket; counts: of associations, its own at that place."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    _end_with_parent(stop)
    configure(settings)
    with accepting(settings, listening, opening, Share(counts, at), worker=False):
        stop.wait()


@contextlib.contextmanager
def accepting(
    settings: Settings, listening: socket.socket, opening: Opening, share: Share, *, worker: bool
) -> Iterator[Archive]:
    """An acceptor in this process, with the worker or without."""
    from interfaces.dicom.acceptor import Acceptor
    from interfaces.dicom.archive.erasing import Erasing
    from interfaces.dicom.services.service import Context
    from interfaces.dicom.work.worker import Worker

    archive = Archive(settings)
    bridge = Bridge(opening)
    context = Context(settings, archive, Configuration(settings), bridge)
    context.configuration.peers()
    acceptor = Acceptor(context, listening, share)
    tune()
    acceptor.start()
    working = Worker(context) if worker else None
    if working:
        working.start()
    erasing = None
    if worker and settings.interface_name:
        erase = Erasing(archive)
        erasing = bridge.start(lambda client: keep_working_off(client, settings.interface_name, erase))
    try:
        yield archive
    finally:
        acceptor.stop(settings.stop_seconds if settings.stop_seconds < 5 else 5)
        if working:
            working.stop()
        if erasing is not None:
            erasing.cancel()
        bridge.close()
        archive.close()


def _end_with_parent(stop: threading.Event) -> None:
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch() -> None:
        parent.join()
        stop.set()
        threading.Timer(10, lambda: os._exit(1)).start()

    threading.Thread(target=watch, name="dicom-parent", daemon=True).start()


def apart(
    settings: Settings, listening: socket.socket, opening: Opening, ready: Any, others: Sequence[socket.socket]
) -> None:
    """The listener as the process that `beside` starts: where a setting is wrong, its log has one line that says so."""
    for other in others:
        other.close()
    try:
        listen(settings, listening, opening, ready)
    except FhirError as problem:
        log.error("the DICOM listener can't start", problem=str(problem))
        raise SystemExit(1) from None


@contextlib.contextmanager
def beside(
    settings: Settings, listening: socket.socket, opening: Opening, others: Sequence[socket.socket]
) -> Iterator[None]:
    """The listener in a process of its own, for as long as the block runs; others: sockets that are not for it."""
    ready = COPIES.Event()
    process = COPIES.Process(target=apart, args=(settings, listening, opening, ready, others), name="dicom")
    with unheeding():
        process.start()
    try:
        while not ready.wait(0.1):
            if not process.is_alive():
                raise error("unavailable", "The DICOM listener could not start; the lines above say why.")
        yield
    finally:
        process.terminate()
        process.join(settings.stop_seconds + 10)
        if process.is_alive():
            process.kill()
