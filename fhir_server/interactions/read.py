"""read and vread (https://hl7.org/fhir/R4/http.html#read)."""

from __future__ import annotations

import re

from fhir_server.codec.references import LocalReference
from fhir_server.core.errors import error
from fhir_server.core.keys import StoredVersion
from fhir_server.interactions.access.contents import context_of
from fhir_server.interactions.audit import read_audit
from fhir_server.interactions.conditions import not_modified, require_unchanged
from fhir_server.interactions.environment import Environment
from fhir_server.interactions.preparing import id_of
from fhir_server.interactions.request import Request, Response

VERSION_ID = re.compile(r"[1-9][0-9]{0,14}")  # one of another form can't be ours


async def read(environment: Environment, request: Request, type: str, id: str) -> Response:
    """The current version of a resource; 410 where it is deleted, 304 where the caller has it already."""
    version = None
    if type == "AuditEvent" and environment.audit is not None:
        version = await read_audit(environment, request, id_of(id))
    version = version or await environment.store.read(type, id_of(id))
    if version is None:
        raise error("not-found", f"There is no {type}/{id} here.")
    if version.deleted:
        raise error(
            "deleted",
            f"{type}/{id} was deleted as version {version.version}; its history is at {type}/{id}/_history.",
            headers={"ETag": f'W/"{version.version}"'},
        )
    return await _given(environment, request, version)


async def vread(environment: Environment, request: Request, type: str, id: str, version_id: str) -> Response:
    """One version of a resource, be it the newest or not."""
    version = await _numbered(environment, type, id_of(id), version_id)
    if version is None:
        raise error("not-found", f"There is no version {version_id[:64]} of {type}/{id} here.")
    if version.deleted:
        raise error("deleted", f"Version {version_id} of {type}/{id} is its deletion.")
    return await _given(environment, request, version)


async def _numbered(environment: Environment, type: str, id: str, version_id: str) -> StoredVersion | None:
    if not VERSION_ID.fullmatch(version_id):
        return None
    return await environment.store.read_version(type, id, int(version_id))


async def referenced(environment: Environment, reference: LocalReference) -> StoredVersion | None:
    """What a reference names, in the version it says or as it is now; None where that is not there, or deleted."""
    if reference.version:
        version = await _numbered(environment, reference.type, reference.id, reference.version)
    else:
        version = await environment.store.read(reference.type, reference.id)
    return version if version is not None and not version.deleted else None


async def _given(environment: Environment, request: Request, version: StoredVersion) -> Response:
    """The version, or that the caller has it already, where it meets the request's conditions."""
    require_unchanged(request, version.type, version.id, version)
    if not_modified(request, version):
        return Response(304, version)
    response = Response(200, version, version.body)
    context = context_of(version, environment.searching.extract) if environment.audit is not None else None
    if context:
        response.instance = await environment.store.read(*context)
    return response


async def current(environment: Environment, request: Request, type: str, id: str) -> StoredVersion:
    """The current version for an operation on an instance, with the errors of a read."""
    version = (await read(environment, Request("GET", (type, id), caller=request.caller), type, id)).version
    assert version is not None
    return version
