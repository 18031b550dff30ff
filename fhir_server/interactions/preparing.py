"""What every write does before it reaches the store: check the resource, encode it, extract its search values."""

from __future__ import annotations

from typing import Any, NamedTuple

from fhir_server.codec.canonical import Draft, draft
from fhir_server.codec.json import decode
from fhir_server.codec.references import parse_reference, references
from fhir_server.core.errors import FhirError, Issue, error
from fhir_server.core.keys import ID_PATTERN, StoredVersion
from fhir_server.core.ports import Transaction, Write
from fhir_server.core.values import SearchValue
from fhir_server.interactions.environment import Environment
from fhir_server.interactions.followers.parameter_resources import issues_of


class Prepared(NamedTuple):
    """A resource ready to be stored under any id and version."""

    environment: Environment
    draft: Draft
    values: list[SearchValue]
    position: int  # of the search parameters that the values were extracted by
    warnings: list[Issue]
    targets: list[tuple[str, str, str]]  # path, type, id of local references, where integrity is asked for


def body_of(request_type: str, resource: dict[str, Any] | None) -> dict[str, Any]:
    """The resource of a request, which must be of the type in the URL."""
    if resource is None:
        raise error("required", f"The request needs a {request_type} resource as its body.")
    found = resource.get("resourceType")
    if found != request_type:
        raise error(
            "invalid",
            f"The URL is of {request_type}, the body of {found or 'no resourceType'}; make them the same.",
            expression="resourceType" if not isinstance(found, str) else f"{found}.resourceType",
        )
    return resource


def id_of(id: str) -> str:
    """A logical id from a URL."""
    if not ID_PATTERN.match(id):
        raise error("value", f"'{id[:80]}' can't be an id: use 1 to 64 of A-Z, a-z, 0-9, '-' and '.'.", location="id")
    return id


def prepare(environment: Environment, resource: dict[str, Any]) -> Prepared:
    """Checks and encodes; FhirError "unprocessable" with every issue where R4's rules are broken."""
    warnings = environment.checked(resource)
    if resource["resourceType"] == "SearchParameter":
        refuse_invalid(issues_of(resource, environment.definitions))
    targets = _targets(resource) if environment.settings.referential_integrity else []
    searching = environment.searching
    return Prepared(environment, draft(resource), searching.extract(resource), searching.position, warnings, targets)


def _targets(resource: dict[str, Any]) -> list[tuple[str, str, str]]:
    found = []
    for path, text in references(resource):
        local = parse_reference(text)
        if local is not None:
            found.append((path, local.type, local.id))
    return found


async def store(
    transaction: Transaction, prepared: Prepared, type: str, id: str, version: int, method: str, fresh: bool = False
) -> StoredVersion:
    """Puts a prepared resource as this version, now; fresh: under an id that was made for it."""
    if version > 1:
        require_changeable(prepared.environment, type)
    for path, target_type, target_id in prepared.targets:
        target = await transaction.read(target_type, target_id)
        if (target is None or target.deleted) and (target_type, target_id) != (type, id):
            raise error(
                "integrity",
                f"{path} refers to {target_type}/{target_id}, which is not here; store that first.",
                expression=path,
            )
    updated = transaction.now()
    body = prepared.draft.body(id, version, updated)
    values = prepared.values
    if await transaction.newest("SearchParameter") != prepared.position:
        values = (await prepared.environment.searching_in(transaction)).extract(decode(body))
    return await transaction.put(Write(type, id, version, updated, method, body, values, fresh))


def require_changeable(environment: Environment, type: str) -> None:
    """FhirError "forbidden" for an AuditEvent that is stored, where an audit log is kept: it stays as it is."""
    if type == "AuditEvent" and environment.audit is not None:
        raise error("forbidden", "An AuditEvent stays as it was stored; store another that says what is wrong.")


def refuse_invalid(issues: list[Issue]) -> None:
    """Raises where an issue is an error."""
    if any(issue.severity in ("error", "fatal") for issue in issues):
        raise FhirError("unprocessable", issues)
