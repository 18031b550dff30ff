"""`hms` as a program: how a command ends that is interrupted, or meets an error."""

from __future__ import annotations

import sys

INTERRUPTED = 130  # the exit code that shells give to Ctrl-C


def main() -> None:
    """Runs a command; an expected error is one line on standard error and the exit code 1.

    What the commands need is imported in here, so that Ctrl-C ends it quietly from the first moment on.
    """
    try:
        _run()
    except KeyboardInterrupt:
        raise SystemExit(INTERRUPTED) from None


def _run() -> None:
    import sqlite3

    from fhir_server.commands.program import asked, program
    from fhir_server.core.errors import FhirError
    from fhir_server.core.full_disk import FULL

    try:
        program(asked(sys.argv[1:]))(prog_name="hms")
    except FhirError as problem:
        hint = (
            " Where this command has no --token, use --data on the server's machine." if problem.status == 401 else ""
        )
        print(f"hms: {problem}{hint}", file=sys.stderr)
        raise SystemExit(1) from None
    except OSError as problem:  # of a file that the command line names, or a disk that is full
        where = f"{problem.filename}: " if problem.filename else ""
        then = " Make room on the disk, and give the command again." if problem.errno in FULL else ""
        print(f"hms: {where}{problem.strerror or problem}.{then}", file=sys.stderr)
        raise SystemExit(1) from None
    except sqlite3.Error as problem:
        print(f"hms: A file of the data folder can't be used: {problem}.", file=sys.stderr)
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
