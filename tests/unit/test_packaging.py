"""What an install and a build take with them."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


def locked(name):
    """The packages of a lock file by name, each with its number of hashes."""
    text = (ROOT / name).read_text("utf-8")
    blocks = re.findall(
        r"^([a-z0-9.-]+)(?:\[.*\])?==\S+.*((?:\n    --hash=sha256:[0-9a-f]{64}.*)*)", text, re.MULTILINE
    )
    return {package: hashes.count("--hash") for package, hashes in blocks}


def names(requirements):
    return {re.split(r"[\[<>=!~; ]", requirement)[0].lower().replace("_", "-") for requirement in requirements}


def test_the_locks_have_everything_that_is_asked_for():
    extras = PROJECT["optional-dependencies"]
    assert names([*PROJECT["dependencies"], *extras["build"]]) <= set(locked("requirements.lock")), "run `make lock`"
    assert names(extras["dev"]) <= set(locked("requirements-dev.lock")), "run `make lock`"
    assert set(locked("requirements.lock")) <= set(locked("requirements-dev.lock"))


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-dev.lock"])
def test_locks_have_hashes_and_no_addresses(name):
    assert all(locked(name).values())
    assert "://" not in (ROOT / name).read_text("utf-8") and "--index" not in (ROOT / name).read_text("utf-8")


def test_the_two_locks_agree():
    pins = [
        dict(re.findall(r"^(\S+)==(\S+)", (ROOT / name).read_text("utf-8"), re.MULTILINE))
        for name in ("requirements.lock", "requirements-dev.lock")
    ]
    assert pins[0].items() <= pins[1].items()


def test_the_notice_names_files_that_are_here():
    for line in re.findall(r"^[a-z]\S*(?:, \S+)*$", (ROOT / "NOTICE").read_text("utf-8"), re.MULTILINE):
        for path in line.split(", "):
            assert list(ROOT.glob(path)), path


def test_all_test_data_of_others_has_its_source_and_licence_told():
    told = re.findall(r"^\| (`.*?) \|", (ROOT / "tests/data/README.md").read_text("utf-8"), re.MULTILINE)
    folders = {folder.name for folder in (ROOT / "tests/data").iterdir() if folder.is_dir()}
    assert folders == {path.split("/")[0] for row in told for path in re.findall(r"`([^`]+)`", row)}
