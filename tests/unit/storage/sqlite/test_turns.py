"""Writers of several processes stand in line; here each has locks of its own, as processes have."""

from __future__ import annotations

import asyncio
import fcntl
import subprocess
import sys
from pathlib import Path

from fhir_server.storage.sqlite.turns import Turns

LONG = 30.0
HOLD = """
import asyncio, sys
from pathlib import Path
from fhir_server.storage.sqlite.turns import Turns
turns = Turns(Path(sys.argv[1]))
asyncio.run(turns.begin(30))
print("held", flush=True)
sys.stdin.read()
"""


async def stands_in_line(path: Path) -> bool:
    """Whether somebody waits for the turn."""
    with open(f"{path}-queue", "ab") as queue:
        try:
            fcntl.flock(queue, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    await asyncio.sleep(0.001)
    return False


def test_who_has_written_comes_after_those_who_wait(tmp_path: Path) -> None:
    order: list[str] = []

    async def write(name: str, turns: Turns, times: int) -> None:
        for _ in range(times):
            await turns.begin(LONG)
            order.append(name)
            while len(order) - order.count(name) < times and not await stands_in_line(tmp_path / "t"):
                pass  # until the other waits, who comes back as soon as it is let
            turns.end()

    async def run() -> None:
        a, b = Turns(tmp_path / "t"), Turns(tmp_path / "t")
        await asyncio.gather(write("a", a, 6), write("b", b, 6))
        a.close()
        b.close()

    asyncio.run(run())
    assert all(order[n] != order[n + 1] for n in range(1, 9)), order


def test_who_waits_too_long_goes_on_and_blocks_nobody_later(tmp_path: Path) -> None:
    async def run() -> None:
        a, b, c = (Turns(tmp_path / "t") for _ in range(3))
        await a.begin(LONG)
        await b.begin(0.05)  # comes back without the turn
        b.end()
        a.end()
        await asyncio.wait_for(c.begin(LONG), 10)
        for each in (a, b, c):
            each.close()

    asyncio.run(run())


def test_a_process_that_dies_leaves_its_turn(tmp_path: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "t")], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert holder.stdout is not None and holder.stdout.readline() == b"held\n"

    async def run() -> None:
        turns = Turns(tmp_path / "t")
        waiting = asyncio.create_task(turns.begin(LONG))
        await asyncio.sleep(0.1)
        assert not waiting.done()
        holder.kill()
        await asyncio.wait_for(waiting, 10)
        turns.close()

    asyncio.run(run())
    holder.communicate()
