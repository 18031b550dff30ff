"""Studies that tests and benchmarks make: CT images of any size, with what is asked for in them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from interfaces.dicom.archive.archive import Archive
from interfaces.dicom.dataset.part10 import read_meta


def image(size: int = 16, **attributes: Any) -> Dataset:
    """A CT image; attributes by keyword are put over the usual ones."""
    made = Dataset()
    made.SOPClassUID = CTImageStorage
    made.SOPInstanceUID, made.StudyInstanceUID, made.SeriesInstanceUID = (generate_uid() for _ in range(3))
    made.PatientID, made.PatientName, made.PatientBirthDate, made.PatientSex = "P1", "Doe^Jane", "19700101", "F"
    made.StudyDate, made.StudyTime, made.StudyDescription, made.StudyID = "20260101", "101500", "Chest", "S1"
    made.AccessionNumber, made.ReferringPhysicianName, made.Modality = "A1", "Ref^Er", "CT"
    made.SeriesNumber, made.InstanceNumber, made.SeriesDescription = 1, 1, "Axial"
    made.Rows = made.Columns = size
    made.BitsAllocated, made.BitsStored, made.HighBit, made.PixelRepresentation = 16, 12, 11, 0
    made.SamplesPerPixel, made.PhotometricInterpretation = 1, "MONOCHROME2"
    made.PixelData = numpy.arange(size * size, dtype=numpy.uint16).tobytes()
    for name, value in attributes.items():
        setattr(made, name, value)
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = made.SOPClassUID, made.SOPInstanceUID
    made.file_meta = meta
    return made


def study(count: int, size: int = 16, **attributes: Any) -> list[Dataset]:
    """Images of one series of one study, numbered from 1; each has pixels of its own."""
    uids = {"StudyInstanceUID": generate_uid(), "SeriesInstanceUID": generate_uid(), **attributes}
    base = numpy.random.default_rng(1).integers(0, 2000, (size, size), dtype=numpy.uint16)
    return [
        image(size, InstanceNumber=number + 1, PixelData=numpy.roll(base, number, axis=0).tobytes(), **uids)
        for number in range(count)
    ]


def files(images: list[Dataset], folder: Path) -> list[Path]:
    """The images as files."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{number:05d}.dcm" for number in range(len(images))]
    for made, path in zip(images, paths, strict=True):
        made.save_as(path, enforce_file_format=True)
    return paths


def encoded(made: Dataset) -> bytes:
    """A data set as it goes over an association with its transfer syntax."""
    from pynetdicom.dsutils import encode

    uid = made.file_meta.TransferSyntaxUID
    encoding = encode(made, uid.is_implicit_VR, uid.is_little_endian, uid.is_deflated)
    assert encoding is not None
    return encoding


def keep_file(archive: Archive, path: str) -> None:
    """Has an archive receive what a file of PS3.10 holds."""
    data = Path(path).read_bytes()
    meta = read_meta(data)
    archive.receive(memoryview(data)[meta.start :], transfer_syntax=meta.transfer_syntax)
