"""The units and prefixes of UCUM, read from its own file.

`ucum-essence.xml.zst` is the UCUM organisation's file, byte for byte (compressed), because its licence (LICENSE.md)
allows copies of the whole and no altered ones; so the tables are made from it on first use, in a few milliseconds.
Copyright 1999-2024 Regenstrief Institute, Inc. Licensed under the UCUM License, Version 1.1
(https://unitsofmeasure.org/license), without warranties of any kind.
"""

from __future__ import annotations

import functools
import xml.etree.ElementTree as ElementTree
from fractions import Fraction
from importlib import resources
from typing import NamedTuple

import zstandard

_NAMESPACE = "{http://unitsofmeasure.org/ucum-essence}"


class Prefix(NamedTuple):
    """A prefix: its name (milli) and what it multiplies by."""

    name: str
    factor: Fraction


class Atom(NamedTuple):
    """A unit without prefix or exponent.

    name: in English; metric: whether prefixes may stand before it; arbitrary: converts to nothing but itself;
    factor and unit: what it is defined as, unit "" for a base unit; function: of a special unit (not on a ratio
    scale), "" for others; property: the kind of quantity.
    """

    code: str
    name: str
    property: str
    metric: bool
    arbitrary: bool
    factor: Fraction
    unit: str
    function: str


class Essence(NamedTuple):
    """The whole: the version of UCUM, its prefixes and its atoms by case-sensitive code."""

    version: str
    prefixes: dict[str, Prefix]
    atoms: dict[str, Atom]


def _text(element: ElementTree.Element, name: str) -> str:
    child = element.find(_NAMESPACE + name)
    return "".join(child.itertext()).strip() if child is not None else ""


def _atom(element: ElementTree.Element) -> Atom:
    value = element.find(_NAMESPACE + "value")
    factor, unit, function = Fraction(1), "", ""
    if value is not None:
        special = value.find(_NAMESPACE + "function")
        source = value if special is None else special
        factor, unit = Fraction(source.get("value", "1")), source.get("Unit", "1")
        function = "" if special is None else special.get("name", "")
    return Atom(
        code=element.get("Code", ""),
        name=_text(element, "name"),
        property=_text(element, "property"),
        metric=value is None or element.get("isMetric") == "yes",
        arbitrary=element.get("isArbitrary") == "yes",
        factor=factor,
        unit=unit,
        function=function,
    )


@functools.cache
def load() -> Essence:
    """The tables of UCUM, made once a process."""
    packed = resources.files("fhir_server.definitions.ucum").joinpath("ucum-essence.xml.zst").read_bytes()
    root = ElementTree.fromstring(zstandard.ZstdDecompressor().decompress(packed))
    prefixes = {}
    atoms = {}
    for element in root:
        kind = element.tag.removeprefix(_NAMESPACE)
        if kind == "prefix":
            value = element.find(_NAMESPACE + "value")
            assert value is not None
            prefixes[element.get("Code", "")] = Prefix(_text(element, "name"), Fraction(value.get("value", "1")))
        else:
            atoms[element.get("Code", "")] = _atom(element)
    return Essence(root.get("version", ""), prefixes, atoms)
