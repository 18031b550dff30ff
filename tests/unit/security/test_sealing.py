"""Documents sealed by a file of keys that every machine has."""

import json
import os
from pathlib import Path

import pytest

from fhir_server.core.errors import FhirError
from fhir_server.security.encryption.master_keys import add_key, keep_newest, too_open
from fhir_server.security.encryption.sealing import Sealing


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    add_key(tmp_path / "keys.json")
    return tmp_path / "keys.json"


def test_what_one_machine_seals_another_opens(keys: Path):
    sealed = Sealing(keys).seal(b"secret", "user u1")
    assert b"secret" not in sealed
    assert Sealing(keys).open(sealed, "user u1") == b"secret"


def test_what_is_sealed_is_good_in_its_place_only(keys: Path):
    sealing = Sealing(keys)
    sealed = sealing.seal(b"secret", "user u1")
    for bytes, about in ((sealed, "user u2"), (sealed[:-1] + b"x", "user u1"), (b"plain", "user u1"), (b"", "user u1")):
        with pytest.raises(FhirError, match="can't be read"):
            sealing.open(bytes, about)


def test_a_new_key_is_known_without_a_restart_and_old_ones_as_long_as_they_stay(keys: Path):
    running = Sealing(keys)
    old = running.seal(b"old", "a")
    add_key(keys)
    assert running.open(Sealing(keys).seal(b"new", "a"), "a") == b"new"
    assert Sealing(keys).open(old, "a") == b"old"
    keep_newest(keys)
    with pytest.raises(FhirError, match="is not in"):
        Sealing(keys).open(old, "a")


def test_who_only_seals_takes_the_new_key_once_its_file_is_whole(keys: Path):
    running = Sealing(keys)
    before = running.newest
    newest = add_key(keys)
    keep_newest(keys)
    new = keys.read_bytes()
    keys.write_bytes(new[: len(new) // 2])  # as it is being copied
    assert running.seal(b"now", "a").startswith(before.encode())
    keys.write_bytes(new)
    sealed = running.seal(b"now", "a")
    assert sealed.startswith(newest.encode()) and Sealing(keys).open(sealed, "a") == b"now"


@pytest.mark.parametrize(
    ("mode", "owner", "user", "open"),
    [(0o600, 7, 7, False), (0o640, 7, 7, True), (0o604, 7, 7, True), (0o440, 0, 7, False), (0o460, 0, 7, True),
     (0o444, 0, 7, True), (0o440, 0, 0, True)],
)  # fmt: skip
def test_a_key_file_is_its_users_alone(mode: int, owner: int, user: int, open: bool):
    assert too_open(os.stat_result((mode, 0, 0, 1, owner, 7, 0, 0, 0, 0)), user) is open


def test_a_file_without_keys_is_refused(tmp_path: Path):
    (tmp_path / "keys.json").write_text(json.dumps({"keys": []}))
    (tmp_path / "keys.json").chmod(0o600)
    with pytest.raises(FhirError, match="hms keys init"):
        Sealing(tmp_path / "keys.json")
