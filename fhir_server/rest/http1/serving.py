"""One process that answers requests on a socket until it is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import resource
import signal
import socket
import ssl
from collections.abc import Callable
from typing import Any

import uvloop

from fhir_server.core.sharing import Share
from fhir_server.rest.http1.accepting import Accepting
from fhir_server.rest.http1.host import Host
from fhir_server.rest.http1.lifespan import Lifespan
from fhir_server.rest.http1.stopping import stop_signals

OPEN_FILES = 65_536  # connections and files; where a process may have so many


def run(
    make: Callable[[], Any],
    listening: socket.socket,
    stop_seconds: float,
    tls: ssl.SSLContext | None = None,
    share: Share | None = None,
) -> bool:
    """Serves the application that make gives, until one of `stop_signals`; whether it had started.

    share: this process's part of the connections, where several listen. A stop answers the requests under way for up to
    stop_seconds; a second SIGINT ends it at once.
    """

    async def main() -> bool:
        stop, at_once = asyncio.Event(), asyncio.Event()
        loop = asyncio.get_running_loop()

        def interrupted() -> None:
            if stop.is_set():
                at_once.set()
            stop.set()

        for number in stop_signals():
            loop.add_signal_handler(number, interrupted if number == signal.SIGINT else stop.set)
        parent = multiprocessing.parent_process()
        if parent is not None:
            loop.add_reader(parent.sentinel, stop.set)
        return await serve(make(), listening, stop, stop_seconds, tls, at_once, share)

    _allow_connections()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main())


async def serve(
    application: Any,
    listening: socket.socket,
    stop: asyncio.Event,
    stop_seconds: float,
    tls: ssl.SSLContext | None = None,
    at_once: asyncio.Event | None = None,
    share: Share | None = None,
) -> bool:
    """Serves an ASGI application on the running event loop until stop is set; whether it had started."""
    lifespan = Lifespan(application)
    if not await lifespan.start():
        return False
    host = Host(application, share)
    accepting = Accepting(host, listening, tls, share)
    await stop.wait()
    accepting.stop()
    listening.close()
    await host.stop(stop_seconds, at_once or asyncio.Event())
    await lifespan.stop()
    return True


def _allow_connections() -> None:
    """Takes the number of open files that this process may have, often more than it begins with."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
