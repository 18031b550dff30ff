"""Processes that serve one socket: replaced when they end, and what becomes of the others where one can't start."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fhir_server.rest.http1 import workers

STARTED = 0.2  # seconds that a worker takes


def serve(listening: socket.socket, share: object) -> None:
    """Tells each who connects the number of its process; doesn't start where there is a file named broken."""
    time.sleep(STARTED)
    if Path("slow").exists():  # longer than what one waits for that tries again, the first one longest
        time.sleep(2 * STARTED)
        with contextlib.suppress(FileExistsError):
            os.mkdir("first")
            time.sleep(2.5 * STARTED)
    if Path("broken").exists():
        raise SystemExit(workers.NOT_STARTED)
    while True:
        connection, _ = listening.accept()
        with connection:
            connection.sendall(str(os.getpid()).encode())


def keep(folder: Path, listening: socket.socket) -> None:
    os.chdir(folder)
    workers.AGAIN = 0.3
    raise SystemExit(0 if workers.keep(2, serve, listening, 0.1) else 7)


@contextlib.contextmanager
def kept(folder: Path) -> Iterator[tuple[multiprocessing.Process, tuple[str, int]]]:
    """The process that keeps two workers, and where they listen."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        process = multiprocessing.get_context("fork").Process(target=keep, args=(folder, listening))
        process.start()
        address = listening.getsockname()
    try:
        yield process, address  # type: ignore[misc]
    finally:
        process.terminate()
        process.join(10)
        process.kill()


def told(address: tuple[str, int]) -> int:
    with socket.create_connection(address, timeout=10) as connection:
        return int(connection.recv(100))


def until_two(address: tuple[str, int]) -> set[int]:
    """The numbers of both workers."""
    found: set[int] = set()
    end = time.monotonic() + 20
    while len(found) < 2 and time.monotonic() < end:
        found.add(told(address))
    return found


def test_one_that_ends_is_replaced(tmp_path: Path) -> None:
    with kept(tmp_path) as (_, address):
        before = until_two(address)
        os.kill(min(before), signal.SIGKILL)
        time.sleep(STARTED)
        after = until_two(address)
        assert len(after) == 2 and max(before) in after and min(before) not in after


def test_one_that_can_not_start_leaves_the_other_serving_and_is_tried_again(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with kept(tmp_path) as (process, address):
        before = until_two(address)
        (tmp_path / "broken").touch()
        os.kill(min(before), signal.SIGKILL)
        time.sleep(workers.SHORT + 5 * STARTED)
        assert process.is_alive() and {told(address) for _ in range(20)} == {max(before)}
        (tmp_path / "broken").unlink()
        time.sleep(2 * STARTED + 0.3)
        assert len(until_two(address)) == 2
    assert "tried again" in capfd.readouterr().out


def test_where_none_can_start_all_is_over(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "broken").touch()
    with kept(tmp_path) as (process, _):
        process.join(20)
        assert process.exitcode == 7
    assert "tried again" not in capfd.readouterr().out


def test_where_none_can_start_one_that_tries_again_does_not_count_for_another(tmp_path: Path) -> None:
    (tmp_path / "broken").touch()
    (tmp_path / "slow").touch()
    with kept(tmp_path) as (process, _):
        process.join(20)
        assert process.exitcode == 7


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_all(tmp_path: Path, number: int) -> None:
    with kept(tmp_path) as (process, address):
        until_two(address)
        assert process.pid is not None
        os.kill(process.pid, number)
        process.join(20)
        assert process.exitcode == 0
