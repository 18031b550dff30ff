"""App state of SMART apps: Basic resources whose code the policies give to a client, and the rules for them.

https://hl7.org/fhir/smart-app-launch/STU2.2/app-state.html. Whose they are is part of what a caller may see
(access/callers.py); here is what they may say, and that changing them takes If-Match. Every other Basic is a resource
as any, and so are they to a client with scopes of the system, which is no app of a user.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from fhir_server.codec.json import decode, serialize
from fhir_server.codec.references import parse_reference
from fhir_server.core.errors import error
from fhir_server.core.keys import StoredVersion
from fhir_server.core.query import NOTHING, Clause, Not
from fhir_server.core.query import Any as AnyOf
from fhir_server.interactions.request import Request

TYPE = "Basic"
LARGEST = 256 * 1024  # bytes as JSON
SUBJECTS = ("Patient", "Practitioner", "PractitionerRole", "RelatedPerson", "Person")
EXTENSION = frozenset({"id", "url", "valueString"})


class StateOf(NamedTuple):
    """Of apps' state: the codes, what has one, what of it a caller may query, and what modify.

    https://hl7.org/fhir/smart-app-launch/STU2.2/app-state.html#security-and-access-controls
    """

    codes: frozenset[str] = frozenset()
    whole: Clause = NOTHING
    queried: Clause = NOTHING
    modified: Clause = NOTHING

    def limit(self, interaction: str) -> Clause | None:
        """What holds for Basic resources of an interaction; None where there is no state."""
        return AnyOf((Not(self.whole), self.queried if interaction in "rs" else self.modified)) if self.codes else None


def is_state(codes: frozenset[str], resource: dict[str, Any]) -> bool:
    """Whether a resource has one of these codes, each `system|code`, or `system|` for all of a system."""
    if resource.get("resourceType") != TYPE:
        return False
    stated = [f"{coding.get('system', '')}|{coding.get('code', '')}" for coding in _codings(resource)]
    return any(code in codes or f"{code.partition('|')[0]}|" in codes for code in stated)


def take(request: Request) -> None:
    """Looks at what a request would store; FhirError where it is app state that breaks a rule.

    Its subject may be an absolute reference to this server: it becomes a relative one, which is found the same way.
    """
    resource, codes = request.resource, request.caller.app_state
    if not codes or resource is None or request.method not in ("POST", "PUT") or not is_state(codes, resource):
        return
    if len(serialize(resource)) > LARGEST:
        raise error("too-large", f"App state may have {LARGEST:,} bytes; keep less in it, or several of them.")
    if len(_codings(resource)) != 1:
        raise error("unprocessable", "App state has exactly one coding.", expression="Basic.code.coding")
    for each in resource.get("extension", ()):
        if not isinstance(each, dict) or not each.keys() <= EXTENSION or "valueString" not in each:
            raise error("unprocessable", "App state has extensions with a valueString only.",
                        expression="Basic.extension")  # fmt: skip
    subject = resource.get("subject")
    if subject is not None:
        text = subject.get("reference", "") if isinstance(subject, dict) else ""
        local = parse_reference(text, request.base) if isinstance(text, str) else None
        if local is None or local.type not in SUBJECTS:
            named = ", ".join(SUBJECTS)
            raise error("unprocessable", f"The subject of app state is a reference to a {named} of this server.",
                        expression="Basic.subject.reference")  # fmt: skip
        subject["reference"] = f"{local.type}/{local.id}"


def require_condition(request: Request, head: StoredVersion | None) -> None:
    """FhirError "precondition" for a change of app state that doesn't say of which version, or of what it is."""
    codes = request.caller.app_state
    if not codes or (head is not None and head.type != TYPE):
        return
    old = decode(head.body) if head is not None and head.body else {}
    new = request.resource if request.method == "PUT" and request.resource is not None else {}
    if not is_state(codes, old) and not is_state(codes, new):
        return
    if request.method == "PATCH":
        raise error("not-supported", "App state is replaced by PUT; a patch can't change it.", headers={"Allow": "PUT"})
    if not request.if_match:
        raise error("precondition", "App state is changed with If-Match and the ETag of its newest version.",
                    location="header:If-Match")  # fmt: skip
    if old and new and (_about(old) != _about(new)):
        raise error("precondition", "App state keeps its code and its subject; create another for others.")


def _codings(resource: dict[str, Any]) -> list[dict[str, Any]]:
    code = resource.get("code")
    listed = code.get("coding") if isinstance(code, dict) else None
    return [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []


def _about(resource: dict[str, Any]) -> tuple[Any, str]:
    codings = [(each.get("system"), each.get("code")) for each in _codings(resource)]
    return codings, resource.get("subject", {}).get("reference", "")
