"""Whose a Subscription is that was stored within a patient's record: a tag says so, which the server alone writes.

It is for the application, the person and the patient together, as headers of its channel may be secrets of the
application. Whoever stores it anew has made it theirs: from outside of a patient's record the tag goes.
"""

from __future__ import annotations

import hashlib
from typing import Any

from fhir_server.core.query import Clause, TokenIn

TYPE = "Subscription"
SYSTEM = "urn:hms:subscription:within-patient"


def mark(client: str, user: str, patient: str) -> str:
    """What the Subscriptions of an application and a person have that they store within a patient's record."""
    return hashlib.sha256("\n".join((client, user, patient)).encode()).hexdigest()[:32]


def marked_with(code: str) -> Clause:
    """Those that have a mark."""
    return TokenIn(("_tag",), ((SYSTEM, code),))


def marked(resource: dict[str, Any], code: str) -> dict[str, Any]:
    """The Subscription with this mark and no other, "" for none."""
    meta = resource.get("meta")
    tags = meta.get("tag") if isinstance(meta, dict) else None
    tags = tags if isinstance(tags, list) else []
    others = [tag for tag in tags if not (isinstance(tag, dict) and tag.get("system") == SYSTEM)]
    found = [*others, *([{"system": SYSTEM, "code": code}] if code else [])]
    if found == tags:
        return resource
    changed = {name: value for name, value in (meta or {}).items() if name != "tag"}
    return {**resource, "meta": {**changed, "tag": found} if found else changed}
