"""Stands in front of a service: ends TLS, or makes it slow. Bytes pass as they are."""

from __future__ import annotations

import asyncio
import ssl
import threading
from pathlib import Path

CHUNK = 2**16


class Proxy:
    """Listens on a free port of 127.0.0.1 for a service on another, in a thread of its own; a context manager.

    certificate: files of a certificate and its key, None for no TLS. delay: seconds that each piece of an answer is
    held back; it may be changed at any time.
    """

    def __init__(self, target: int, certificate: tuple[Path, Path] | None = None) -> None:
        self.port = 0
        self.delay = 0.0
        self._target = target
        self._context: ssl.SSLContext | None = None
        if certificate is not None:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(*certificate)
        self._server: asyncio.Server | None = None
        self._ways: set[asyncio.Future[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)

    def __enter__(self) -> Proxy:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result()
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._context)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _end(self) -> None:
        assert self._server is not None
        self._server.close()
        for way in self._ways:
            way.cancel()
        await asyncio.gather(*self._ways, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answers, asks = await asyncio.open_connection("127.0.0.1", self._target)
        ways = {
            asyncio.ensure_future(self._pass(reader, asks, slow=False)),
            asyncio.ensure_future(self._pass(answers, writer, slow=True)),
        }
        self._ways |= ways
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            self._ways -= ways
            writer.close()
            asks.close()

    async def _pass(self, source: asyncio.StreamReader, target: asyncio.StreamWriter, slow: bool) -> None:
        while data := await source.read(CHUNK):
            if slow and self.delay:
                await asyncio.sleep(self.delay)
            target.write(data)
            await target.drain()
