"""URIs, and the forms that those which say that they are an OID or a UUID have (RFC 3986, RFC 3001, RFC 4122)."""

from __future__ import annotations

import re

is_absolute = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:\S").match

OID, UUID = "urn:oid:", "urn:uuid:"
FORMS = {  # of a URI that begins so
    OID: re.compile(r"urn:oid:[0-2](\.(0|[1-9][0-9]*))+").fullmatch,
    UUID: re.compile(r"urn:uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE).fullmatch,
}
