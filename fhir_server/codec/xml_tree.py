"""XML from outside as a tree, for what works on nodes; nothing but the document itself is read."""

from __future__ import annotations

from typing import Any
from xml.parsers import expat

from lxml import etree  # pyright: ignore[reportAttributeAccessIssue]

from fhir_server.core.errors import FhirError, error

_SAFE = {"resolve_entities": False, "no_network": True, "load_dtd": False, "dtd_validation": False, "huge_tree": False}


def parse_tree(data: bytes | str) -> Any:
    """The root element. FhirError malformed, with the line: not XML, not UTF-8, a DOCTYPE, nested too deep."""
    if isinstance(data, str):
        data = data.encode()
    checker = expat.ParserCreate("utf-8")
    checker.StartDoctypeDeclHandler = _refuse_doctype
    try:
        checker.Parse(data, True)
        return etree.fromstring(data, etree.XMLParser(encoding="utf-8", **_SAFE))  # pyright: ignore[reportArgumentType]
    except expat.ExpatError as cause:
        raise _not_xml(str(cause)) from None
    except etree.XMLSyntaxError as cause:
        raise _not_xml(str(cause)) from None


def _refuse_doctype(*_: object) -> None:
    raise error("malformed", "The XML has a DOCTYPE; leave it out: DTDs and entities are not read.")


def _not_xml(reason: str) -> FhirError:
    return error("malformed", f"The document is not XML in UTF-8: {reason}.")
