"""Runs a command with MongoDB and Elasticsearch: python -m tests.backends pytest --engines distributed tests/contract

Those that HMS_TEST_MONGODB_URL and HMS_TEST_ELASTICSEARCH_URL name are used; the others are started and ended.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from types import FrameType

from tests.backends.services import Service, elasticsearch, missing, mongodb, together
from tests.engines import ELASTICSEARCH, KEEP, MONGODB


def main(command: list[str]) -> int:
    """The command's exit code; 3 where the services can't be started here."""
    with tempfile.TemporaryDirectory(prefix="hms-backends-") as folder:
        wanted: dict[str, Service] = {}
        if not os.environ.get(MONGODB):
            wanted[MONGODB] = mongodb(Path(folder) / "mongodb", durable=False)  # nobody kills this one
        if not os.environ.get(ELASTICSEARCH):
            if missing():
                print(
                    f"NOT TESTED: the distributed engine. Elasticsearch needs {', '.join(missing())} here, or name one "
                    f"by {ELASTICSEARCH}.",
                    file=sys.stderr,
                )
                return 3
            wanted[ELASTICSEARCH] = elasticsearch()
        try:
            together(*(service.start for service in wanted.values()))
            named = {name: service.url for name, service in wanted.items()}
            return subprocess.run(
                command, env={**os.environ, KEEP: "1" if len(wanted) == 2 else "", **named}
            ).returncode
        finally:
            for service in wanted.values():
                service.stop()


def stopped(number: int, frame: FrameType | None) -> None:
    """Whoever ends this process ends its services too."""
    raise SystemExit(128 + number)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, stopped)
    arguments = sys.argv[1:]
    if arguments[:1] == ["pytest"]:
        arguments = [sys.executable, "-m", *arguments]
    raise SystemExit(main(arguments))
