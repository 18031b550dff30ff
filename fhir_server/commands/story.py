"""hms story: a visit told end to end on a running server with everything mounted, each step checked.

An admission and a result come by HL7 v2, an image by DICOM; what was done is charged, claimed, denied, corrected, paid
and posted; the shifts of a ward are covered and worked; the numbers of the month move; each result is traced back; and
everything made again from the feed is the same. A step that does not come about ends the story with the reason.
"""

from __future__ import annotations

import datetime
import signal
from typing import Annotated

import typer

from fhir_server.commands import story_billing, story_claims
from fhir_server.commands.sockets import host_and_port
from fhir_server.commands.story_messages import PATIENT, admitted, adt, ct, oru, visit_number
from fhir_server.commands.story_telling import Json, Telling
from fhir_server.core.errors import error

SHIFTS = [
    {"kind": "D", "at": "07:00", "hours": 12, "needed": 1},
    {"kind": "N", "at": "19:00", "hours": 12, "needed": 1},
]


def story(
    server: Annotated[str, typer.Option(metavar="URL", help="Where the server is, such as http://127.0.0.1:8080.")],
    mllp: Annotated[str, typer.Option(metavar="HOST:PORT", help="Its listener for HL7 v2; without: no messages.")] = "",
    dicom: Annotated[str, typer.Option(metavar="HOST:PORT", help="Its DICOM port; without: no image.")] = "",
    title: Annotated[str, typer.Option(help="Its AE title.")] = "ULTIMATEHMS",
) -> None:
    """Tell a visit end to end on a running server, and check each step."""
    from fhir_server.client import base_url

    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends it as it is, also where a shell began it beside a server
    told = Story(base_url(server).removesuffix("/fhir"))
    listener = host_and_port("--mllp", mllp) if mllp else None
    archive = host_and_port("--dicom", dicom) if dicom else None
    if listener:
        story_billing.prices(told)
        told.messages(listener)
    if archive:
        told.image(archive, title)
    claims: tuple[Json, ...] = ()
    if listener:
        denied = story_claims.denied(told, story_billing.charged(told))
        claims = denied, story_claims.corrected(told, denied, listener)
        story_billing.balanced(told, denied)
    told.ward()
    told.numbers(listener is not None)
    if claims:
        story_billing.counted(told, *claims)
    told.traces(listener is not None)
    if claims:
        story_billing.traced(told, *claims)
    told.again()
    print("The story is told.")


class Story(Telling):
    """What happens outside of billing."""

    # ---- by interfaces

    def messages(self, to: tuple[str, int]) -> None:
        """Admission, result and discharge over MLLP."""
        begun = admitted()
        self.send(to, adt("A01", begun))
        patient = self.found(f"Patient?identifier={PATIENT}")
        self.say("ADT^A01 by MLLP", f"Patient/{patient['id']}")
        self.send(to, oru(begun))
        report = self.found(f"Observation?subject=Patient/{patient['id']}&code=2823-3")
        self.say("ORU^R01 by MLLP", f"Observation/{report['id']}, potassium {report['valueQuantity']['value']}")
        self.send(to, adt("A03", begun))
        visit = self.found(f"Encounter?identifier={visit_number(begun)}&status=finished")
        self.say("ADT^A03 by MLLP", f"Encounter/{visit['id']} is finished")

    def image(self, to: tuple[str, int], title: str) -> None:
        """A small CT by C-STORE, which becomes an ImagingStudy."""
        from pynetdicom import AE  # type: ignore[attr-defined]

        made = ct()
        entity = AE(ae_title="STORY")
        entity.add_requested_context(made.SOPClassUID)
        association = entity.associate(*to, ae_title=title)
        if not association.is_established:
            raise error("unavailable", f"The archive at {to[0]}:{to[1]} takes no association as {title}.")
        status = association.send_c_store(made)
        association.release()
        # the same image again is a success too: the archive has it
        if getattr(status, "Status", 1) not in (0x0000, 0xB000):
            raise error("conflict", f"The archive refused the image with status {getattr(status, 'Status', 'none')}.")
        study = self.found(f"ImagingStudy?identifier=urn:oid:{made.StudyInstanceUID}")
        self.say("CT by DICOM", f"ImagingStudy/{study['id']}")

    # ---- the workforce

    def ward(self) -> None:
        """A ward, its nurses, a rota that is proposed and published, and a shift that is worked."""
        entries: list[Json] = [{"resourceType": "Location", "id": "story-ward", "name": "Ward of the story"}]
        for name in ("anna", "ben", "cleo", "dora"):
            entries.append({"resourceType": "Practitioner", "id": f"story-{name}", "name": [{"family": name.title()}],
                            "qualification": [{"code": {"text": "Nursing licence"},
                                               "period": {"end": f"{self.today.year + 2}-12-31"}}]})  # fmt: skip
            entries.append({"resourceType": "PractitionerRole", "id": f"story-{name}",
                            "practitioner": {"reference": f"Practitioner/story-{name}"},
                            "location": [{"reference": "Location/story-ward"}]})  # fmt: skip
        for each in entries:
            self.keep(each)
        self.until("the workforce knows the ward", lambda: len([
            each for each in self.ask("GET", "workforce/people")["people"] if "story-ward" in each["wards"]
        ]) == 4)  # fmt: skip
        first = self.today + datetime.timedelta(days=7 - self.today.weekday())
        wish = {"ward": "Location/story-ward", "start": first.isoformat(), "days": 5, "shifts": SHIFTS}
        known = [each for each in self.ask("GET", "workforce/rotas")["rotas"]
                 if each["ward"] == wish["ward"] and each["start"] == wish["start"]]  # fmt: skip
        id = known[0]["id"] if known else self.ask("POST", "workforce/rotas", wish)["id"]
        if not known or known[0]["state"] != "published":
            self.until("a rota is proposed", lambda: self._rota(id).get("state") == "proposed")
            self.say("rota proposed", f"{self._rota(id)['needed']} shifts, {self._rota(id)['missing']} missing")
            self.ask("POST", f"workforce/rotas/{id}/publish", {})
        self.until("each shift is covered", lambda: self._rota(id)["missing"] == 0 and self.count(
            f"Slot?schedule=Schedule/{id}&status=busy") == 2 * 5)  # fmt: skip
        self.shift = self._rota(id)["shifts"][0]
        self.say("shift covered", f"Slot/{self.shift['id']} by {self.shift['works'][0]['name']}")
        began = datetime.datetime.combine(self.today, datetime.time(6), datetime.UTC)
        entry = {"role": "PractitionerRole/story-anna", "start": began.isoformat(),
                 "end": (began + datetime.timedelta(hours=8)).isoformat()}  # fmt: skip
        self.ask("POST", "workforce/times", entry)
        self.until("the time is recorded", lambda: any(
            each["role"] == entry["role"] for each in self.ask("GET", "workforce/times")["times"]))  # fmt: skip
        self.say("time recorded", "8 h; payroll at " + f"{self.server}/workforce/payroll/{self.today:%Y-%m}")

    def _rota(self, id: str) -> Json:
        return self.seen(f"workforce/rotas/{id}") or {}

    # ---- what is to be seen of it

    def numbers(self, by_message: bool) -> None:
        """The indicators of the month have moved."""
        for name in ("hours_per_shift", *(("admissions", "length_of_stay") if by_message else ())):
            value = self.until(f"the indicator {name} has moved", lambda name=name: (
                self.ask("GET", f"analytics/indicators/{name}")["months"] or [{}])[-1].get("value"))  # fmt: skip
            self.say(f"indicator {name}", f"{value:g}")

    def traces(self, by_message: bool) -> None:
        """From results back to what made them."""
        found = self.ask("GET", f"workforce/trace?of=Slot/{self.shift['id']}")
        if not found["back"]:
            raise error("conflict", "The shift can't be traced back.")
        self.say("traced", f"Slot/{self.shift['id']} <- {found['back'][0]['how']} <- {found['back'][0]['reference']}")
        if by_message:
            visit = self.found(f"Encounter?identifier={visit_number(admitted())}")
            back = self.ask("GET", f"workforce/trace?of=Encounter/{visit['id']}")["back"]
            messages = [each["reference"] for each in back if each["reference"].startswith("message ")]
            if not messages:
                raise error("conflict", "The Encounter can't be traced back to its message.")
            self.say("traced", f"Encounter/{visit['id']} <- {messages[0]}")

    def again(self) -> None:
        """Everything made again from the feed is the same, and writes nothing."""
        before, head = self._seen(), self.head()
        names = ("analytics", "billing", "workforce")
        rebuilds = {name: self.ask("GET", f"{name}/state")["rebuilds"] for name in names}
        for name in names:
            self.ask("POST", f"{name}/rebuild", {})

        def made() -> bool:
            states = [self.ask("GET", f"{name}/state") for name in names]
            return all(
                state["rebuilds"] > rebuilds[state["name"]] and state["position"] >= head and not state["problem"]
                for state in states
            )

        self.until("everything is made again", lambda: made() and self._seen() == before)
        written = self.head() - head
        if written:
            raise error("conflict", f"Making everything again wrote {written} changes.")
        self.say("made again from the feed", "the same, and nothing was written")

    def _seen(self) -> list[Json]:
        rotas = self.ask("GET", "workforce/rotas")["rotas"]
        times = self.ask("GET", "workforce/times")["times"]
        money = [self.ask("GET", f"billing/{name}") for name in ("claims", "files", "work", "journal", "trial-balance")]
        return [rotas, times, self.ask("GET", "analytics/indicators")["indicators"], *money]  # type: ignore[list-item]
