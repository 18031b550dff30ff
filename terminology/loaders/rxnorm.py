"""RxNorm, from its release in RRF (https://www.nlm.nih.gov/research/umls/rxnorm/docs/techdoc.html).

Properties as https://hl7.org/fhir/R4/rxnorm.html names them: TTY, STY, SAB, and the relationships by their RELA, such
as has_ingredient; NDC codes under NDC. The hierarchy is that of the relationship isa.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from fhir_server.core.errors import error
from terminology.loaders.loader import Loader, Options, Plan, Stage
from terminology.loaders.source import Files
from terminology.model import INACTIVE, Designation, Property, Record, SystemInfo

URL = "http://www.nlm.nih.gov/research/umls/rxnorm"
_CONCEPTS = ("RXCUI", "LAT", "TS", "LUI", "STT", "SUI", "ISPREF", "RXAUI", "SAUI", "SCUI", "SDUI", "SAB", "TTY", "CODE",
             "STR", "SRL", "SUPPRESS", "CVF")  # fmt: skip
_RELATIONS = ("RXCUI1", "RXAUI1", "STYPE1", "REL", "RXCUI2", "RXAUI2", "STYPE2", "RELA", "RUI", "SRUI", "SAB", "SL",
              "DIR", "RG", "SUPPRESS", "CVF")  # fmt: skip
_ATTRIBUTES = ("RXCUI", "LUI", "SUI", "RXAUI", "STYPE", "CODE", "ATUI", "SATUI", "ATN", "SAB", "ATV", "SUPPRESS", "CVF")
_TYPES = ("RXCUI", "TUI", "STN", "STY", "ATUI", "CVF")
_OTHER_NAMES = ("SY", "TMSY", "PSN", "ET")  # term types that name a concept which has its own
_KEPT_ATTRIBUTES = ("NDC", "RXN_STRENGTH", "RXN_AVAILABLE_STRENGTH", "RXN_QUANTITY", "RXN_HUMAN_DRUG", "RXN_VET_DRUG")
_SUPPRESSED = ("O", "E", "Y")

Row = dict[str, str]


def _rows(files: Files, file: str, columns: tuple[str, ...], required: bool = True) -> Iterator[Row]:
    for name in files.find(file, required):
        for number, line in enumerate(files.lines(name), 1):
            fields = line.split("|")[:-1]
            if len(fields) != len(columns):
                reason = f"has {len(fields)} fields, not {len(columns)}"
                raise error("unprocessable", f"{file}, line {number}, {reason}: it has not the layout of RRF.")
            yield dict(zip(columns, fields, strict=True))


def _own(files: Files) -> Iterator[Row]:
    return (row for row in _rows(files, "RXNCONSO.RRF", _CONCEPTS) if row["SAB"] == "RXNORM")


def concepts(files: Files) -> Iterator[Record]:
    """A concept for each identifier, by RxNorm's own name for it."""
    seen: set[int] = set()
    for row in _own(files):
        number = int(row["RXCUI"])
        if row["TTY"] in _OTHER_NAMES or number in seen:
            continue
        seen.add(number)
        suppressed = row["SUPPRESS"] in _SUPPRESSED
        properties = (Property("TTY", "code", row["TTY"]), Property("SAB", "code", "RXNORM"))
        yield Record(row["RXCUI"], row["STR"], flags=INACTIVE if suppressed else 0, properties=properties)


def names(files: Files) -> Iterator[tuple[str, Designation]]:
    """The synonyms, and the names that prescribers see."""
    for row in _own(files):
        if row["TTY"] in _OTHER_NAMES:
            use = {"system": "http://www.nlm.nih.gov/research/umls/rxnorm#TTY", "code": row["TTY"]}
            yield row["RXCUI"], Designation(row["STR"], "en", use)


def sources(files: Files) -> Iterator[tuple[str, Property]]:
    """The other sources that have a concept."""
    for row in _rows(files, "RXNCONSO.RRF", _CONCEPTS):
        if row["SAB"] != "RXNORM":
            yield row["RXCUI"], Property("SAB", "code", row["SAB"])


def types(files: Files) -> Iterator[tuple[str, Property]]:
    """The semantic types."""
    for row in _rows(files, "RXNSTY.RRF", _TYPES, required=False):
        yield row["RXCUI"], Property("STY", "string", row["STY"])
        yield row["RXCUI"], Property("STY", "code", row["TUI"])


def attributes(files: Files) -> Iterator[tuple[str, Property]]:
    """NDC codes, strengths and the like."""
    for row in _rows(files, "RXNSAT.RRF", _ATTRIBUTES, required=False):
        if row["ATN"] in _KEPT_ATTRIBUTES and row["SUPPRESS"] not in _SUPPRESSED:
            yield row["RXCUI"], Property(row["ATN"], "string", row["ATV"])


def _relations(files: Files) -> Iterator[Row]:
    for row in _rows(files, "RXNREL.RRF", _RELATIONS, required=False):
        if row["RXCUI1"] and row["RXCUI2"] and row["RELA"] and row["SUPPRESS"] not in _SUPPRESSED:
            yield row


def relations(files: Files) -> Iterator[tuple[str, Property]]:
    """RRF says of the second concept that it has the relation to the first."""
    for row in _relations(files):
        yield row["RXCUI2"], Property(row["RELA"], "code", row["RXCUI1"])


def parents(files: Files) -> Iterator[tuple[str, str]]:
    """The hierarchy."""
    return ((row["RXCUI2"], row["RXCUI1"]) for row in _relations(files) if row["RELA"] == "isa")


def plan(source: Path, options: Options) -> Plan:
    """source: the zip of the release, or its folder rrf."""
    files = Files(source)
    next(_rows(files, "RXNCONSO.RRF", _CONCEPTS), None)
    info = SystemInfo(URL, options.get("version", ""), "RxNorm")
    stages = (
        Stage("concepts", "records", lambda: concepts(files)),
        Stage("names", "designations", lambda: names(files)),
        Stage("sources", "properties", lambda: sources(files)),
        Stage("semantic types", "properties", lambda: types(files)),
        Stage("attributes", "properties", lambda: attributes(files)),
        Stage("relations", "properties", lambda: relations(files)),
        Stage("parents", "parents", lambda: parents(files)),
    )
    return Plan(info, stages)


LOADER = Loader(
    "rxnorm", "RxNorm", "the zip of RxNorm's full or prescribable release, or its folder rrf",
    {"version": "the version, such as 01052026"}, plan,
)  # fmt: skip
