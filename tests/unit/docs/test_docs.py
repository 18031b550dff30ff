"""Documentation says what is so: links resolve, commands exist, generated pages are current."""

import json
import re
import shlex
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import typer.main

from fhir_server.commands.commands_reference import commands_page
from fhir_server.commands.interfaces_reference import interfaces_page
from fhir_server.commands.mapping_reference import mapping_page
from fhir_server.commands.program import program
from fhir_server.commands.reference import settings_page
from fhir_server.core.settings import Settings

ROOT = Path(__file__).parents[3]
FOLDERS = ("fhir_server", "interfaces", "mappings", "profiles", "terminology", "tests")
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
MODULES = [f"/{file.relative_to(ROOT)}" for folder in FOLDERS for file in (ROOT / folder).rglob("*.py")]
TARGETS = set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
COMMANDS = vars(typer.main.get_command(program()))["commands"]


def links_of(page):
    """The links of a page to files here: (file, heading that it leads to, "" for none)."""
    prose = re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    links = re.findall(r"\]\(([^)\s#]*)#?([^)\s]*)\)", re.sub(r"`[^`\n]*`", "", prose))
    return [((page.parent / file).resolve() if file else page, to) for file, to in links if "://" not in file]


def headings_of(page):
    """What a link may lead to within a page, as GitHub makes it of the headings."""
    prose = re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    headings = [re.sub(r"\]\([^)]*\)", "", heading) for heading in re.findall(r"^#+ (.*)$", prose, re.MULTILINE)]
    return {re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_resolve(page):
    assert [str(file) for file, _ in links_of(page) if not file.exists()] == []
    assert [to for file, to in links_of(page) if to and to not in headings_of(file)] == []


def test_every_page_is_reached_from_the_readme():
    reached, waiting = set(), [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page not in reached and page.suffix == ".md":
            reached.add(page)
            waiting += [file for file, _ in links_of(page)]
    assert {page.relative_to(ROOT) for page in PAGES} - {page.relative_to(ROOT) for page in reached} == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_modules_that_a_page_names_exist(page):
    for name in re.findall(r"`(?:\.\./)*([\w/-]+\.py)`", page.read_text("utf-8")):
        assert any(module.endswith(f"/{name}") for module in MODULES), name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_make_tasks_exist(page):
    assert set(re.findall(r"(?:^\s*|`)make ([a-z-]+)", page.read_text("utf-8"), re.MULTILINE)) <= TARGETS


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_and_their_options_exist(page):
    text = page.read_text("utf-8").replace("\\\n", "")  # a command that goes on in the next line
    for line in re.findall(r"(?:^|`)(?:HMS_\w+=\S+ )?hms ([a-z][^`\n]*)", text, re.MULTILINE):
        name, *arguments = shlex.split(line, comments=True)
        command = COMMANDS[name]
        if hasattr(command, "commands") and arguments:  # such as `hms packages list`
            command = command.commands[arguments.pop(0)]
        options = {option for parameter in command.params for option in (*parameter.opts, "--help")}
        assert {argument for argument in arguments if argument.startswith("--")} <= options, line


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_bodies_of_curl_are_json_where_they_say_so(page):
    for body in re.findall(r"/(?:\w+\+)?json' -d '([^']*)'", page.read_text("utf-8")):
        json.loads(body)


def made(*arguments: str) -> subprocess.CompletedProcess[str]:
    """What a task does; -o: what installs is not part of it."""
    run = ["make", "-o", ".venv/.runtime", *arguments]
    return subprocess.run(run, cwd=ROOT, capture_output=True, text=True, timeout=60)


def test_a_demo_where_a_server_answers_already_leaves_that_alone():
    asked = []

    class Other(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Other) as other:
        threading.Thread(target=other.serve_forever).start()
        done = made("demo", f"PORT={other.server_port}", f"PY={sys.executable}")
        other.shutdown()
    assert done.returncode and "answers at port" in done.stderr and "make demo PORT=" in done.stderr
    assert asked == ["/health/ready"]


def test_a_demo_whose_server_ends_before_it_answers_tells_nothing_and_ends():
    done = made("demo", "PY=false")
    assert done.returncode and "story" not in done.stdout


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_variables_of_the_environment_are_settings(page):
    names = {name.lower() for name in re.findall(r"HMS_([A-Z_]+)\b", page.read_text("utf-8"))}
    names = {name for name in names if not name.startswith("test_")}  # those are read by tests/engines.py
    assert names - {"config", "name"} <= set(Settings.__struct_fields__)


def test_every_metric_is_named_on_a_page():
    code = "".join((ROOT / module[1:]).read_text("utf-8") for module in MODULES if not module.startswith("/tests"))
    metrics = set(re.findall(r'MetricFamily\(\s*"(hms_\w+)"', code))
    pages = "".join(page.read_text("utf-8") for page in PAGES)
    assert len(metrics) > 20 and {name for name in metrics if name not in pages} == set()


def test_the_settings_page_is_current():
    assert (ROOT / "docs/reference/settings.md").read_text("utf-8") == settings_page(), "run `make docs`"


def test_the_page_of_commands_is_current():
    assert (ROOT / "docs/reference/commands.md").read_text("utf-8") == commands_page(), "run `make docs`"


def test_the_page_of_interfaces_is_current():
    page = (ROOT / "docs/reference/hl7v2-interfaces.md").read_text("utf-8")
    assert page == interfaces_page(), "run `make docs`"


def test_the_mapping_reference_is_current():
    page = (ROOT / "docs/reference/hl7v2-mapping.md").read_text("utf-8")
    assert page == mapping_page(), "run `make docs`"


def test_the_dicom_conformance_statement_is_current():
    from interfaces.dicom.conformance import conformance_page

    assert (ROOT / "docs/reference/dicom-conformance.md").read_text("utf-8") == conformance_page(), "run `make docs`"


def test_the_readme_begins_with_its_two_commands():
    first = re.findall(r"^    make (\w+)", (ROOT / "README.md").read_text("utf-8"), re.MULTILINE)[:2]
    assert first == ["serve", "test"]


def test_make_alone_lists_every_task_in_a_line():
    listed = subprocess.run(
        ["make", "--no-print-directory"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert {line.split()[1] for line in listed.splitlines()} == TARGETS
    assert all(len(line) < 100 for line in listed.splitlines())


def test_every_command_is_described():
    for name, command in COMMANDS.items():
        assert command.help, name
        assert all(getattr(parameter, "help", "-") for parameter in command.params), name
