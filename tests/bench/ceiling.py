"""What the generator can ask for at all: its rate against servers that answer a constant, in turns with ours.

python -m tests.bench.ceiling --rounds 7                                # a read, a search by identifier, /metadata
python -m tests.bench.ceiling --rounds 7 --nginx /usr/sbin/nginx        # files of nginx beside them

"constant" are as many processes as our server's workers, which send what our server has answered to such a request as
one piece, whatever they are asked; nothing of a request is read but where it ends. So its rate is what generator and
kernel leave to any server. Medians of the rounds; "reached" is the median of the quotients of our rate and
that of the same round.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import os
import shutil
import signal
import socket
import statistics
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import uvloop

from tests.bench import fhirload
from tests.bench.__main__ import wait_for
from tests.bench.in_turns import Side, rounds, side

ROWS = ("read", "s_identifier", "metadata")
NGINX = """daemon off; worker_processes {workers}; pid {folder}/pid; error_log {folder}/error; {user}
events {{ worker_connections 256; }}
http {{
    client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder}; uwsgi_temp_path {folder};
    scgi_temp_path {folder}; access_log off; keepalive_requests 1000000; default_type application/fhir+json;
    tcp_nopush on; sendfile on;
    server {{ listen 127.0.0.1:{port} reuseport; root {folder}; location / {{ try_files /answer =404; }} }}
}}"""


class Constant(asyncio.Protocol):
    """Sends the answer for each end of a request."""

    def __init__(self, answer: bytes) -> None:
        self._answer = answer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport

    def data_received(self, data: bytes) -> None:
        for _ in range(data.count(b"\r\n\r\n")):
            self._transport.write(self._answer)


def serve(answer: bytes, listening: socket.socket, ready: Any) -> None:
    """Answers until the process is ended; releases ready as soon as it does."""

    async def run() -> None:
        await asyncio.get_running_loop().create_server(lambda: Constant(answer), sock=listening)
        ready.release()
        await asyncio.Event().wait()

    uvloop.run(run())


@contextmanager
def constant(answer: bytes, workers: int) -> Iterator[tuple[list[int], str]]:
    """The processes that answer so, each with a socket of its own at one port, and their base URL."""
    context = multiprocessing.get_context("spawn")
    first = _listening(0)
    port = first.getsockname()[1]
    sockets = [first, *[_listening(port) for _ in range(workers - 1)]]
    ready = context.Semaphore(0)
    started = [context.Process(target=serve, args=(answer, each, ready), daemon=True) for each in sockets]
    for process, each in zip(started, sockets, strict=True):
        process.start()
        each.close()
    for _ in started:
        ready.acquire()
    try:
        yield [process.pid for process in started if process.pid], f"http://127.0.0.1:{port}/fhir"
    finally:
        for process in started:
            process.terminate()
            process.join()


@contextmanager
def nginx(program: Path, folder: Path, body: bytes, workers: int) -> Iterator[tuple[list[int], str]]:
    """nginx with the body as a file that it answers everything with."""
    folder.mkdir()
    (folder / "answer").write_bytes(body)
    with _listening(0) as free:
        port = free.getsockname()[1]
    user = "user root;" if os.getuid() == 0 else ""  # or its workers could not read the folder
    settings = folder / "nginx.conf"
    settings.write_text(NGINX.format(workers=workers, folder=folder, port=port, user=user))
    with subprocess.Popen([program, "-p", folder, "-c", settings, "-e", folder / "error"]) as process:
        wait_for(f"http://127.0.0.1:{port}/fhir")
        try:
            yield [process.pid], f"http://127.0.0.1:{port}/fhir"
        finally:
            process.send_signal(signal.SIGTERM)


def _listening(port: int) -> socket.socket:
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    made.bind(("127.0.0.1", port))
    made.listen(128)
    return made


def answer_to(base: str, request: Sequence[Any]) -> tuple[bytes, bytes]:
    """What a server answers to a row's request: head and body as they are sent, and the body alone."""
    method, url, *_ = request
    with httpx.Client() as client:
        given = client.request(method, f"{base}/{url}", headers={"Accept": "application/fhir+json"})
        assert given.status_code == 200, given.text
        head = [b"HTTP/1.1 200 OK", *[name.lower() + b": " + value for name, value in given.headers.raw]]
        return b"\r\n".join(head) + b"\r\n\r\n" + given.content, given.content


async def measured(options: argparse.Namespace, ours: Side, folder: Path) -> None:
    async with ours.client:
        await ours.load(options.patients)
        print("| row | bytes | server | requests/s | reached % | CPU ms | in the generator's |", flush=True)
        for row in options.rows.split(","):
            await turns(options, ours, row, folder / row)


async def turns(options: argparse.Namespace, ours: Side, row: str, folder: Path) -> None:
    """One row, ours and the others in turns."""
    answer, body = await asyncio.to_thread(answer_to, ours.client.base, ours.rows[row]())
    async with AsyncExitStack() as stack:
        sides = [ours]
        others = [("constant", constant(answer, options.workers))]
        if options.nginx:
            others.append(("nginx", nginx(options.nginx, folder, body, options.workers)))
        for name, other in others:
            pids, base = stack.enter_context(other)
            made = Side(name, pids, fhirload.Client(base, options.connections, {}))
            made.rows = ours.rows
            await stack.enter_async_context(made.client)
            sides.append(made)
        found = await rounds(options, sides, row)
    for each, kept in zip(sides, found, strict=True):
        rate, cpu, quotient = (statistics.median(figures) for figures in zip(*kept, strict=True))
        share = statistics.median([mine[0] / its[0] for mine, its in zip(found[0], kept, strict=True)])
        cells = f"{len(answer):,} | {each.name} | {rate:,.0f} | {share:.0%} | {cpu:.3f} | {quotient:.2f}"
        print(f"| {row} | {cells} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--patients", type=int, default=60)
    parser.add_argument("--rows", default=",".join(ROWS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0, help="of a round")
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--workers", type=int, default=min(os.cpu_count() or 1, 4), help="of each server")
    parser.add_argument("--nginx", type=Path, default=shutil.which("nginx"), help="its program; none: without it")
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        uvloop.run(measured(options, stack.enter_context(side("ours", folder / "ours", "open", options)), folder))


if __name__ == "__main__":
    main()
