"""What other systems send in the story: an admission, a result, a discharge and a correction by HL7 v2, an image by
DICOM.

A day's messages are the same whenever they are sent, so that telling the story again on that day changes nothing.
"""

from __future__ import annotations

import datetime
from typing import Any

PATIENT, ORDER = "STORY-1", "STORY-A1"
STAY = datetime.timedelta(days=1, hours=6)
CORRECTED_AFTER = datetime.timedelta(hours=5)  # after the discharge
RESULT_AT, CT_AT = datetime.timedelta(hours=3), datetime.timedelta(hours=4)  # after the admission
BMP, CHEST = "80048^Basic metabolic panel^C4", "71250^CT of the chest^C4"


def admitted() -> datetime.datetime:
    """When the patient of today's story came: the day before yesterday, at nine."""
    today = datetime.datetime.now().replace(hour=9, minute=0, second=0, microsecond=0)
    return today - datetime.timedelta(days=2)


def visit_number(begun: datetime.datetime) -> str:
    """The number of a visit (PV1-19)."""
    return f"STORY-V{begun:%Y%m%d}"


def adt(event: str, begun: datetime.datetime) -> str:
    """ADT A01 with diagnosis and insurance, A03 with what was done, or A08 with the diagnosis that A03 left out."""
    ended = begun + STAY if event != "A01" else None
    at = f"{(ended or begun) + (CORRECTED_AFTER if event == 'A08' else datetime.timedelta()):%Y%m%d%H%M%S}"
    stay = [""] * 46
    stay[1:4] = ["1", "I", "WARD^1^1"]
    stay[19], stay[44] = visit_number(begun), f"{begun:%Y%m%d%H%M%S}"
    stay[45] = f"{ended:%Y%m%d%H%M%S}" if ended else ""
    insured = [""] * 37
    insured[1:5] = ["1", "PLAN^Plan of the story", "60054^^^PAYERS", "Payer of the story"]
    insured[16], insured[17], insured[36] = "Story^Stella", "SEL", "M-STORY"
    found = [f"DG1|1||I10^Essential (primary) hypertension^I10C|||{'F' if ended else 'A'}"]
    if event == "A08":
        found.append("DG1|2||R05.3^Chronic cough^I10C|||F")
    done = (f"PR1|1||{BMP}||{begun + RESULT_AT:%Y%m%d%H%M%S}", f"PR1|2||{CHEST}||{begun + CT_AT:%Y%m%d%H%M%S}")
    return "\r".join((
        f"MSH|^~\\&|STORY|HOSPITAL|HMS|HOSPITAL|{at}||ADT^{event}|STORY-{event}-{begun:%Y%m%d}|P|2.5.1",
        f"EVN|{event}|{at}",
        f"PID|1||{PATIENT}^^^HOSPITAL^MR||Story^Stella||19600101|F|||1 Main St^^Albany^NY^122071234",
        f"PV1|{'|'.join(stay[1:])}",
        *found,
        *(done if event == "A03" else ()),
        f"IN1|{'|'.join(insured[1:])}",
        "",
    ))  # fmt: skip


def oru(begun: datetime.datetime) -> str:
    """ORU R01 with a potassium."""
    at = f"{begun + RESULT_AT:%Y%m%d%H%M%S}"
    return "\r".join((
        f"MSH|^~\\&|LAB|HOSPITAL|HMS|HOSPITAL|{at}||ORU^R01|STORY-R01-{begun:%Y%m%d}|P|2.5.1",
        f"PID|1||{PATIENT}^^^HOSPITAL^MR||Story^Stella||19600101|F",
        f"OBR|1|{ORDER}|{ORDER}-F|24321-2^Basic metabolic panel^LN|||{at}|||||||||||||||{at}||CH|F",
        f"OBX|1|NM|2823-3^Potassium^LN||4.1|mmol/L^^UCUM|3.5-5.1|N|||F|||{at}",
        "",
    ))  # fmt: skip


def ct() -> Any:
    """A small CT."""
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
