"""Two machines on one database: one delivers, and as it is killed the other goes on, whichever stored what."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engines import DISTRIBUTED, named, settings_on
from tests.system.process import serving
from tests.system.receiver import Receiver, receiving
from tests.system.test_subscriptions import observation, store, subscription, until


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as started:
        yield started


def test_the_other_machine_goes_on_where_the_one_that_delivered_was(tmp_path: Path, receiver: Receiver) -> None:
    with settings_on(DISTRIBUTED, tmp_path / "one") as settings:
        options = named(settings, tmp_path / "settings")
        with (
            serving(tmp_path / "one", "--workers", 1, *options) as one,
            serving(tmp_path / "other", "--workers", 1, *options) as other,
        ):
            made = store(one, subscription(receiver, "k", payload="application/fhir+json"))
            until(other, made["id"], "active")
            receiver.hold.clear()
            stored = [store(other, observation("k"))["id"] for _ in range(3)]
            while not receiver.at_once:
                time.sleep(0.01)
            one.kill()
            stored += [store(other, observation("k"))["id"] for _ in range(2)]
            receiver.hold.set()
            receiver.wait(1, lambda came: came.json["id"] == stored[-1])
    told = [each.json["id"] for each in receiver.came]
    assert list(dict.fromkeys(told)) == stored  # the one that was under way may come again
    assert len(told) <= len(stored) + 1
    assert receiver.most_at_once == 1
