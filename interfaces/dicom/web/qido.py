"""QIDO-RS: searches for studies, series and instances (PS3.18 section 10.6)."""

from __future__ import annotations

import difflib
from itertools import islice
from typing import Any

from fhir_server.core.errors import error
from interfaces.dicom.archive.levels import IMAGE, SERIES, STUDY
from interfaces.dicom.archive.matching import wrong
from interfaces.dicom.archive.query import COUNTED, Match, compared_at, find
from interfaces.dicom.dataset.model import Model, name_groups, text
from interfaces.dicom.dataset.vrs import keyword_of, tag_of, vr_of
from interfaces.dicom.web.accept import chosen
from interfaces.dicom.web.exchange import DICOM_JSON, WebAnswer, WebRequest, json_answer
from interfaces.dicom.web.multipart import related
from interfaces.dicom.web.native import native

DICOM_XML = "application/dicom+xml"
MORE = "There are more results; ask for them with offset."
MOST = 5000  # matches of an answer; more are had with offset
# what is always given (PS3.18 tables 10.6.3-3 to 10.6.3-5)
_ALWAYS = {
    STUDY: """00080005 00080020 00080030 00080050 00080056 00080061 00080090 00080201 00081190 00100010 00100020
        00100021 00100030 00100040 0020000D 00200010 00201206 00201208 00081030""",
    SERIES: """00080005 00080056 00080060 00080201 0008103E 00081190 0020000E 00200011 00201209 00400244 00400245
        00400275 00080021 00080031""",
    IMAGE: """00080005 00080016 00080018 00080056 00080201 00081190 00200013 00280008 00280010 00280011 00280100""",
}
OTHERS = ("includefield", "limit", "offset", "fuzzymatching", "accept", "charset")


def search(request: WebRequest) -> WebAnswer:
    """Answers a search; 204 where nothing matches."""
    *above, kind = request.path
    type, _ = chosen(request.accept(), (DICOM_JSON, "application/json", DICOM_XML))
    level = {"studies": STUDY, "series": SERIES, "instances": IMAGE}[kind]
    keys, wanted, everything = keys_of_query(request)
    fuzzy = request.parameter("fuzzymatching").lower()
    if fuzzy not in ("", "true", "false"):
        raise error("value", f"fuzzymatching is true or false, not {fuzzy[:20]}.")
    ignored = [tag for tag in keys if not compared_at(level, tag)]
    names = dict(zip(above[::2], above[1::2], strict=True))
    for name, tag in (("studies", "0020000D"), ("series", "0020000E")):
        if name in names:
            keys[tag] = {"vr": "UI", "Value": [names[name]]}
    for tag in wanted:
        if tag in COUNTED:
            keys.setdefault(tag, {"vr": vr_of(int(tag, 16))})  # it is made for who asks
    limit = min(number(request, "limit", MOST), MOST)
    offset = number(request, "offset", 0)
    matches = find(
        request.archive.reading,
        level,
        keys,
        limit=-1 if request.visible else limit + 1,
        offset=0 if request.visible else offset,
        fuzzy=fuzzy == "true",
        ordered=True,
    )
    if request.visible:
        seen = request.visible
        matches = islice((match for match in matches if seen(match.row["fhir_study"])), offset, offset + limit + 1)
    shown = set(wanted) | set(keys) | _always(level, names)
    found = [_shown(request, match, level, None if everything else shown) for match in matches]
    headers = []
    if ignored:
        headers.append(
            ("warning", f'299 ultimate-hms "Not matched, as it is not kept to search by: {", ".join(ignored)}"')
        )
    if len(found) > limit:
        found.pop()
        headers.append(("warning", f'299 ultimate-hms "{MORE}"'))
    if not found:
        return WebAnswer(204, headers)
    if type == DICOM_XML:
        answer = related(DICOM_XML, (([("Content-Type", DICOM_XML)], native(model)) for model in found))
        return answer._replace(headers=[*answer.headers, *headers])
    return json_answer(found, 200, *headers, type=type)


def _always(level: str, names: dict[str, str]) -> set[str]:
    """What is given unasked: of the level, and of those above it that the path does not name."""
    tags = set(_ALWAYS[level].split())
    if level != STUDY:
        tags.add("0020000D")
        tags |= set() if "studies" in names else set(_ALWAYS[STUDY].split())
    if level == IMAGE:
        tags.add("0020000E")
        tags |= set() if "series" in names else {"00080060", "00200011"}
    return tags


def _shown(request: WebRequest, match: Match, level: str, tags: set[str] | None) -> Model:
    request.about.add(match.row["fhir_patient"])
    model = match.model
    url = f"{request.base}/studies/{match.row['study_uid']}"
    if level != STUDY:
        url += f"/series/{text(model, '0020000E')}"
    if level == IMAGE:
        url += f"/instances/{text(model, '00080018')}"
    model["00081190"] = {"vr": "UR", "Value": [url]}
    return {tag: model[tag] for tag in sorted(model) if tags is None or tag in tags}


def keys_of_query(request: WebRequest) -> tuple[Model, list[str], bool]:
    """The keys of the query, the fields to give beside them, and whether all are wanted."""
    keys: Model = {}
    fields: list[str] = []
    given: list[list[str]] = []
    everything = False
    for name, value in request.query:
        if name.lower() == "includefield":
            for field in value.split(","):
                if field.lower() == "all":
                    everything = True
                elif field:
                    fields.append(_path(field)[0])
        elif name.lower() not in OTHERS:
            path = _path(name)
            if path in given:
                raise error("value", f"{name[:80]} is there twice; several values are only possible in one list.")
            given.append(path)
            _put(keys, path, value)
    problem = wrong(keys)
    if problem:
        raise error("value", f"{problem}.")
    return keys, fields, everything


def _path(name: str) -> list[str]:
    """The tags of an attribute such as PatientName, 00100010 or ProcedureCodeSequence.CodeValue."""
    found = []
    for part in name.split("."):
        tag = tag_of(part)
        if tag is None:
            raise error("unsupported-parameter", f"There is no attribute or parameter {part[:80]}.{_near(part)}")
        found.append(f"{tag:08X}")
    return found


def _near(name: str) -> str:
    """What may have been meant by a name."""
    from pydicom.datadict import keyword_dict

    named = {known.lower(): known for known in (*keyword_dict, *OTHERS)}
    near = difflib.get_close_matches(name.lower(), named, 1, 0.6)
    return f" Did you mean {named[near[0]]}?" if near else " Name it by its keyword or its eight digits."


def _put(keys: Model, path: list[str], value: str) -> None:
    at: Any = keys
    for tag in path[:-1]:
        if vr_of(int(tag, 16)) not in ("SQ", "UN") or at.get(tag, {"vr": "SQ"})["vr"] != "SQ":
            raise error("value", f"{keyword_of(int(tag, 16)) or tag} is no sequence, and has no attribute within.")
        at = at.setdefault(tag, {"vr": "SQ"}).setdefault("Value", [{}])[0]
    tag = path[-1]
    vr = vr_of(int(tag, 16))
    if vr == "SQ" or at.get(tag, {}).get("vr") == "SQ":
        if value:
            named = keyword_of(int(tag, 16)) or tag
            raise error(
                "value", f"{named} is a sequence: name the attribute in it that is to match, as {named}.CodeValue."
            )
        at.setdefault(tag, {"vr": "SQ"})
        return
    values = value.replace("\\", ",").split(",") if vr in ("UI", "CS") else [value]
    if vr == "PN":
        at[tag] = {"vr": vr, "Value": [name_groups(each) or {"Alphabetic": ""} for each in values]}
    else:
        at[tag] = {"vr": vr, "Value": values} if value else {"vr": vr}


def number(request: WebRequest, name: str, default: int) -> int:
    """A parameter that is a whole number; FhirError "value" for another."""
    given = request.parameter(name)
    if not given:
        return default
    if not given.isdigit() or len(given) > 9:
        raise error("value", f"{name} must be a whole number, not {given[:40]}.")
    return int(given)
