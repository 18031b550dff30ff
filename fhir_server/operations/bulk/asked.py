"""What an export is asked for (https://hl7.org/fhir/uv/bulkdata/STU2/export.html#query-parameters)."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl

import msgspec

from fhir_server.codec.json import decode
from fhir_server.codec.references import parse_reference
from fhir_server.codec.summary import require_elements
from fhir_server.core.errors import error
from fhir_server.core.ports import Caller
from fhir_server.core.query import Clause
from fhir_server.interactions.access.scoped import is_now
from fhir_server.interactions.environment import Environment
from fhir_server.interactions.operation import Call
from fhir_server.interactions.read import current
from fhir_server.interactions.request import Request
from fhir_server.interactions.required import require
from fhir_server.search.dates import date_range
from fhir_server.search.parse.results import RESULTS

FORMATS = ("application/fhir+ndjson", "application/ndjson", "ndjson")
PARAMETERS = ("_outputFormat", "_since", "_type", "_elements", "_typeFilter", "patient", "includeAssociatedData",
              "_deidentify")  # fmt: skip
LEVELS = {"": "system", "Patient": "patient", "Group": "group"}


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """One export: level is system | patient | group; patients: ids, () for all; since in microseconds, 0 for ever.

    filters: type -> searches of which one must find a resource; deidentify: "", shift or year (see $de-identify).
    """

    level: str
    types: tuple[str, ...]
    patients: tuple[str, ...] = ()
    since: int = 0
    elements: tuple[str, ...] = ()
    filters: dict[str, tuple[str, ...]] = {}
    deidentify: str = ""


async def asked_of(environment: Environment, call: Call) -> Asked:
    """What a call asks for; FhirError where it can't be given."""
    format = str(call.parameters.one("_outputFormat") or FORMATS[0]).replace(" ", "+")
    if format not in FORMATS:
        raise error("value", f"_outputFormat must be one of {', '.join(FORMATS)}.", location="_outputFormat")
    lenient = call.request.lenient
    if call.parameters.all("includeAssociatedData") and not lenient:
        raise error("unsupported-parameter", "includeAssociatedData is not supported; leave it out.")
    level = LEVELS[call.type]
    types = _types(environment, call, level)
    elements = tuple(call.parameters.texts("_elements"))
    for name in elements:
        if name.count(".") > 1 or ("." in name and not environment.definitions.is_resource(name.partition(".")[0])):
            raise error("value", f"_elements takes elements at the root, not '{name[:80]}'.", location="_elements")
    if elements and not lenient:
        require_elements(elements, types, environment.definitions)
    if level != "system":
        for type in {*types} - {"Patient", "Provenance"}:  # whose the others are is told by what they refer to
            require_clear(environment, type, environment.searching.compartment(type, ("Patient", "-")))
    return Asked(
        level=level,
        types=types,
        patients=await _patients(environment, call, level),
        since=_since(call),
        elements=elements,
        filters=await type_filters(environment, call, types),
        deidentify=_deidentify(call),
    )


def _types(environment: Environment, call: Call, level: str) -> tuple[str, ...]:
    definitions = environment.definitions
    members = definitions.compartments["Patient"].members
    allowed = [
        type
        for type in definitions.resource_types
        if level == "system" or members.get(type) or type in ("Patient", "Provenance")
    ]
    caller: Caller = call.request.caller
    named = tuple(dict.fromkeys(call.parameters.texts("_type")))
    if not named:
        return tuple(type for type in allowed if caller.may is None or caller.may("s", type))
    found = []
    for type in named:
        if not definitions.is_resource(type):
            problem = f"_type names '{type[:80]}', which is no resource type."
        elif type not in allowed:
            problem = f"_type names {type}, which is in no patient's compartment; export it with /$export."
        else:
            require(caller, "s", type)
            found.append(type)
            continue
        if not call.request.lenient:
            raise error("value", problem, location="_type")
    return tuple(found)


def _deidentify(call: Call) -> str:
    wanted = str(call.parameters.one("_deidentify") or "")
    if wanted not in ("", "shift", "year"):
        raise error("value", f"_deidentify must be shift or year, not '{wanted[:40]}'.", location="_deidentify")
    return wanted


def _since(call: Call) -> int:
    text = call.parameters.one("_since")
    if not text:
        return 0
    span = date_range(str(text).replace(" ", "+"))
    if span is None:
        raise error("value", f"_since must be an instant, not '{str(text)[:40]}'.", location="_since")
    return span[0]


async def _patients(environment: Environment, call: Call, level: str) -> tuple[str, ...]:
    """The ids of the patients that the level and the parameter `patient` leave."""
    chosen = [_patient_id(value, call.request.base) for value in call.parameters.all("patient")]
    if chosen and level == "system":
        raise error("value", "patient may stand with Patient/$export and Group/[id]/$export only.", location="patient")
    members = await _members(environment, call) if level == "group" else []
    for id in chosen:
        version = await environment.store.read("Patient", id)
        if version is None or version.deleted or (level == "group" and id not in members):
            where = f"in Group/{call.id}" if level == "group" else "here"
            raise error("value", f"There is no Patient/{id[:70]} {where}.", location="patient")
    if level == "group":
        # "-" is nobody's id: a group without patients exports nobody, and () would be everybody
        return tuple(dict.fromkeys(chosen or members)) or ("-",)
    return tuple(dict.fromkeys(chosen))


async def _members(environment: Environment, call: Call) -> list[str]:
    """The patients of this server that are in the group now, or in a group that is in it; FhirError for one that is not
    here."""
    now = environment.clock()
    found: dict[str, None] = {}
    groups = [call.id]  # grows while it is walked
    for id in groups:
        group = decode((await current(environment, call.request, "Group", id)).body)
        for member in group.get("member", ()):
            local = parse_reference(member.get("entity", {}).get("reference", ""))
            if local is None or member.get("inactive") or not is_now(member.get("period", {}), now):
                continue
            if local.type == "Patient":
                found[local.id] = None
            elif local.type == "Group" and local.id not in groups:
                groups.append(local.id)
    return list(found)


def _patient_id(value: Any, base: str) -> str:
    text = value.get("reference", "") if isinstance(value, dict) else str(value)
    local = parse_reference(text, base)
    if local is not None and local.type == "Patient":
        return local.id
    raise error("value", f"patient must be a reference such as Patient/1, not '{text[:80]}'.", location="patient")


async def type_filters(environment: Environment, call: Call, types: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """The searches of _typeFilter by type, each of one of these types."""
    found: dict[str, tuple[str, ...]] = {}
    for value in call.parameters.all("_typeFilter"):
        for text in _split(str(value)):
            type, mark, search = text.partition("?")
            if not mark or type not in types:
                raise error(
                    "value",
                    f"_typeFilter must be a search such as Observation?category=laboratory of a type that _type names, "
                    f"not '{text[:80]}'.",
                    location="_typeFilter",
                )
            asked = search_of(type, search)
            for name, _ in asked.query:
                if name.partition(":")[0] in RESULTS:
                    raise error(
                        "value",
                        f"{name[:40]} says how results are shown, which no search of _typeFilter may: leave it out.",
                        location="_typeFilter",
                    )
            require_clear(environment, type, (await environment.searching.query(type, asked)).where)
            found[type] = (*found.get(type, ()), search)
    return found


def require_clear(environment: Environment, type: str, where: Clause) -> None:
    """FhirError "forbidden" where what is asked of a type goes by what is hidden from the caller."""
    masks = environment.seen_by.masks
    if masks is not None:
        masks.require_clear((type,), where)


def search_of(type: str, search: str) -> Request:
    """The search of a filter as a request."""
    return Request("GET", (type,), parse_qsl(search, keep_blank_values=True))


def _split(text: str) -> list[str]:
    """At commas that part searches: what follows such a comma begins with a type and a question mark."""
    parts: list[str] = []
    for part in text.split(","):
        if parts and "?" not in part:
            parts[-1] += f",{part}"
        else:
            parts.append(part)
    return parts
