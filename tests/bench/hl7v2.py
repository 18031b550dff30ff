"""python -m tests.bench.hl7v2: ORU messages with 20 OBX over MLLP to a server of its own, on an empty store.

applied: original mode, AA once the resources are committed. stored: enhanced mode, CA once the message is kept, while
the server applies what it has (applied_after_s: how long it still does after the last CA; cpu_ms: what was used until
then, applying in it). kept: the same of a sender whose messages are not applied (`ignore`): what keeping and
acknowledging alone takes. Rates are of this machine at this moment; the server's CPU a message compares across runs.
The first messages of a server load tables and fill caches: with --rounds 2 the second row is without that.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx

from interfaces.hl7v2.mllp.frames import Frames, framed

NAMES = [("718-7", "Hemoglobin"), ("4544-3", "Hematocrit"), ("6690-2", "Leukocytes"), ("777-3", "Platelets")]
TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


def message(number: int, patients: int, accept: str, sender: str = "LIS") -> bytes:
    """An ORU^R01 with 20 OBX, in order of its number over so many patients."""
    patient = number % patients
    lines = [
        f"MSH|^~\\&|{sender}|LAB|HMS|HOSP|20261126120000+0000||ORU^R01^ORU_R01|B{number}|P|2.5.1|||{accept}",
        f"PID|1||{patient}^^^HOSP^MR||DOE{patient}^JANE||19700101|F",
        f"PV1|1|O|LAB||||||||||||||||V{patient}^^^HOSP",
        f"ORC|RE|P{number}^LIS|F{number}^LAB",
        f"OBR|1|P{number}^LIS|F{number}^LAB|58410-2^CBC^LN|||20261126110000+0000|||||||||||||||20261126115500|||F",
    ]
    for at in range(20):
        code, name = NAMES[at % 4]
        value = f"{10 + at}.{number % 10}"
        lines.append(f"OBX|{at + 1}|NM|{code}^{name}^LN|{at // 4}|{value}|g/dL^^UCUM|11-16|N|||F|||20261126110000+0000")
    return ("\r".join(lines) + "\r").encode()


async def send(
    port: int, numbers: list[int], patients: int, accept: str, sender: str, tally: dict[str, int]
) -> list[float]:
    """One connection's messages, each after the answer to the one before; the times in seconds."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    frames = Frames(2**20)
    times = []
    for number in numbers:
        began = time.perf_counter()
        writer.write(framed(message(number, patients, accept, sender)))
        answers: list[bytes] = []
        while not answers:
            data = await reader.read(65536)
            if not data:
                raise SystemExit("the server closed a connection")
            answers = [frame.content for frame in frames.feed(data)]
        times.append(time.perf_counter() - began)
        found = re.search(rb"MSA\|(..)", answers[0])
        code = found[1].decode() if found else "?"
        tally[code] = tally.get(code, 0) + 1
    writer.close()
    return times


def usage(pids: list[int]) -> tuple[float, float]:
    """CPU seconds and MiB of memory of processes."""
    seconds, memory = 0.0, 0.0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        seconds += (int(fields[11]) + int(fields[12])) / TICKS
        memory += int(fields[21]) * PAGE / 2**20
    return seconds, memory


def children(pid: int) -> list[int]:
    """A process and those that it started."""
    listed = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(each for child in listed for each in children(int(child)))]


async def row(
    port: int, pid: int, start: int, count: int, options: argparse.Namespace, accept: str, sender: str
) -> dict[str, Any]:
    """Sends count messages over all connections and measures."""
    tally: dict[str, int] = {}
    before, _ = usage(children(pid))
    began = time.perf_counter()
    parts = [list(range(start + c, start + count, options.connections)) for c in range(options.connections)]
    sent = await asyncio.gather(*(send(port, part, options.patients, accept, sender, tally) for part in parts))
    times = sorted(each for part in sent for each in part)
    seconds = time.perf_counter() - began
    after, memory = usage(children(pid))
    return {
        "messages": count,
        "per_second": round(count / seconds, 1),
        "p50_ms": round(times[len(times) // 2] * 1000, 1),
        "p95_ms": round(times[int(len(times) * 0.95)] * 1000, 1),
        "cpu_ms": round((after - before) / count * 1000, 2),
        "memory_mib": round(memory),
        "answers": tally,
    }


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=1, help="how often each row is measured, on the same store")
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--patients", type=int, default=1000)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--rows", default="applied,stored,kept")
    parser.add_argument("--write", type=Path, help="keep the raw result in this file")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        with socket.socket() as found:  # one that all workers share: of port 0 each would have its own
            found.bind(("127.0.0.1", 0))
            port = found.getsockname()[1]
        (Path(folder) / "hl7.toml").write_text(f'[listener.lab]\nport = {port}\n[sender.KEEP]\nignore = ["ORU"]\n')
        command = [sys.executable, "-m", "fhir_server.cli", "serve", "--port", "0", "--data", f"{folder}/data"]
        command += ["--hl7", f"{folder}/hl7.toml", "--workers", str(options.workers)]
        server = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        try:
            base = _started(server, options.workers)
            results = asyncio.run(_measure(options, server.pid, base, port))
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(60)
    for result in results:
        print(json.dumps(result))
    if options.write:
        options.write.write_text(
            json.dumps({"options": vars(options) | {"write": ""}, "rows": results}, indent=1) + "\n"
        )


async def _measure(options: argparse.Namespace, pid: int, base: str, port: int) -> list[dict[str, Any]]:
    results = []
    start = 0
    for name in options.rows.split(","):
        accept = "" if name == "applied" else "AL|NE"
        sender = "KEEP" if name == "kept" else "LIS"
        for _ in range(options.rounds):
            result = {"row": name, **await row(port, pid, start, options.messages, options, accept, sender)}
            start += options.messages
            began = time.perf_counter()
            while open_messages(base):
                await asyncio.sleep(0.2)
            result["applied_after_s"] = round(time.perf_counter() - began, 1)
            results.append(result)
            print(json.dumps(result), file=sys.stderr)
    return results


def open_messages(base: str) -> int:
    """How many messages are not settled."""
    rows = httpx.get(f"{base}/hl7/status", timeout=60).json()["messages"]
    return sum(row["count"] for row in rows if row["state"] in ("received", "translating"))


def _started(server: subprocess.Popen, workers: int) -> str:
    """The server's root URL, once every worker listens."""
    base = ""
    assert server.stderr is not None
    for line in server.stderr:
        if found := re.search(r"FHIR R4 +(http://\S+)/fhir", line):
            base = found[1]
        workers -= "hl7 listening" in line
        if base and not workers:
            os.set_blocking(server.stderr.fileno(), False)
            for _ in range(100):
                try:
                    httpx.get(f"{base}/health/live")
                    return base
                except httpx.TransportError:
                    time.sleep(0.05)
    raise SystemExit("the server did not start")


if __name__ == "__main__":
    main()
