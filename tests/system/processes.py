"""The `hms` command and the server as processes, as a person starts them."""

import os
import re
import signal
import subprocess
import sys
from contextlib import contextmanager


def command(*arguments):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HMS_")}
    return [sys.executable, "-m", "fhir_server.cli", *map(str, arguments)], environment


def hms(*arguments, code=0):
    run, environment = command(*arguments)
    done = subprocess.run(run, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


@contextmanager
def serving(*arguments):
    """A started server; gives its process and FHIR base URL, stops it in the end."""
    run, environment = command("serve", "--port", 0, *arguments)
    process = subprocess.Popen(run, env=environment, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    said = ""
    while "OPEN" not in said:
        line = process.stderr.readline()
        assert line, said
        said += line
    try:
        yield process, re.search(r"http://\S+/fhir", said)[0]
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)
