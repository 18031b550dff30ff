"""make bench: starts a server of its own on an empty store, measures it, and prints the table beside the peers'.

make bench ARGS="--patients 1000 --seconds 8 --write docs/performance/results/NAME.json"

--engine distributed starts MongoDB's stand-in and Elasticsearch for it (tests/backends) and counts their processor time
and memory with the server's; HMS_TEST_MONGODB_URL and HMS_TEST_ELASTICSEARCH_URL name others, which are not counted.
--warm N first runs the same load and rows, at least N requests of each, against a database of their own: Elasticsearch
compiles itself while it works, and the peers' figures are those of servers that had worked for long.
--beside FOLDER measures the server of another checkout on the same services just before, as machines are never alike.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.backends.services import Service, elasticsearch, mongodb
from tests.engines import ELASTICSEARCH, EMBEDDED, ENGINES, MONGODB

HERE = Path(__file__).parent
SETTINGS = {MONGODB: "HMS_MONGODB_URL", ELASTICSEARCH: "HMS_ELASTICSEARCH_URL"}
DATABASE = "HMS_MONGODB_DATABASE"
PEERS = json.loads((HERE / "peers.json").read_text("utf-8"))


def interpreter_of(checkout: Path | None) -> str:
    """That of another checkout's environment, if it has one; else the one that runs."""
    own = checkout.absolute() / ".venv/bin/python" if checkout else None
    return str(own) if own and own.exists() else sys.executable


@contextmanager
def serving(
    data: Path,
    workers: int,
    security: str = "open",
    urls: dict[str, str] | None = None,
    checkout: Path | None = None,
) -> Iterator[tuple[subprocess.Popen, str]]:
    """A server with default settings on a free port until the block ends, and its base URL; urls: of the services, as
    settings."""
    command = [interpreter_of(checkout), "-m", "fhir_server.cli", "serve", "--port", "0", "--data", str(data)]
    command += ["--security", security, "--token-seconds", "86400"]
    own = {name: value for name, value in os.environ.items() if not name.startswith("HMS_TEST_")}  # no settings
    began = time.perf_counter()
    server = subprocess.Popen(
        [*command, "--workers", str(workers)],
        stderr=subprocess.PIPE,
        text=True,
        env={**own, **(urls or {})},
        cwd=checkout,
    )
    try:
        base = base_of(server)
        wait_for(base)
        print(f"first answer after {time.perf_counter() - began:.2f} s", file=sys.stderr)
        yield server, base
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(30)


def base_of(server: subprocess.Popen) -> str:
    """The base URL that a server tells; what it tells afterwards is shown."""
    assert server.stderr is not None
    for line in server.stderr:
        found = re.search(r"http://\S+/fhir", line)
        if found:
            threading.Thread(target=sys.stderr.writelines, args=(server.stderr,), daemon=True).start()
            return found[0]
    raise SystemExit("the server did not start")


def wait_for(base: str) -> None:
    """Returns when the server answers."""
    import httpx

    for _ in range(200):
        try:
            httpx.get(f"{base}/metadata")
            return
        except httpx.TransportError:
            time.sleep(0.02)


@contextmanager
def services(engine: str, folder: Path) -> Iterator[tuple[dict[str, str], list[int]]]:
    """Where the distributed engine's services are, as settings, and the processes that were started for it."""
    if engine == EMBEDDED:
        yield {}, []
        return
    started: list[Service] = []
    named = {setting: os.environ.get(variable, "") for variable, setting in SETTINGS.items()}
    try:
        for setting, url in named.items():
            if not url:
                made = mongodb(folder / "mongodb") if setting == SETTINGS[MONGODB] else elasticsearch()
                started.append(made)
                named[setting] = made.start().url
        yield {**named, DATABASE: f"test-bench-{os.getpid()}"}, [service.pid for service in started]
    finally:
        for service in started:
            service.stop()


def run(
    options: argparse.Namespace,
    folder: Path,
    urls: dict[str, str],
    pids: list[int],
    least: int = 0,
    checkout: Path | None = None,
) -> dict[str, Any]:
    """What a new server on empty stores is measured at; folder: of its data, whose name is its database's."""
    own = {**urls, DATABASE: f"{urls[DATABASE]}-{folder.name}"} if urls else {}
    with serving(folder / "data", options.workers, options.security, own, checkout) as (server, base):
        return measure(options, base, [server.pid, *pids], folder / "data", least)


def measure(options: argparse.Namespace, base: str, pids: list[int], data: Path, least: int = 0) -> dict[str, Any]:
    """Runs the generator in a process of its own."""
    out = data.parent / "result.json"
    command = [
        sys.executable,
        str(HERE / "fhirload.py"),
        base,
        "--pids",
        ",".join(map(str, pids)),
        "--disk",
        str(data),
        "--out",
        str(out),
    ]
    if options.security == "smart":
        command += ["--header", f"Authorization:Bearer {token(base, data, options.scope)}"]
    command += [
        "--conns",
        str(options.connections),
        "--least",
        str(least),
        "--patients",
        str(options.patients),
        "--seconds",
        str(options.seconds),
        "--phases",
        options.phases,
    ]
    subprocess.run(command, check=True)
    return json.loads(out.read_text("utf-8"))


def token(base: str, data: Path, scope: str) -> str:
    """An access token for a secured server."""
    command = [sys.executable, "-m", "fhir_server.cli", "token", "--data", str(data), "--base-url", base]
    made = subprocess.run([*command, "--scope", scope], check=True, capture_output=True, text=True)
    return made.stdout.strip()


def table(result: dict[str, Any]) -> str:
    """The rows as Markdown; on the distributed engine CPU is that of all processes, and of each: the server, then its
    services in the order in which they were started. What feeds the index after a load belongs to the load.
    """
    lines = [
        "| row | requests/s | p95 ms | server CPU ms | target | HAPI FHIR | its CPU ms | Helios |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, row in PEERS["rows"].items():
        if name == "load":
            found = result.get("load", {})
            rate, each = found.get("res_per_s"), found.get("settled_cpu_ms_each", ())
        else:
            found = result["phases"].get(name, {})
            rate, each = found.get("rps"), found.get("cpu_ms_each", ())
        if rate is not None:
            target = f"{row['target']:,}" if row["target"] else ""
            cpu = f"{sum(each):.2f}" + (f" ({' + '.join(f'{ms:.2f}' for ms in each)})" if len(each) > 1 else "")
            cells = [
                f"{rate:,.0f}",
                found["p95_ms"],
                cpu,
                target,
                f"{row['hapi']:,}",
                row["hapi_cpu"],
                f"{row['helios']:,}",
            ]
            lines.append(f"| {row['title']} | {' | '.join(map(str, cells))} |")
    resources = result.get("load", {}).get("resources")
    lines.append("")
    lines.append(f"Server memory {result['mem_mb']} MB; disk {result['disk_mb']} MB; {resources} resources loaded.")
    if "settle_s" in result:
        lines.append(f"Searches found everything {result['settle_s']} s after the last answer of the load.")
    checks = result.get("check", [])
    wrong = [check["what"] for check in checks if not check["ok"]]
    lines.append(f"Searches with known totals: {len(checks) - len(wrong)} of {len(checks)} right. {', '.join(wrong)}")
    return "\n".join(lines)


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--patients", type=int, default=1000, help="about 54 resources each")
    parser.add_argument("--seconds", type=float, default=8, help="each row is measured for so long")
    parser.add_argument("--workers", type=int, default=0, help="0 for as many as the server chooses")
    parser.add_argument("--connections", type=int, default=16, help="of the rows; a load has 16")
    parser.add_argument("--security", choices=("open", "smart"), default="open", help="smart: with tokens and audit")
    parser.add_argument("--scope", default="user/*.cruds", help="of the token, with --security smart")
    parser.add_argument("--phases", default="load,check,all", help="load, check, all, or names of rows, with commas")
    parser.add_argument("--engine", choices=ENGINES, default=EMBEDDED)
    parser.add_argument("--warm", type=int, default=0, help="requests of each row before those that are counted")
    parser.add_argument("--beside", type=Path, help="another checkout, whose server is measured before this one's")
    parser.add_argument("--write", type=Path, help="keep the raw result in this file")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, services(options.engine, Path(folder)) as (urls, pids):
        if options.warm:
            run(options, Path(folder) / "warm", urls, pids, least=options.warm)
        beside = run(options, Path(folder) / "beside", urls, pids, checkout=options.beside) if options.beside else {}
        result = run(options, Path(folder) / "measured", urls, pids)
    result["machine"] = {"cores": os.cpu_count(), "python": sys.version.split()[0], "warm": options.warm}
    if beside:
        result["beside"] = beside
        print(f"The server of {options.beside}:\n\n{table(beside)}\n\nThis one:\n")
    if options.write:
        options.write.parent.mkdir(parents=True, exist_ok=True)
        options.write.write_text(json.dumps(result, indent=1) + "\n", "utf-8")
    print(table(result))


if __name__ == "__main__":
    main()
