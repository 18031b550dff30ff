import json
import logging
import os
import subprocess
import sys

import pytest
import structlog

from fhir_server.core.logs import configure
from fhir_server.core.settings import Settings


@pytest.fixture(autouse=True)
def restored():
    before = logging.root.handlers[:], logging.root.level
    yield
    logging.root.handlers[:], logging.root.level = before
    structlog.reset_defaults()


def lines(capsys):
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_a_line_is_json_with_level_and_time(capsys):
    configure(Settings(log_format="json"))
    structlog.get_logger().info("started", port=1)
    (line,) = lines(capsys)
    assert (line["event"], line["port"], line["level"]) == ("started", 1, "info") and line["timestamp"].endswith("Z")


def test_the_standard_library_logs_the_same_way(capsys):
    configure(Settings(log_format="json"))
    logging.getLogger("any").warning("careful %s", 1)
    (line,) = lines(capsys)
    assert (line["event"], line["level"]) == ("careful 1", "warning")


def test_less_severe_lines_are_left_out(capsys):
    configure(Settings(log_format="json", log_level="error"))
    structlog.get_logger().warning("w")
    logging.getLogger("any").warning("w")
    assert lines(capsys) == []


@pytest.mark.parametrize(
    "log", [lambda: structlog.get_logger().exception("failed"), lambda: logging.exception("failed")]
)
@pytest.mark.parametrize(("level", "told"), [("info", False), ("debug", True)])
def test_an_exception_tells_type_and_place_and_its_text_only_at_debug(capsys, log, level, told):
    configure(Settings(log_format="json", log_level=level))
    try:
        raise KeyError("Jane Doe")
    except KeyError:
        log()
    (line,) = lines(capsys)
    assert line["exception"].startswith("KeyError") and __file__ in line["frames"][0]
    assert ("Jane Doe" in json.dumps(line)) is told


def test_lines_of_several_processes_are_whole():
    """Workers share standard error."""
    program = (
        "import structlog\n"
        "from fhir_server.core.logs import configure\n"
        "from fhir_server.core.settings import Settings\n"
        "configure(Settings(log_format='json'))\n"
        "for number in range(3000): structlog.get_logger().info('told', number=number)"
    )
    reading, writing = os.pipe()
    started = [subprocess.Popen([sys.executable, "-c", program], stderr=writing) for _ in range(2)]
    os.close(writing)
    with open(reading, encoding="utf-8") as told:
        numbers = [json.loads(line)["number"] for line in told]
    assert [process.wait() for process in started] == [0, 0]
    assert sorted(numbers) == sorted([*range(3000)] * 2)


def test_the_console_gets_text(capsys):
    configure(Settings(log_format="console"))
    structlog.get_logger().info("started")
    assert "started" in capsys.readouterr().err
