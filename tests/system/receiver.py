"""An endpoint that notifications are sent to: a real HTTP server that keeps what came."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

SECONDS = 30


class Came(NamedTuple):
    """One request; headers by lower-case name."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Receiver:
    """answers: the status of each request by its number from 0, `otherwise` where it is not there; hold:
    while it is cleared none is answered."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.came: list[Came] = []
        self.answers: dict[int, int] = {}
        self.otherwise = 200
        self.hold = threading.Event()
        self.hold.set()
        self.at_once = self.most_at_once = 0

    def wait(self, count: int, about: Callable[[Came], bool] = lambda _: True) -> list[Came]:
        """The requests that are meant, once there are so many."""
        deadline = time.monotonic() + SECONDS
        while len(found := [each for each in self.came if about(each)]) < count:
            assert time.monotonic() < deadline, found
            time.sleep(0.01)
        return found


@contextmanager
def receiving() -> Iterator[Receiver]:
    """A receiver on a free port of this machine."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def receive(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            receiver.at_once += 1
            receiver.most_at_once = max(receiver.most_at_once, receiver.at_once)
            receiver.hold.wait(SECONDS)
            receiver.at_once -= 1
            number = len(receiver.came)
            receiver.came.append(Came(self.command, self.path, headers, body))
            self.send_response(receiver.answers.get(number, receiver.otherwise))
            self.send_header("content-length", "0")
            self.send_header("location", "http://127.0.0.1:1/elsewhere")
            self.end_headers()

        do_POST = do_PUT = receive

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    receiver = Receiver(f"http://127.0.0.1:{server.server_port}/fhir")
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        receiver.hold.set()
        server.shutdown()
        server.server_close()
        thread.join()
