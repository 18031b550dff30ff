"""hms story: a visit told end to end on a running server with everything mounted, each step checked.

An admission and a result come by HL7 v2, an image by DICOM; a ward's shifts are covered and worked; the numbers of the
month move; each result is traced back; and everything made again from the feed is the same. A step that does not come
about ends the story with the reason.
"""

from __future__ import annotations

import asyncio
import datetime
import time
from collections.abc import Callable
from typing import Annotated, Any

import typer

from fhir_server.core.errors import error

SECONDS = 120  # that a step may take to come about on a slow machine
PATIENT, VISIT, ORDER = "STORY-1", "STORY-V1", "STORY-A1"
SHIFTS = [
    {"kind": "D", "at": "07:00", "hours": 12, "needed": 1},
    {"kind": "N", "at": "19:00", "hours": 12, "needed": 1},
]

Json = dict[str, Any]


def story(
    server: Annotated[str, typer.Option(metavar="URL", help="Where the server is, such as http://127.0.0.1:8080.")],
    mllp: Annotated[str, typer.Option(metavar="HOST:PORT", help="Its listener for HL7 v2; without: no messages.")] = "",
    dicom: Annotated[str, typer.Option(metavar="HOST:PORT", help="Its DICOM port; without: no image.")] = "",
    title: Annotated[str, typer.Option(help="Its AE title.")] = "ULTIMATEHMS",
) -> None:
    """Tell a visit end to end on a running server, and check each step."""
    told = Story(server.rstrip("/"))
    if mllp:
        told.messages(mllp)
    if dicom:
        told.image(dicom, title)
    told.ward()
    told.numbers(bool(mllp))
    told.traces(bool(mllp))
    told.again()
    print("The story is told.")


class Story:
    """Tells it to a server."""

    def __init__(self, server: str) -> None:
        import httpx

        self.server = server
        self._http = httpx.Client(timeout=SECONDS)
        self.today = datetime.date.today()

    # ---- by interfaces

    def messages(self, to: str) -> None:
        """Admission, result and discharge over MLLP."""
        begun = datetime.datetime.now() - datetime.timedelta(days=2)
        self._send(to, _adt("A01", begun, None))
        patient = self._found(f"Patient?identifier={PATIENT}")
        self._say("ADT^A01 by MLLP", f"Patient/{patient['id']}")
        self._send(to, _oru(begun))
        report = self._found(f"Observation?subject=Patient/{patient['id']}&code=2823-3")
        self._say("ORU^R01 by MLLP", f"Observation/{report['id']}, potassium {report['valueQuantity']['value']}")
        self._send(to, _adt("A03", begun, begun + datetime.timedelta(days=2)))
        visit = self._found(f"Encounter?identifier={VISIT}&status=finished")
        self._say("ADT^A03 by MLLP", f"Encounter/{visit['id']} is finished")

    def _send(self, to: str, message: str) -> None:
        from fhir_server.commands.hl7 import _send

        host, _, port = to.rpartition(":")
        if not asyncio.run(_send(message.encode(), host, int(port), SECONDS)):
            raise error("conflict", f"The listener at {to} did not accept the message.")

    def image(self, to: str, title: str) -> None:
        """A small CT by C-STORE, which becomes an ImagingStudy."""
        from pynetdicom import AE  # type: ignore[attr-defined]

        made = _ct()
        host, _, port = to.rpartition(":")
        entity = AE(ae_title="STORY")
        entity.add_requested_context(made.SOPClassUID)
        association = entity.associate(host, int(port), ae_title=title)
        if not association.is_established:
            raise error("unavailable", f"The archive at {to} takes no association as {title}.")
        status = association.send_c_store(made)
        association.release()
        # the same image again is a success too: the archive has it
        if getattr(status, "Status", 1) not in (0x0000, 0xB000):
            raise error("conflict", f"The archive refused the image with status {getattr(status, 'Status', 'none')}.")
        study = self._found(f"ImagingStudy?identifier=urn:oid:{made.StudyInstanceUID}")
        self._say("CT by DICOM", f"ImagingStudy/{study['id']}")

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
            known = self._http.get(f"{self.server}/fhir/{each['resourceType']}/{each['id']}")
            if known.status_code != 200:
                self._ask("PUT", f"fhir/{each['resourceType']}/{each['id']}", each)
        self._until("the workforce knows the ward", lambda: len([
            each for each in self._ask("GET", "workforce/people")["people"] if "story-ward" in each["wards"]
        ]) == 4)  # fmt: skip
        first = self.today + datetime.timedelta(days=7 - self.today.weekday())
        wish = {"ward": "Location/story-ward", "start": first.isoformat(), "days": 5, "shifts": SHIFTS}
        known = [each for each in self._ask("GET", "workforce/rotas")["rotas"]
                 if each["ward"] == wish["ward"] and each["start"] == wish["start"]]  # fmt: skip
        id = known[0]["id"] if known else self._ask("POST", "workforce/rotas", wish)["id"]
        if not known or known[0]["state"] != "published":
            self._until("a rota is proposed", lambda: self._rota(id).get("state") == "proposed")
            self._say("rota proposed", f"{self._rota(id)['needed']} shifts, {self._rota(id)['missing']} missing")
            self._ask("POST", f"workforce/rotas/{id}/publish", {})
        self._until("each shift is covered", lambda: self._rota(id)["missing"] == 0 and self._count(
            f"Slot?schedule=Schedule/{id}&status=busy") == 2 * 5)  # fmt: skip
        self.shift = self._rota(id)["shifts"][0]
        self._say("shift covered", f"Slot/{self.shift['id']} by {self.shift['works'][0]['name']}")
        began = datetime.datetime.combine(self.today, datetime.time(6), datetime.UTC)
        entry = {"role": "PractitionerRole/story-anna", "start": began.isoformat(),
                 "end": (began + datetime.timedelta(hours=8)).isoformat()}  # fmt: skip
        self._ask("POST", "workforce/times", entry)
        self._until("the time is recorded", lambda: any(
            each["role"] == entry["role"] for each in self._ask("GET", "workforce/times")["times"]))  # fmt: skip
        self._say("time recorded", "8 h; payroll at " + f"{self.server}/workforce/payroll/{self.today:%Y-%m}")

    def _rota(self, id: str) -> Json:
        answer = self._http.get(f"{self.server}/workforce/rotas/{id}")
        return answer.json() if answer.status_code == 200 else {}

    # ---- what is to be seen of it

    def numbers(self, admitted: bool) -> None:
        """The indicators of the month have moved."""
        for name in ("hours_per_shift", *(("admissions", "length_of_stay") if admitted else ())):
            value = self._until(f"the indicator {name} has moved", lambda name=name: (
                self._ask("GET", f"analytics/indicators/{name}")["months"] or [{}])[-1].get("value"))  # fmt: skip
            self._say(f"indicator {name}", f"{value:g}")

    def traces(self, admitted: bool) -> None:
        """From results back to what made them."""
        found = self._ask("GET", f"workforce/trace?of=Slot/{self.shift['id']}")
        if not found["back"]:
            raise error("conflict", "The shift can't be traced back.")
        self._say("traced", f"Slot/{self.shift['id']} <- {found['back'][0]['how']} <- {found['back'][0]['reference']}")
        if admitted:
            visit = self._found(f"Encounter?identifier={VISIT}")
            back = self._ask("GET", f"workforce/trace?of=Encounter/{visit['id']}")["back"]
            messages = [each["reference"] for each in back if each["reference"].startswith("message ")]
            if not messages:
                raise error("conflict", "The Encounter can't be traced back to its message.")
            self._say("traced", f"Encounter/{visit['id']} <- {messages[0]}")

    def again(self) -> None:
        """Everything made again from the feed is the same, and writes nothing."""
        before, head = self._seen(), self._head()
        names = ("workforce", "analytics")
        rebuilds = {name: self._ask("GET", f"{name}/state")["rebuilds"] for name in names}
        for name in names:
            self._ask("POST", f"{name}/rebuild", {})

        def made() -> bool:
            states = [self._ask("GET", f"{name}/state") for name in names]
            return all(
                state["rebuilds"] > rebuilds[state["name"]] and state["position"] >= head and not state["problem"]
                for state in states
            )

        self._until("everything is made again", lambda: made() and self._seen() == before)
        written = self._head() - head
        if written:
            raise error("conflict", f"Making everything again wrote {written} changes.")
        self._say("made again from the feed", "the same, and nothing was written")

    def _seen(self) -> list[Json]:
        rotas = self._ask("GET", "workforce/rotas")["rotas"]
        times = self._ask("GET", "workforce/times")["times"]
        return [rotas, times, self._ask("GET", "analytics/indicators")["indicators"]]  # type: ignore[list-item]

    def _head(self) -> int:
        return self._ask("GET", "fhir/$changes?_count=1")["head"]

    # ---- asking

    def _ask(self, method: str, path: str, body: Json | None = None) -> Json:
        answer = self._http.request(method, f"{self.server}/{path}", json=body)
        if answer.status_code >= 400:
            said = answer.json() if "json" in answer.headers.get("content-type", "") else {}
            reason = "; ".join(issue.get("diagnostics", "") for issue in said.get("issue", ()))
            raise error("conflict", f"{method} {path} was answered {answer.status_code}: {reason or answer.text[:200]}")
        return answer.json()

    def _count(self, search: str) -> int:
        return self._ask("GET", f"fhir/{search}&_summary=count")["total"]

    def _found(self, search: str) -> Json:
        def look() -> Json | None:
            entries = self._ask("GET", f"fhir/{search}").get("entry", ())
            return entries[0]["resource"] if entries else None

        return self._until(f"{search} finds something", look)

    def _until(self, what: str, look: Callable[[], Any]) -> Any:
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            found = look()
            if found:
                return found
            time.sleep(0.1)
        raise error("conflict", f"It did not come about in {SECONDS} s that {what}.")

    def _say(self, what: str, result: str) -> None:
        print(f"{what:<28} {result}", flush=True)


def _adt(event: str, begun: datetime.datetime, ended: datetime.datetime | None) -> str:
    at = f"{ended or begun:%Y%m%d%H%M%S}"
    visit = [""] * 46
    visit[1:4] = ["1", "I", "WARD^1^1"]
    visit[19], visit[44] = VISIT, f"{begun:%Y%m%d%H%M%S}"
    visit[45] = f"{ended:%Y%m%d%H%M%S}" if ended else ""
    return "\r".join((
        f"MSH|^~\\&|STORY|HOSPITAL|HMS|HOSPITAL|{at}||ADT^{event}|STORY-{event}|P|2.5.1",
        f"EVN|{event}|{at}",
        f"PID|1||{PATIENT}^^^HOSPITAL^MR||Story^Stella||19600101|F",
        f"PV1|{'|'.join(visit[1:])}",
        "",
    ))  # fmt: skip


def _oru(begun: datetime.datetime) -> str:
    at = f"{begun + datetime.timedelta(hours=3):%Y%m%d%H%M%S}"
    return "\r".join((
        f"MSH|^~\\&|LAB|HOSPITAL|HMS|HOSPITAL|{at}||ORU^R01|STORY-R01|P|2.5.1",
        f"PID|1||{PATIENT}^^^HOSPITAL^MR||Story^Stella||19600101|F",
        f"OBR|1|{ORDER}|{ORDER}-F|24321-2^Basic metabolic panel^LN|||{at}|||||||||||||||{at}||CH|F",
        f"OBX|1|NM|2823-3^Potassium^LN||4.1|mmol/L^^UCUM|3.5-5.1|N|||F|||{at}",
        "",
    ))  # fmt: skip


def _ct() -> Any:
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

    root = "1.2.826.0.1.3680043.8.498.7711"
    made: Any = Dataset()
    made.SOPClassUID = CTImageStorage
    made.StudyInstanceUID, made.SeriesInstanceUID, made.SOPInstanceUID = f"{root}.1", f"{root}.1.1", f"{root}.1.1.1"
    made.PatientID, made.PatientName, made.PatientBirthDate, made.PatientSex = PATIENT, "Story^Stella", "19600101", "F"
    made.IssuerOfPatientID = "HOSPITAL"
    made.StudyDate, made.StudyTime, made.StudyDescription, made.StudyID = "20260101", "101500", "Chest", "S1"
    made.AccessionNumber, made.Modality, made.SeriesNumber, made.InstanceNumber = ORDER, "CT", 1, 1
    made.Rows = made.Columns = 8
    made.BitsAllocated, made.BitsStored, made.HighBit, made.PixelRepresentation = 16, 12, 11, 0
    made.SamplesPerPixel, made.PhotometricInterpretation, made.PixelData = 1, "MONOCHROME2", bytes(128)
    meta: Any = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = made.SOPClassUID, made.SOPInstanceUID
    made.file_meta = meta
    return made
