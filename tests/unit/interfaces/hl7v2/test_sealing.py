"""Messages are sealed in the data folder, and erased with the patient that they were filed to."""

from pathlib import Path

import pytest

from fhir_server.core.errors import FhirError
from fhir_server.security.encryption import DataKeys, MasterKeys
from fhir_server.security.encryption.master_keys import add_key
from interfaces.hl7v2.messages.message import Arrival, Outcome
from interfaces.hl7v2.messages.owners import owner_name
from interfaces.hl7v2.messages.port import Letter, Wanted
from interfaces.hl7v2.messages.sqlite.store import SqliteMessageStore
from tests.conftest import HeldClock

pytestmark = pytest.mark.anyio

SECRET = b"QUXENBAUM"
ME = owner_name()


def arrival(control: str, number: str = "4711") -> Arrival:
    return Arrival(b"MSH|^~\\&|S|||||||" + control.encode() + b"\rPID|||" + number.encode() + b"||" + SECRET, "test",
                   "S", control, "ADT^A01", "2.5", (number,), 5)  # fmt: skip


def keys(folder: Path) -> DataKeys:
    if not (folder / "master.json").exists():
        add_key(folder / "master.json")
    return DataKeys(folder / "keys.sqlite", MasterKeys(folder / "master.json"))


def opened(folder: Path, sealed: bool = True) -> SqliteMessageStore:
    return SqliteMessageStore(folder / "hl7.sqlite", HeldClock(), keys=keys(folder) if sealed else None)


def on_disk(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in folder.glob("hl7*"))


async def test_nothing_that_a_message_says_is_readable_in_the_files(tmp_path: Path):
    store = opened(tmp_path)
    kept = await store.keep(arrival("1"), ME)
    await store.finish(kept.message, ME, Outcome("done", "", ("Patient/a/_history/1",), "AA", b"MSA " + SECRET), 6)
    await store.post("", 0, [Letter(0, "lab", "k", "ADT", "c", b"letter " + SECRET, "queued", 1, 1)])
    await store.reopen(kept.message.id, arrival("1").raw + b"\rZZZ", "corrected", ("4711",), 7)
    assert SECRET not in on_disk(tmp_path)
    assert await store.raw(kept.message.id, 0) == arrival("1").raw
    assert (await store.raw(kept.message.id)).endswith(b"ZZZ")
    (found,) = await store.find(Wanted(patient="4711"))
    assert found.answer == b"MSA " + SECRET and found.size == len(arrival("1").raw)
    letter = await store.next_letter("lab")
    assert letter is not None and letter.body == b"letter " + SECRET
    assert (await store.keep(arrival("1"), ME)).novelty == "duplicate"
    await store.close()
    without = opened(tmp_path, sealed=False)
    with pytest.raises(FhirError, match="encryption_keys"):
        await without.raw(kept.message.id)
    await without.close()


async def test_keys_that_come_later_leave_older_messages_readable(tmp_path: Path):
    store = opened(tmp_path, sealed=False)
    old = (await store.keep(arrival("1"), ME)).message
    await store.close()
    store = opened(tmp_path)
    new = (await store.keep(arrival("2", "7"), ME)).message
    assert await store.raw(old.id) == arrival("1").raw and await store.raw(new.id) == arrival("2", "7").raw
    await store.close()


@pytest.mark.parametrize("sealed", [True, False])
async def test_what_was_filed_to_a_patient_is_erased_and_nobody_elses(tmp_path: Path, sealed: bool):
    store = opened(tmp_path, sealed)
    for control, link in (("1", "Patient/a/_history/1"), ("2", "Patient/ab/_history/1"), ("3", "Patient/a/_history/2")):
        kept = await store.keep(arrival(control, f"n{control}"), ME)
        links = (f"Encounter/{control}/_history/1", link)
        await store.finish(kept.message, ME, Outcome("done", "", links, "AA", SECRET), 6)
    assert [each.id for each in await store.erase("Patient/a", [])] == [1, 3]
    assert [await store.raw(id) for id in (1, 2, 3)] == [b"", arrival("2", "n2").raw, b""]
    assert await store.find(Wanted(patient="n1")) == []
    found = await store.load(1)
    assert found is not None and (found.patients, found.links, found.answer) == ((), (), b"")
    assert (await store.keep(arrival("1", "n1"), ME)).novelty == "duplicate"
    await store.close()
