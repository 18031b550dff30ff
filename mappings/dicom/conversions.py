"""Values of DICOM as data types of FHIR R4."""

from __future__ import annotations

import datetime
import re
from typing import Any
from urllib.parse import quote

Model = dict[str, dict[str, Any]]

DCM = "http://dicom.nema.org/resources/ontology/DCM"
URN_DCM_UID = "urn:dicom:uid"
RFC_3986 = "urn:ietf:rfc:3986"
# Coding Scheme Designator -> system (PS3.16 table 8-1)
SYSTEMS = {
    "DCM": DCM,
    "LN": "http://loinc.org",
    "SCT": "http://snomed.info/sct",
    "SRT": "http://snomed.info/srt",
    "SNM3": "http://snomed.info/srt",
    "99SDM": "http://snomed.info/srt",
    "UCUM": "http://unitsofmeasure.org",
    "RADLEX": "http://radlex.org",
    "ICD10": "http://hl7.org/fhir/sid/icd-10",
    "I10C": "http://hl7.org/fhir/sid/icd-10-cm",
    "I9C": "http://hl7.org/fhir/sid/icd-9-cm",
    "C4": "http://www.ama-assn.org/go/cpt",
    "CPT4": "http://www.ama-assn.org/go/cpt",
    "RXNORM": "http://www.nlm.nih.gov/research/umls/rxnorm",
}
# how a name is written, and the group of a PN that is so
REPRESENTATION = "http://hl7.org/fhir/StructureDefinition/iso21090-EN-representation"
REPRESENTATIONS = {"Alphabetic": "ABC", "Ideographic": "IDE", "Phonetic": "SYL"}
GENDERS = {"M": "male", "F": "female", "O": "other"}


def text(values: list[Any], model: Model) -> str:
    """The first value as text."""
    value = values[0]
    if isinstance(value, dict):
        return value.get("Alphabetic") or value.get("Ideographic") or value.get("Phonetic") or ""
    return str(value).strip()


def integer(values: list[Any], model: Model) -> int | None:
    """The first value where it is a whole number that FHIR's unsignedInt can hold."""
    value = values[0]
    return value if isinstance(value, int) and 0 <= value < 2**31 else None


def date(values: list[Any], model: Model) -> str | None:
    """A DA as a date."""
    return date_of(str(values[0]))


_DATE = re.compile(r"(\d{4})\.?(\d\d)\.?(\d\d)", re.ASCII)


def date_of(value: str) -> str | None:
    """YYYYMMDD, or YYYY.MM.DD of before, as YYYY-MM-DD; None where it is no date."""
    found = _DATE.fullmatch(value.strip())
    try:
        return datetime.date(*map(int, found.groups())).isoformat() if found else None
    except ValueError:
        return None


def moment(model: Model, date_tag: str, time_tag: str) -> str | None:
    """A DA and a TM as a dateTime, with the offset of the data set or UTC where there is a time; None for no date."""
    day = date_of(_value(model, date_tag))
    clock = re.match(r"(\d\d):?(\d\d)?:?(\d\d)?(\.\d+)?", _value(model, time_tag))
    if day is None or clock is None:
        return day
    hour, minute, second, fraction = clock.groups()
    if int(hour) > 23 or int(minute or 0) > 59:
        return day
    seconds = f"{min(int(second or 0), 59):02d}{(fraction or '')[:4]}"
    offset = re.fullmatch(r"([+-]\d\d)(\d\d)", _value(model, "00080201"))
    return f"{day}T{hour}:{minute or '00'}:{seconds}{f'{offset[1]}:{offset[2]}' if offset else 'Z'}"


_DATE_TIME = re.compile(r"(\d{4})(\d\d)?(\d\d)?(\d\d)?(\d\d)?(\d\d)?(?:\.(\d{1,6}))?([+-]\d{4})?")


def date_time(values: list[Any], model: Model) -> str | None:
    """A DT as a dateTime, with its own offset, that of the data set, or UTC; None where it is none."""
    found = _DATE_TIME.fullmatch(str(values[0]).strip())
    if not found:
        return None
    year, month, day, hour, minute, second, fraction, offset = found.groups()
    if not day:
        return f"{year}-{month}" if month and 1 <= int(month) <= 12 else None if month else year
    whole = {
        "00080020": {"Value": [f"{year}{month}{day}"]},
        "00080030": {"Value": [f"{hour or ''}{minute or ''}{second or ''}" + (f".{fraction}" if fraction else "")]},
        "00080201": {"Value": [offset or _value(model, "00080201")]},
    }
    return moment(whole, "00080020", "00080030")


def _value(model: Model, tag: str) -> str:
    values = model.get(tag, {}).get("Value") or [""]
    return str(values[0] or "")


def modality(values: list[Any], model: Model) -> dict[str, str]:
    """A modality as a Coding."""
    return {"system": DCM, "code": code_of(values[0])}


def modalities(values: list[Any], model: Model) -> list[dict[str, str]]:
    """Modalities as Codings."""
    return [{"system": DCM, "code": code_of(value)} for value in values]


def code_of(value: Any) -> str:
    """A text as a code of FHIR, which has single spaces inside only."""
    return " ".join(str(value).split())


def coding_of(item: Any) -> dict[str, str] | None:
    """An item of a code sequence (PS3.3 section 8) as a Coding; None for a text where a sequence belongs."""
    if not isinstance(item, dict):
        return None
    code = code_of(_value(item, "00080100") or _value(item, "00080119") or _value(item, "00080120"))
    if not code:
        return None
    scheme = _value(item, "00080102")
    made = {"code": code}
    if scheme:
        uid = _value(item, "0008010C")
        made = {
            "system": SYSTEMS.get(scheme)
            or (f"urn:oid:{uid}" if uid else f"urn:dicom:scheme:{quote(scheme, safe='')}"),
            **made,
        }
    meaning = _value(item, "00080104")
    return {**made, "display": meaning} if meaning else made


def codings(values: list[Any], model: Model) -> list[dict[str, str]]:
    """Items of a code sequence as Codings."""
    return [made for made in map(coding_of, values) if made]


def coding(values: list[Any], model: Model) -> dict[str, str] | None:
    """The first item of a code sequence as a Coding."""
    return next(iter(codings(values, model)), None)


def concepts(values: list[Any], model: Model) -> list[dict[str, Any]]:
    """Items of a code sequence as CodeableConcepts."""
    return [{"coding": [made]} for made in codings(values, model)]


def concept_texts(values: list[Any], model: Model) -> list[dict[str, Any]]:
    """Texts as CodeableConcepts."""
    return [{"text": said} for value in values if (said := text([value], model))]


def human_names(values: list[Any], model: Model) -> list[dict[str, Any]]:
    """A PN as HumanNames, one for each group of components (PS3.5 section 6.2.1), which several say each of its own."""
    made = []
    groups = values[0] if isinstance(values[0], dict) else {"Alphabetic": str(values[0])}
    for kind, group in ((kind, groups[kind]) for kind in REPRESENTATIONS if kind in groups):
        family, given, middle, prefix, suffix = (part.strip() for part in (group.split("^") + [""] * 5)[:5])
        name: dict[str, Any] = {}
        if family:
            name["family"] = family
        for element, parts in (("given", f"{given} {middle}".split()), ("prefix", [prefix]), ("suffix", [suffix])):
            if any(parts):
                name[element] = [part for part in parts if part]
        if name:
            if len(groups) > 1 or kind != "Alphabetic":
                name["extension"] = [{"url": REPRESENTATION, "valueCode": REPRESENTATIONS[kind]}]
            made.append(name)
    return made


def gender(values: list[Any], model: Model) -> str:
    """A Patient's Sex as an administrative gender."""
    return GENDERS.get(str(values[0]).upper(), "unknown")


def display(values: list[Any], model: Model) -> dict[str, str] | None:
    """A person's name as the display of a reference; None for a name without letters."""
    name = " ".join(text(values, model).replace("^", " ").split())
    return {"display": name} if name else None


def displays(values: list[Any], model: Model) -> list[dict[str, str]]:
    """Persons' names as the displays of references."""
    return [made for value in values if (made := display([value], model))]


def meaning(values: list[Any], model: Model) -> str | None:
    """What the first item of a code sequence means."""
    made = coding(values, model)
    return made.get("display") if made else None


def oid(uid: str) -> str:
    """A UID as the value of an identifier of urn:dicom:uid."""
    return f"urn:oid:{uid}"
