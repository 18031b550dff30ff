"""ISO 4217 currencies, from the list of its maintenance agency (https://www.six-group.com: list-one.xml)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from lxml import etree  # pyright: ignore[reportAttributeAccessIssue]

from fhir_server.core.errors import error
from terminology.loaders.loader import Loader, Options, Plan, Stage
from terminology.model import Property, Record, SystemInfo

URL = "urn:iso:std:iso:4217"


def _root(source: Path) -> etree._Element:
    try:
        root = etree.parse(source, etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=False)).getroot()
    except etree.XMLSyntaxError as failure:
        raise error("unprocessable", f"{source.name} is not XML: {failure.msg}.") from None
    if root.tag != "ISO_4217":
        raise error("unprocessable", f"{source.name} is not the list of ISO 4217: its root is <{root.tag}>.")
    return root


def records(source: Path) -> Iterator[Record]:
    """One concept for each currency, with its number, its decimals, and the places where it is used."""
    rows: dict[str, etree._Element] = {}
    places: dict[str, list[str]] = {}
    for entry in _root(source).iter("CcyNtry"):
        code = entry.findtext("Ccy")
        if code:
            rows.setdefault(code, entry)
            places.setdefault(code, []).append(entry.findtext("CtryNm", "").strip())
    for code, entry in sorted(rows.items()):
        found = [Property("numeric", "code", entry.findtext("CcyNbr", ""))]
        decimals = entry.findtext("CcyMnrUnts", "")
        if decimals.isdecimal():
            found.append(Property("decimals", "integer", int(decimals)))
        found += [Property("country", "string", place) for place in dict.fromkeys(places[code])]
        yield Record(code, entry.findtext("CcyNm", "").strip(), properties=tuple(found))


def plan(source: Path, options: Options) -> Plan:
    """The version is the list's date of publication."""
    info = SystemInfo(URL, _root(source).get("Pblshd", ""), "ISO 4217 currency codes")
    return Plan(info, (Stage("currencies", "records", lambda: records(source)),))


LOADER = Loader("currencies", "ISO 4217 currencies", "the XML list of current currencies (list-one.xml)", {}, plan)
