"""Merges of patients: what they state beside the merge, whom they name, and messages that come while they go on."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from fhir_server.api import Request
from fhir_server.codec import json
from fhir_server.core.errors import FhirError
from interfaces.hl7v2.configuration import Interfaces, Listener
from interfaces.hl7v2.engine import Engine
from interfaces.hl7v2.header import Header
from interfaces.hl7v2.interface import Hl7Interface
from interfaces.hl7v2.messages.sqlite.store import SqliteMessageStore
from interfaces.hl7v2.translation import Translation
from tests.conftest import Fhir
from tests.unit.interfaces.hl7v2.test_translation import VISIT, Hospital, hospital, pid, result
from tests.unit.interfaces.hl7v2.traffic import code, connected

__all__ = ["hospital"]
pytestmark = pytest.mark.anyio
LATER = "20240104120000+0000"


async def known(hospital: Hospital, *numbers: str) -> None:
    for number in numbers:
        await hospital.send("ADT^A04", pid(f"{number}^^^A"), control=number)


async def merge(hospital: Hospital, *segments: str):
    return await hospital.send("ADT^A40^ADT_A39", "EVN|A40", *segments, sent=LATER, control="merge")


async def holder(hospital: Hospital, number: str, active: bool = True) -> dict[str, Any]:
    """The patient who has a number, of those who are there or of those who were merged away."""
    found = await hospital.all("Patient", identifier=number)
    (one,) = [each for each in found if each.get("active", True) == active]
    return one


def links(patient: dict[str, Any]) -> list[tuple[str, str]]:
    return [(one["type"], one["other"]["reference"]) for one in patient.get("link", ())]


async def test_what_a_merge_states_of_the_survivor_holds(hospital: Hospital):
    await known(hospital, "100", "200")
    await merge(hospital, pid("100^^^A", "|SMITH^JANE"), "MRG|200^^^A")
    survivor, loser = await holder(hospital, "100"), await holder(hospital, "200", False)
    assert survivor["name"][0]["family"] == "SMITH"
    assert links(survivor) == [("replaces", f"Patient/{loser['id']}")]


@pytest.mark.parametrize(
    "segments",
    [(pid("100^^^A"), "MRG|200^^^A~300^^^A"), (pid("100^^^A"), "MRG|200^^^A", pid("100^^^A"), "MRG|300^^^A")],
)
async def test_two_who_end_are_both_linked_and_leave_nothing(hospital: Hospital, segments: tuple[str, ...]):
    await known(hospital, "100", "200", "300")
    both = [{"entity": {"reference": f"Patient/{(await holder(hospital, n))['id']}"}} for n in ("200", "300")]
    group = {"resourceType": "Group", "type": "person", "actual": True, "member": both}
    await hospital.server.perform(Request("POST", ("Group",), resource=group, body=json.serialize(group)))
    await merge(hospital, *segments)
    survivor = await holder(hospital, "100")
    ended = {f"Patient/{(await holder(hospital, number, False))['id']}" for number in ("200", "300")}
    assert {reference for kind, reference in links(survivor) if kind == "replaces"} == ended
    members = (await hospital.one("Group"))["member"]
    assert {one["entity"]["reference"] for one in members} == {f"Patient/{survivor['id']}"}


async def test_each_group_of_a_message_has_its_own_survivor(hospital: Hospital):
    await known(hospital, "100", "200", "300", "400", "500")
    await merge(
        hospital, pid("100^^^A"), "MRG|200^^^A", pid("300^^^A"), "MRG|400^^^A", pid("100^^^A"), "MRG|500^^^A"
    )  # fmt: skip
    first, second = await holder(hospital, "100"), await holder(hospital, "300")
    for number, survivor in (("200", first), ("400", second), ("500", first)):
        loser = await holder(hospital, number, False)
        assert links(loser) == [("replaced-by", f"Patient/{survivor['id']}")]


@pytest.mark.parametrize("there", [(), ("100",), ("200",)])
async def test_links_lead_both_ways_whoever_was_unknown(hospital: Hospital, there: tuple[str, ...]):
    await known(hospital, *there)
    await merge(hospital, pid("100^^^A"), "MRG|200^^^A")
    survivor, loser = await holder(hospital, "100"), await holder(hospital, "200", False)
    assert links(survivor) == [("replaces", f"Patient/{loser['id']}")]
    assert links(loser) == [("replaced-by", f"Patient/{survivor['id']}")]


@pytest.mark.parametrize("stated", ["100^^^A~200^^^A", "200^^^A~100^^^A"])
async def test_a_number_that_ends_may_be_listed_with_the_survivors(hospital: Hospital, stated: str):
    await known(hospital, "100", "200")
    await hospital.send("ORU^R01", pid("200^^^A"), *result())
    kept, ending = await holder(hospital, "100"), await holder(hospital, "200")
    await merge(hospital, pid(stated), "MRG|200^^^A")
    assert links(await holder(hospital, "200", False)) == [("replaced-by", f"Patient/{kept['id']}")]
    assert links(await holder(hospital, "100")) == [("replaces", f"Patient/{ending['id']}")]
    assert (await hospital.one("DiagnosticReport"))["subject"]["reference"] == f"Patient/{kept['id']}"


async def test_a_second_merge_into_somebody_else_is_told(hospital: Hospital):
    await known(hospital, "100", "200", "300")
    await merge(hospital, pid("100^^^A"), "MRG|200^^^A")
    made = await merge(hospital, pid("300^^^A"), "MRG|200^^^A")
    assert made.bundle is None
    assert "200 was merged into another patient before" in made.issues[0]


async def test_what_is_in_no_compartment_moves_too(hospital: Hospital):
    await known(hospital, "100", "200")
    subject = {"reference": f"Patient/{(await holder(hospital, '200'))['id']}"}
    task = {"resourceType": "Task", "status": "requested", "intent": "order", "for": subject}
    device = {"resourceType": "Device", "patient": subject}
    advice = {"resourceType": "GuidanceResponse", "moduleUri": "http://a.test", "status": "success", "subject": subject}
    for one in (task, device, advice):
        await hospital.server.perform(Request("POST", (one["resourceType"],), resource=one, body=json.serialize(one)))
    await merge(hospital, pid("100^^^A"), "MRG|200^^^A")
    survivor = {"reference": f"Patient/{(await holder(hospital, '100'))['id']}"}
    for name, element in (("Task", "for"), ("Device", "patient"), ("GuidanceResponse", "subject")):
        assert (await hospital.one(name))[element] == survivor


class Held(Engine):
    """Translates, and holds what it made of messages of one control id until it is let go."""

    def __init__(self, *parts: Any, control: str) -> None:
        super().__init__(*parts)
        self._control = control
        self.read, self.go = asyncio.Event(), asyncio.Event()

    async def translate(self, raw: bytes, header: Header, sender: Any, strict: bool) -> Translation:
        made = await super().translate(raw, header, sender, strict)
        if header.control == self._control:
            self.read.set()
            await self.go.wait()
        return made


def message(kind: str, control: str, *segments: str) -> bytes:
    head = f"MSH|^~\\&|APP|HOSP|HMS|HOSP|{LATER}||{kind}|{control}|P|2.5.1||||||UNICODE UTF-8"
    return "\r".join([head, *segments, ""]).encode()


async def both(fhir: Fhir, folder: Path, first: bytes, second: bytes) -> None:
    """The second is applied after the first was translated and before it is committed."""
    interfaces = Interfaces(listener={"lab": Listener(port=0)})
    clock = fhir.server.environment.clock
    engine = Held(interfaces, fhir.server, clock, control="first")
    store = SqliteMessageStore(folder / "hl7.sqlite", clock, synchronous="OFF")
    interface = Hl7Interface(interfaces, store, fhir.server, engine, clock)
    await interface.start()
    try:
        port = interface.listeners[0].port
        async with connected(port) as one, connected(port) as two:
            await one.send(first)
            await engine.read.wait()
            assert code(await two.ask(second)) == "AA"
            engine.go.set()
            assert code(await one.next()) == "AA"
    finally:
        await interface.stop()


@pytest.mark.parametrize("first", ["result", "merge"])
async def test_a_result_under_another_number_while_the_patient_is_merged(fhir: Fhir, tmp_path: Path, first: str):
    """The result has a number that the merge does not have, so neither waits for the other."""
    hospital = Hospital(fhir.server)
    await hospital.send("ADT^A04", pid("100^^^A"))
    await hospital.send("ADT^A04", pid("200^^^A~N2^^^N"), control="2")
    sent = {
        "result": ("ORU^R01", pid("N2^^^N"), *result()),
        "merge": ("ADT^A40^ADT_A39", pid("100^^^A"), "MRG|200^^^A"),
    }
    kind, *segments = sent.pop(first)
    ((other, *others),) = sent.values()
    await both(fhir, tmp_path, message(kind, "first", *segments), message(other, "second", *others))
    survivor = {"reference": f"Patient/{(await holder(hospital, '100'))['id']}"}
    assert (await hospital.one("DiagnosticReport"))["subject"] == survivor
    assert {one["subject"]["reference"] for one in await hospital.all("Observation")} == {survivor["reference"]}


ACCOUNT = "|DOE^JANE" + "|" * 13 + "AC1^^^A"
CHARGE = "FT1|1|T1||20240103||CG|80050^Panel^L|||2"
MOVES = {
    "visit": ("ADT^A45", "EVN|A45", pid("100^^^A"), "MRG|200^^^A||||V1^^^A"),
    "account": ("ADT^A44^ADT_A43", "EVN|A44", pid("100^^^A"), "MRG|200^^^A||AC1^^^A"),
}
BESIDE = {
    "visit": ("ORU^R01", pid("N2^^^N", "|DOE^JANE"), VISIT, *result()),
    "account": ("DFT^P03", "EVN|P03", pid("N2^^^N", ACCOUNT), CHARGE),
}
BELONGING = {"visit": ("DiagnosticReport", "Observation"), "account": ("ChargeItem",)}


@pytest.mark.parametrize("first", ["beside", "move"])
@pytest.mark.parametrize("what", ["visit", "account"])
async def test_what_comes_under_another_number_while_its_visit_or_account_moves(
    fhir: Fhir, tmp_path: Path, what: str, first: str
):
    hospital = Hospital(fhir.server)
    await known(hospital, "100")
    await hospital.send("ADT^A04", pid("200^^^A~N2^^^N", ACCOUNT), VISIT, control="2")
    beside, move = BESIDE[what], MOVES[what]
    one, two = (beside, move) if first == "beside" else (move, beside)
    await both(fhir, tmp_path, message(one[0], "first", *one[1:]), message(two[0], "second", *two[1:]))
    survivor = {"reference": f"Patient/{(await holder(hospital, '100'))['id']}"}
    for type in BELONGING[what]:
        assert {one["subject"]["reference"] for one in await hospital.all(type)} == {survivor["reference"]}, type
    kept = await hospital.one("Encounter" if what == "visit" else "Account")
    assert kept["subject"] == (survivor if what == "visit" else [survivor])


@pytest.mark.parametrize("what", ["visit", "account"])
async def test_what_a_visit_or_an_account_has_moves_with_it(hospital: Hospital, what: str):
    await known(hospital, "100")
    await hospital.send("ADT^A04", pid("200^^^A~N2^^^N", ACCOUNT), VISIT, control="2")
    await hospital.send(*BESIDE[what])
    await hospital.send(*MOVES[what], sent=LATER)
    survivor = (await holder(hospital, "100"))["id"]
    for type in BELONGING[what]:
        assert {one["subject"]["reference"] for one in await hospital.all(type)} == {f"Patient/{survivor}"}, type


async def test_a_visit_takes_nothing_of_one_whose_id_begins_with_its_own(hospital: Hospital):
    await known(hospital, "100", "200")
    theirs = {"reference": f"Patient/{(await holder(hospital, '200'))['id']}"}
    for number in ("1", "12"):
        visit = {"resourceType": "Encounter", "id": number, "status": "finished", "class": {"code": "IMP"}}
        visit |= {"subject": theirs, "identifier": [{"system": "urn:x-hl7v2:authority:A", "value": f"V{number}"}]}
        note = {"resourceType": "Observation", "id": number, "status": "final", "code": {"text": "note"}}
        note |= {"subject": theirs, "encounter": {"reference": f"Encounter/{number}"}}
        for one in (visit, note):
            path = (one["resourceType"], number)
            await hospital.server.perform(Request("PUT", path, resource=one, body=json.serialize(one)))
    await hospital.send(*MOVES["visit"], sent=LATER)
    notes = [await hospital.one("Observation", _id=number) for number in ("1", "12")]
    assert [note["subject"] == theirs for note in notes] == [False, True]


async def test_an_older_message_does_not_move_a_visit_back(hospital: Hospital):
    await known(hospital, "100")
    await hospital.send("ADT^A04", pid("200^^^A"), VISIT, control="2")
    await hospital.send(*MOVES["visit"], sent=LATER)
    made = await hospital.send("ORU^R01", pid("200^^^A"), VISIT, *result(), sent="20240103")
    survivor = await holder(hospital, "100")
    assert (await hospital.one("Encounter"))["subject"] == {"reference": f"Patient/{survivor['id']}"}
    assert any("V1" in issue and "older" in issue for issue in made.issues)


@pytest.mark.parametrize("what", ["visit", "account"])
async def test_what_an_older_message_brings_goes_to_whom_its_visit_was_moved(hospital: Hospital, what: str):
    await known(hospital, "100")
    await hospital.send("ADT^A04", pid("200^^^A~N2^^^N", ACCOUNT), VISIT, control="2")
    await hospital.send(*MOVES[what], sent=LATER)
    made = await hospital.send(*BESIDE[what], sent="20240103")
    engine = Engine(Interfaces(), hospital.server, hospital.server.environment.clock)
    moved = [entry["resource"] for entry in await engine.left_behind(made.named)]
    survivor = f"Patient/{(await holder(hospital, '100'))['id']}"
    assert {(one["resourceType"], one["subject"]["reference"]) for one in moved} == {
        (type, survivor) for type in BELONGING[what]
    }


async def test_a_number_that_is_merged_into_itself_is_an_error(hospital: Hospital):
    await known(hospital, "100")
    with pytest.raises(FhirError, match="nobody is merged"):
        await merge(hospital, pid("100^^^A"), "MRG|100^^^A")


@pytest.mark.parametrize("last", ["beside", "move"])
async def test_a_move_that_a_crash_came_after_is_looked_at_again(fhir: Fhir, last: str):
    """Found applied, a message names what it named before, though the visit is another patient's now."""
    hospital = Hospital(fhir.server)
    await known(hospital, "100")
    await hospital.send("ADT^A04", pid("200^^^A~N2^^^N", ACCOUNT), VISIT, control="2")
    loser, visit = (await holder(hospital, "200"))["id"], (await hospital.one("Encounter"))["id"]
    await hospital.send(*MOVES["visit"], sent=LATER)
    note = {"resourceType": "Observation", "status": "final", "code": {"text": "note"}}
    note |= {"subject": {"reference": f"Patient/{loser}"}, "encounter": {"reference": f"Encounter/{visit}"}}
    await hospital.server.perform(Request("POST", ("Observation",), resource=note, body=json.serialize(note)))
    engine = Engine(Interfaces(), fhir.server, fhir.server.environment.clock)
    kind, *segments = (BESIDE if last == "beside" else MOVES)["visit"]
    entries = await engine.left_behind(await engine.named(message(kind, "again", *segments)))
    survivor = f"Patient/{(await holder(hospital, '100'))['id']}"
    assert [entry["resource"]["subject"]["reference"] for entry in entries] == [survivor]
