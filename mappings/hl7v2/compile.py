"""Compiles HL7's v2-to-FHIR tables (CSV) to one file: `python -m mappings.hl7v2.compile [FOLDER]`.

FOLDER is the `mappings` folder of https://github.com/HL7/v2-to-fhir; without it the copy in source/ is read. What
becomes of each row is decided when the tables are loaded, so that a site's tables are read by the same code.
"""

from __future__ import annotations

import csv
import importlib
import io
import re
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import zstandard

HERE = Path(__file__).parent
SOURCE = HERE / "source" / "v2-to-fhir.tar.zst"
TARGET = HERE / "tables.msgpack.zst"
# Structures of the standard that HL7's tables lack and ours map; taken from hl7apy's tables of 2.8.2 or the last that
# has them.
OWN_STRUCTURES = (
    "ADT_A20", "ADT_A30", "ADT_A38", "ADT_A39", "ADT_A43", "ADT_A45", "ADT_A60",
    "OML_O33", "OML_O35", "ORU_R30", "OUL_R21", "OUL_R22", "OUL_R23", "OUL_R24",
    "OMP_O09", "RDE_O11", "RDS_O13", "RAS_O17", "MDM_T01", "DFT_P03", "DFT_P11", "BAR_P01", "BAR_P02", "BAR_P12",
    "PPR_PC1", "REF_I12", "ORL_O22", "ORR_O02", "ORG_O20", "MFN_M02", "MFN_M05",
)  # fmt: skip
PAIRS = ("ADT_A24", "ADT_A37")  # of patients, of whom the standard's tables make no group
# Groups that orders of imaging add IPC (OMI_O23) or ZDS (IHE Radiology, RAD TF-2 section 4.4) to.
IMAGING = (("OML_O21", "ORDER", "OBSERVATION_REQUEST"), ("ORM_O01", "ORDER", "ORDER_DETAIL"))
VERSIONS = ("2_8_2", "2_8_1", "2_8", "2_7", "2_6", "2_5_1", "2_5", "2_4", "2_3_1", "2_3")


def read_folder(folder: Path) -> Iterator[tuple[str, str, str]]:
    """(kind, name, text) of each CSV; kind is messages, segments, datatypes or codesystems."""
    for path in sorted(folder.glob("*/*.csv")):
        yield path.parent.name, path.name, path.read_text("utf-8-sig")


def read_archive(path: Path) -> Iterator[tuple[str, str, str]]:
    """The same of the archive in source/."""
    raw = zstandard.ZstdDecompressor().stream_reader(path.open("rb")).read()
    with tarfile.open(fileobj=io.BytesIO(raw)) as archive:
        for member in sorted(archive.getmembers(), key=lambda one: one.name):
            found = archive.extractfile(member) if member.name.endswith(".csv") else None
            if found and member.name.count("/"):
                kind, name = member.name.split("/")[-2:]
                yield kind, name, found.read().decode("utf-8-sig")


def compile_tables(files: Iterator[tuple[str, str, str]]) -> dict[str, Any]:
    """{"messages": {name: {"structure", "rows"}}, "maps": {name: rows}, "codes": {table: {code: entry}}}

    An entry of a code is [code, display, system].

    A row of a map is [source, condition, target, map, vocabulary, assignment, comment]; of a message
    [path, condition, target, map, references, narrative].
    """
    messages: dict[str, Any] = {}
    maps: dict[str, Any] = {}
    codes: dict[str, Any] = {}
    for kind, file_name, text in files:
        found = re.search(r"(?:R4_|Map_) (.+?) - ", file_name)
        if not found:
            continue
        name = found[1]
        rows = [[cell.strip() for cell in row] + [""] * 20 for row in csv.reader(io.StringIO(text))][2:]
        if kind == "messages":
            messages[name] = {"structure": _structure(rows), "rows": _message_rows(rows)}
        elif kind in ("segments", "datatypes"):
            maps[name] = _map_rows(rows)
        elif kind == "codesystems":
            codes[name] = {
                row[0]: [row[6], row[8], row[9]] for row in rows if row[0] and row[6] and not row[6].startswith("#")
            }
    messages["ADT_A17"] = _swap(messages["ADT_A17"])
    messages["ORM_O01"] = _grouped("ORM_O01", messages["ORM_O01"])
    messages["SIU_S12"]["structure"].insert(2, ["TQ1", 0, -1])  # since v2.5
    for name, *groups in IMAGING:
        children = messages[name]["structure"]
        for group in groups:
            children = next(child[3] for child in children if child[0] == group)
        children += [["IPC", 0, -1], ["ZDS", 0, 1]]
    for name in OWN_STRUCTURES:
        messages.setdefault(name, {"structure": _standard(name), "rows": []})
    for name in PAIRS:
        messages.setdefault(name, {"structure": _each_patient(_standard(name)), "rows": []})
    return {"messages": messages, "maps": maps, "codes": codes}


def _map_rows(rows: list[list[str]]) -> list[list[str]]:
    return [
        [row[1], _one_line(row[6]), _one_line(row[9] or row[10]), row[14], row[15], _one_line(row[16]), row[8]]
        for row in rows
        if (row[9] or row[10]) and not row[9].startswith("/")
    ]


def _message_rows(rows: list[list[str]]) -> list[list[str]]:
    return [
        [row[1].partition(".")[2], _one_line(row[6]), row[9], row[10], _one_line(row[11]), row[8]]
        for row in rows
        if row[9] and row[10] and row[1]
    ]


def _structure(rows: list[list[str]]) -> list[Any]:
    """The tree that the marks "--- NAME begin" and "--- NAME end" make."""
    root: list[Any] = []
    open_groups: list[list[Any]] = [root]
    for row in rows:
        path, name, least, most = row[1], row[3], row[4], row[5]
        if "begin" in name and "---" in name:
            group: list[Any] = [path.rpartition(".")[2], int(least or 0), int(most or 1), []]
            open_groups[-1].append(group)
            open_groups.append(group[3])
        elif "end" in name and "---" in name:
            if len(open_groups) > 1:
                open_groups.pop()
        elif re.fullmatch(r"[A-Z][A-Z0-9]{2}", segment := path.rpartition(".")[2]):
            siblings = open_groups[-1]
            if not siblings or siblings[-1][0] != segment:
                siblings.append([segment, int(least or 0), int(most or 1)])
    return root


def _swap(table: dict[str, Any]) -> dict[str, Any]:
    """ADT_A17 states its patients one after the other without a group; here each is one, by the rows of the first."""
    patient = [["PID", 1, 1], ["PD1", 0, 1], ["PV1", 1, 1], ["PV2", 0, 1], ["DB1", 0, -1]]
    observation = ["OBSERVATION", 0, -1, [["OBX", 1, 1], ["PRT", 0, -1]]]
    structure = [["MSH", 1, 1], ["SFT", 0, -1], ["EVN", 1, 1], ["PATIENT", 1, -1, [*patient, observation]]]
    rows: dict[tuple[str, ...], list[str]] = {}
    for row in table["rows"]:
        moved = [row[0] if row[0] in ("MSH", "SFT", "EVN") else f"PATIENT.{row[0]}", *row[1:]]
        rows.setdefault((moved[0], moved[1], moved[3]), moved)
    return {"structure": structure, "rows": list(rows.values())}


def _each_patient(structure: list[Any]) -> list[Any]:
    """A structure that states its patients one after the other, with a group for each."""
    first, second = [at for at, child in enumerate(structure) if child[0] == "PID"]
    return [*structure[:first], ["PATIENT", 1, -1, structure[first:second]]]


def _grouped(name: str, table: dict[str, Any]) -> dict[str, Any]:
    """ORM_O01 marks no groups; its rows by the groups of the standard."""
    structure = _standard(name)
    places = list(_places(structure))
    for row in table["rows"]:
        parents, _, segment = row[0].rpartition(".")
        fitting = [place for place in places if place.rpartition(".")[2] == segment]
        row[0] = max(fitting, key=lambda place: len(set(place.split(".")) & set(parents.split("."))))
    return {"structure": structure, "rows": table["rows"]}


def _places(children: list[Any], path: str = "") -> Iterator[str]:
    for child in children:
        here = f"{path}.{child[0]}" if path else child[0]
        if len(child) > 3:
            yield from _places(child[3], here)
        else:
            yield here


def _standard(name: str) -> list[Any]:
    for version in VERSIONS:
        messages = importlib.import_module(f"hl7apy.v{version}.messages").MESSAGES
        if name in messages:
            return _children(messages[name], name + "_")
    raise SystemExit(f"no version of the standard has {name}")


def _children(sequence: Any, prefix: str) -> list[Any]:
    return [
        [child.removeprefix(prefix), *cardinality, *([_children(reference, prefix)] if kind == "GRP" else [])]
        for child, reference, cardinality, kind in sequence[1]
    ]


def _one_line(text: str) -> str:
    return " ".join(text.split())


def main() -> None:
    """Writes the file."""
    files = read_folder(Path(sys.argv[1])) if len(sys.argv) > 1 else read_archive(SOURCE)
    packed = zstandard.compress(msgspec.msgpack.encode(compile_tables(files)), 19)
    TARGET.write_bytes(packed)
    print(f"{TARGET.name}: {len(packed):,} bytes", file=sys.stderr)


if __name__ == "__main__":
    main()
