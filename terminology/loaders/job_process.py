"""Runs a job in a process of its own: python -m terminology.loaders.job_process STORE JOB."""

from __future__ import annotations

import sys
from pathlib import Path

from fhir_server.core.errors import FhirError
from terminology.loaders.jobs import Jobs
from terminology.service import now
from terminology.store.store import Store


def main(path: str, job: str) -> int:
    """0 where the job is done."""
    store = Store(Path(path))
    try:
        return 0 if Jobs(store, now).run(int(job)).state == "done" else 1
    except FhirError as problem:  # such as that another process runs it
        print(problem, file=sys.stderr)
        return 1
    finally:
        store.close()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
