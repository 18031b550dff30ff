"""From threads to a FHIR server: an event loop of its own in which the client runs."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeVar

from fhir_server.client import FhirClient

T = TypeVar("T")
Opening = Callable[[], AbstractAsyncContextManager[FhirClient]]
SECONDS = 60.0
THREADS = 24  # at most; peers that are sent to hold one each, for as long as that takes


class Bridge:
    """Opens the client at the first call and keeps it."""

    def __init__(self, opening: Opening) -> None:
        self._opening = opening
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lock = threading.Lock()
        self._client: FhirClient | None = None
        self._opened: Any = None

    def call(self, work: Callable[[FhirClient], Awaitable[T]], seconds: float = SECONDS) -> T:
        """Runs work with the client; what it raises is raised here, TimeoutError after so many seconds."""
        return asyncio.run_coroutine_threadsafe(self._run(work), self._started()).result(seconds)

    def start(self, work: Callable[[FhirClient], Awaitable[None]]) -> Any:
        """Starts work that goes on; its future."""
        return asyncio.run_coroutine_threadsafe(self._run(work), self._started())

    def close(self) -> None:
        """Closes the client and its loop."""
        loop = self._loop
        if loop is None:
            return
        if self._opened is not None:
            asyncio.run_coroutine_threadsafe(self._opened.__aexit__(None, None, None), loop).result(SECONDS)
        loop.call_soon_threadsafe(loop.stop)
        self._thread.join(SECONDS)
        self._loop = None

    async def _run(self, work: Callable[[FhirClient], Awaitable[T]]) -> T:
        async with self._opening_lock:
            if self._client is None:
                opened = self._opening()
                self._client = await opened.__aenter__()
                self._opened = opened
        return await work(self._client)

    def _started(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._loop.set_default_executor(ThreadPoolExecutor(THREADS, "dicom-work"))
                self._opening_lock = asyncio.Lock()
                self._thread = threading.Thread(target=self._loop.run_forever, name="dicom-fhir", daemon=True)
                self._thread.start()
            return self._loop
