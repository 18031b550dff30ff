"""The CapabilityStatement, generated from what is registered (https://hl7.org/fhir/R4/capabilitystatement.html)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from fhir_server.codec.json import serialize
from fhir_server.core.errors import error
from fhir_server.core.keys import instant
from fhir_server.definitions import Definitions, SearchParameter
from fhir_server.interactions.access.policy_parameters import URL as OF_POLICIES
from fhir_server.interactions.environment import Environment
from fhir_server.interactions.operation import OperationHandler
from fhir_server.interactions.request import Request, Response
from fhir_server.search.fields import Fields
from terminology import terminology_capabilities

INTERACTIONS = (
    "read", "vread", "update", "patch", "delete", "history-instance", "history-type", "create", "search-type",
)  # fmt: skip
CHANGING = ("update", "patch", "delete")
SYSTEM_INTERACTIONS = ("transaction", "batch", "search-system", "history-system")
MODES = ("full", "normative", "terminology")
BULK_DATA = "http://hl7.org/fhir/uv/bulkdata/CapabilityStatement/bulk-data"
FORMATS = ["application/fhir+json", "application/fhir+xml", "json", "xml"]
PATCH_FORMATS = [
    "application/json-patch+json",
    "application/xml-patch+xml",
    "application/merge-patch+json",
    "application/fhir+json",
    "application/fhir+xml",
]
KEPT = 8  # statements, each of half a megabyte: whoever asks chooses the base URL
ANY_TYPE = 100  # targets; a parameter with so many may refer to anything
ASKED_OF_ANY = ("Provenance:target", "AuditEvent:entity", "List:item", "Task:focus")  # the rest of those is not listed
VERSION = "0.1.0"
SERVICE = "http://terminology.hl7.org/CodeSystem/restful-security-service"
OAUTH_URIS = "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris"


async def capabilities(environment: Environment, request: Request) -> Response:
    """GET /metadata; made once for each state of search parameters and profiles and base URL, then kept as bytes.

    It is made beside the event loop: all profiles of newly installed packages are read for it.
    """
    mode = next((value for name, value in request.query if name == "mode"), "full")
    if mode not in MODES:
        raise error("value", f"mode must be one of {', '.join(MODES)}, not '{mode[:40]}'.", location="mode")
    if mode == "terminology":
        if environment.terminology is None:
            raise error("not-supported", "This server has no terminology service.")
        return Response(200, body=serialize(terminology_capabilities(environment.terminology, request.base)))
    definitions = environment.searching.definitions
    key = (id(definitions), environment.checker.generation(), request.base)
    body = environment.kept.get(key)
    if body is None:
        if len(environment.kept) >= KEPT:
            environment.kept.clear()
        body = await asyncio.to_thread(lambda: serialize(statement(environment, definitions, request.base)))
        environment.kept[key] = body
    return Response(200, body=body, kept=True)


# Search parameters of every type that R4 has no SearchParameter of.
WITHOUT_DEFINITION = (
    {"name": "_filter", "type": "special", "documentation": "https://hl7.org/fhir/R4/search_filter.html"},
    {"name": "_has", "type": "special", "documentation": "Reverse chaining: _has:Type:reference:parameter=value."},
    {"name": "_list", "type": "special", "documentation": "The id of a List."},
    {"name": "_type", "type": "token", "documentation": "Types of resources, in a search across types."},
)


def statement(environment: Environment, definitions: Definitions, base: str) -> dict[str, Any]:
    """The whole statement as FHIR JSON."""
    settings = environment.settings
    operations = [handler for handlers in environment.operations.values() for handler in handlers if not handler.hidden]
    fields = environment.searching.fields
    revincludes = _revincludes(definitions, fields)
    profiles = environment.checker.supported_profiles()
    rest: dict[str, Any] = {
        "mode": "server",
        "security": _security(environment, base),
        "resource": [
            _resource(environment, definitions, type, operations, revincludes.get(type, []), profiles.get(type, ()))
            for type in definitions.resource_types
        ],
        "interaction": [{"code": code} for code in SYSTEM_INTERACTIONS],
        "searchParam": [
            *(_search_parameter(p) for p in definitions.search_parameters("Resource").values() if _used(p)),
            *WITHOUT_DEFINITION,
        ],
        "operation": [_operation(h) for h in operations if h.system],
        "compartment": [
            f"http://hl7.org/fhir/CompartmentDefinition/{code[0].lower()}{code[1:]}"
            for code in sorted(definitions.compartments)
        ],
    }
    found = {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": instant(environment.started),
        "publisher": "Ultimate HMS",
        "kind": "instance",
        "instantiates": [BULK_DATA],
        "software": {"name": "Ultimate HMS", "version": VERSION},
        "implementation": {"description": settings.server_name, "url": base},
        "fhirVersion": definitions.version,
        "format": FORMATS,
        "patchFormat": PATCH_FORMATS,
        "rest": [rest],
    }
    for claim in environment.claims:
        claim(found, base)
    return found


def _security(environment: Environment, base: str) -> dict[str, Any]:
    """Where tokens come from (https://hl7.org/fhir/smart-app-launch/STU2.2/conformance.html)."""
    if environment.settings.security == "open":
        return {"cors": True, "description": "This server is open: whoever reaches it may do everything."}
    issuer = base.removesuffix("/fhir")
    endpoints = {name: f"{issuer}/auth/{name}" for name in ("authorize", "token", "introspect", "revoke")}
    endpoints["manage"] = f"{issuer}/auth/account"
    if environment.settings.dynamic_registration:
        endpoints["register"] = f"{issuer}/auth/register"
    return {
        "cors": True,
        "service": [{"coding": [{"system": SERVICE, "code": "SMART-on-FHIR"}], "text": "SMART App Launch 2.2"}],
        "extension": [
            {"url": OAUTH_URIS, "extension": [{"url": name, "valueUri": uri} for name, uri in endpoints.items()]}
        ],
    }


def _resource(
    environment: Environment,
    definitions: Definitions,
    type: str,
    operations: list[OperationHandler],
    revincludes: list[str],
    profiles: Sequence[str],
) -> dict[str, Any]:
    settings = environment.settings
    parameters = definitions.search_parameters(type)
    kept = type == "AuditEvent" and environment.audit is not None  # as it was stored
    found: dict[str, Any] = {
        "type": type,
        "profile": f"http://hl7.org/fhir/StructureDefinition/{type}",
        "supportedProfile": [*profiles],
        "interaction": [{"code": code} for code in INTERACTIONS if not (kept and code in CHANGING)],
        "versioning": "versioned-update",
        "readHistory": True,
        "updateCreate": settings.update_as_create and not kept,
        "conditionalCreate": True,
        "conditionalRead": "full-support",
        "conditionalUpdate": not kept,
        "conditionalDelete": "not-supported" if kept else settings.conditional_delete,
        "referencePolicy": ["literal", "logical", *(["enforced"] if settings.referential_integrity else [])],
        "searchInclude": ["*", *(f"{type}:{p.code}" for p in parameters.values() if p.type == "reference")],
        "searchRevInclude": revincludes,
        "searchParam": [_search_parameter(p) for p in parameters.values() if _used(p)],
    }
    mine = [h for h in operations if (h.type or h.instance) and (not h.types or type in h.types)]
    if mine:
        found["operation"] = [_operation(h) for h in mine]
    return {name: value for name, value in found.items() if value != []}


def _used(parameter: SearchParameter) -> bool:
    """Neither _query, as there are no named queries, nor what policies need."""
    return parameter.code != "_query" and not parameter.url.startswith(OF_POLICIES)


def _search_parameter(parameter: SearchParameter) -> dict[str, Any]:
    return {"name": parameter.code, "definition": parameter.url, "type": parameter.type}


def _operation(handler: OperationHandler) -> dict[str, Any]:
    url = handler.definition.url if handler.definition else handler.url or f"urn:hms:operation:{handler.code}"
    return {"name": handler.code, "definition": url}


def _revincludes(definitions: Definitions, fields: Fields) -> dict[str, list[str]]:
    """Type -> the "Source:parameter" that may refer to it; of those that may refer to any type few are listed."""
    found: dict[str, list[str]] = {}
    for source in definitions.resource_types:
        for code, parameter in fields.of(source).parameters.items():
            name = f"{source}:{code}"
            if len(parameter.targets) < ANY_TYPE or name in ASKED_OF_ANY:
                for target in parameter.targets:
                    found.setdefault(target, []).append(name)
    return found
