"""An ImagingStudy and what belongs to it, of the attributes that the archive keeps of a study."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from mappings.dicom.conversions import RFC_3986, URN_DCM_UID, display, moment, oid
from mappings.dicom.engine import Model, apply
from mappings.dicom.identifiers import accession_identifier, patient_identifier
from mappings.dicom.tables import DEVICE, INSTANCE, LATERALITIES, PATIENT, REQUESTED, SERIES, STUDY

WADO_RS = {"system": "http://terminology.hl7.org/CodeSystem/endpoint-connection-type", "code": "dicom-wado-rs"}


class SeriesModel(NamedTuple):
    """A series: its attributes, and its instances' attributes in order."""

    attributes: Model
    instances: Sequence[Model]


def patient_resource(patient: Model) -> dict[str, Any]:
    """A Patient of the patient module."""
    made: dict[str, Any] = {"resourceType": "Patient"}
    patient_id = first(patient, "00100020")
    if patient_id:
        made["identifier"] = [patient_identifier(patient_id, first(patient, "00100021"))]
    return apply(PATIENT, patient, made)


def imaging_study(
    study: Model, series: Sequence[SeriesModel], *, subject: str, endpoint: str, based_on: Sequence[str], issuer: str
) -> dict[str, Any]:
    """The ImagingStudy of a study; subject, endpoint and based_on are references."""
    made: dict[str, Any] = {
        "resourceType": "ImagingStudy",
        "identifier": [{"system": URN_DCM_UID, "value": oid(first(study, "0020000D"))}],
        "status": "available",
        "subject": {"reference": subject},
    }
    accession = first(study, "00080050")
    if accession:
        made["identifier"].append(accession_identifier(accession, issuer))
    started = moment(study, "00080020", "00080030")
    if started:
        made["started"] = started
    if based_on:
        made["basedOn"] = [{"reference": reference} for reference in based_on]
    if endpoint:
        made["endpoint"] = [{"reference": endpoint}]
    apply(STUDY, {**_requested(series), **study}, made)
    made["numberOfSeries"] = len(series)
    made["numberOfInstances"] = sum(len(each.instances) for each in series)
    made["series"] = [_series(each, study) for each in series]
    return made


def _requested(series: Sequence[SeriesModel]) -> Model:
    """What the requests of a study say of it, each once (Request Attributes Sequence, PS3.3 table 10-9)."""
    made: Model = {}
    requests = [item for each in series for item in each.attributes.get("00400275", {}).get("Value", ())]
    for item in (each for each in requests if isinstance(each, dict)):
        for tag in REQUESTED & item.keys():
            values = made.setdefault(tag, {"vr": item[tag]["vr"], "Value": []})["Value"]
            values += [value for value in item[tag].get("Value", ()) if value not in values]
    return made


def _series(series: SeriesModel, study: Model) -> dict[str, Any]:
    made = apply(SERIES, series.attributes, {})
    made.setdefault("modality", {"system": "http://dicom.nema.org/resources/ontology/DCM", "code": "OT"})
    laterality = LATERALITIES.get(first(series.attributes, "00200060"))
    if laterality:
        made["laterality"] = laterality
    started = moment({**study, **series.attributes}, "00080021", "00080031")
    if started:
        made["started"] = started
    if performers := list(_performers(series.attributes)):
        made["performer"] = [{"actor": actor} for actor in performers]
    made["numberOfInstances"] = len(series.instances)
    made["instance"] = [_instance(each) for each in series.instances]
    return made


def _performers(series: Model) -> Iterator[dict[str, str]]:
    """Who performed a series: its performing physicians and its operators, each once."""
    known = list[dict[str, str]]()
    for tag in ("00081050", "00081070"):
        for name in series.get(tag, {}).get("Value") or ():
            actor = display([name], {}) if name else None
            if actor and actor not in known:
                known.append(actor)
                yield actor


def _instance(instance: Model) -> dict[str, Any]:
    made = apply(INSTANCE, instance, {})
    made["sopClass"] = {"system": RFC_3986, "code": oid(first(instance, "00080016"))}
    return made


def endpoint_resource(base: str) -> dict[str, Any]:
    """The Endpoint of this archive's WADO-RS."""
    return {
        "resourceType": "Endpoint",
        "identifier": [{"system": "urn:ultimate-hms:endpoint", "value": "dicom-web"}],
        "status": "active",
        "connectionType": WADO_RS,
        "name": "DICOMweb",
        "payloadType": [{"text": "DICOM"}],
        "payloadMimeType": ["application/dicom", "application/dicom+json", "image/jpeg", "image/png"],
        "address": base,
    }


def device_resource(series: Model) -> dict[str, Any] | None:
    """The Device of the general equipment module; None where nothing names it."""
    title, serial, station = (first(series, tag) for tag in ("00081090", "00181000", "00081010"))
    name = station or title
    if not name:
        return None
    key = "|".join((first(series, "00080070"), title, serial, station))
    made: dict[str, Any] = {
        "resourceType": "Device",
        "identifier": [{"system": "urn:ultimate-hms:dicom-equipment", "value": key}],
        "deviceName": [{"name": name, "type": "user-friendly-name"}],
    }
    return apply(DEVICE, series, made)


def first(model: Model, tag: str) -> str:
    """The first value as text, "" for none."""
    values = model.get(tag, {}).get("Value")
    return "" if not values or values[0] is None else str(values[0])
