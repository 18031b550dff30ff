"""The tables: attributes of PS3.3 to elements of R4 (https://hl7.org/fhir/R4/imagingstudy-mappings.html#dicom)."""

from __future__ import annotations

from mappings.dicom import conversions as to
from mappings.dicom.engine import Row

PATIENT = (
    Row("name[]", "00100010", to.human_names),
    Row("gender", "00100040", to.gender),
    Row("birthDate", "00100030", to.date),
)
STUDY = (
    Row("modality[]", "00080061", to.modalities),
    Row("referrer", "00080090", to.display),
    Row("interpreter[]", "00081060", to.displays),
    Row("procedureCode[]", "00081032", to.concepts),
    Row("location.display", "00081040", to.text),
    Row("reasonCode[]", "00401002", to.concept_texts),
    Row("reasonCode[]", "0040100A", to.concepts),
    Row("description", "00081030", to.text),
)
REQUESTED = frozenset(["00401002", "0040100A"])  # of the study, where its requests say it
SERIES = (
    Row("uid", "0020000E", to.text),
    Row("number", "00200011", to.integer),
    Row("modality", "00080060", to.modality),
    Row("description", "0008103E", to.text),
    Row("bodySite.display", "00180015", to.text),
)
INSTANCE = (
    Row("uid", "00080018", to.text),
    Row("number", "00200013", to.integer),
    Row("title", "0040A043", to.meaning),
    Row("title", "00700080", to.text),
    Row("title", "00420010", to.text),
)
DEVICE = (
    Row("manufacturer", "00080070", to.text),
    Row("serialNumber", "00181000", to.text),
    Row("modelNumber", "00081090", to.text),
)
# Laterality (PS3.3 section C.7.3.1.1.1) as SNOMED CT
LATERALITIES = {
    "L": {"system": "http://snomed.info/sct", "code": "419161000", "display": "Unilateral left"},
    "R": {"system": "http://snomed.info/sct", "code": "419465000", "display": "Unilateral right"},
    "B": {"system": "http://snomed.info/sct", "code": "51440002", "display": "Bilateral"},
}
