"""Instances as they leave the archive: chosen by UIDs, with coerced attributes, in a syntax that the receiver takes."""

from __future__ import annotations

import io
import json
from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from interfaces.dicom.archive.files import Torn
from interfaces.dicom.archive.index import Condition, Row, Rows, Selection, one_of
from interfaces.dicom.archive.levels import IMAGE, LEVELS, PATIENT, SERIES, STUDY
from interfaces.dicom.archive.lost import is_whole, torn
from interfaces.dicom.archive.matching import as_text, asked
from interfaces.dicom.archive.query import attributes_of
from interfaces.dicom.dataset.model import Model
from interfaces.dicom.dataset.syntaxes import EXPLICIT_BIG, EXPLICIT_LITTLE, UNCOMPRESSED
from interfaces.dicom.dataset.syntaxes import syntax as syntax_of
from interfaces.dicom.dataset.turning import turn

if TYPE_CHECKING:
    from interfaces.dicom.archive.archive import Archive

UNIQUE = {
    "00100020": (PATIENT, "patient_id"),
    "0020000D": (STUDY, "uid"),
    "0020000E": (SERIES, "uid"),
    "00080018": (IMAGE, "uid"),
}


def chosen(index: Rows, keys: Model) -> list[Row]:
    """The instances that unique keys name, each one UID or a list; [] where no unique key has a value, and of studies
    in quarantine, which nobody finds either."""
    named: dict[str, list[str]] = {}
    for tag in UNIQUE:
        key = keys.get(tag)
        if key and asked(key):
            named[tag] = [as_text(value) for value in key["Value"] if value is not None]
    return instances(index, named) if named else []


def instances(index: Rows, named: Mapping[str, str | list[str]], *, held: bool = False) -> list[Row]:
    """The instances of unique keys, each a value or a list, in the order of study, series and number.

    held: those of quarantined studies too.
    """
    conditions = tuple(
        Condition(*UNIQUE[tag], (one_of([wanted] if isinstance(wanted, str) else wanted),))
        for tag, wanted in named.items()
    )
    return list(index.select(Selection(IMAGE, conditions, held, "number")))


def patients_of(rows: Iterable[Row]) -> set[str]:
    """References of the Patients that instances are of, as far as FHIR has said so."""
    return {row["fhir_patient"] for row in rows} - {""}


def studies_of(rows: Iterable[Row]) -> str:
    """The UIDs of the studies that instances are of, with commas between."""
    return ",".join(dict.fromkeys(row["study_uid"] for row in rows))


def attributes(row: Row) -> Model:
    """All that the index keeps of an instance."""
    return attributes_of(row, LEVELS)


def file_of(archive: Archive, row: Row) -> bytes:
    """The file of an instance; Torn where it is not whole."""
    try:
        content = archive.files.read(row["digest"])
    except (FileNotFoundError, Torn) as problem:
        raise torn(archive, row) from problem
    if len(content) != row["size"]:
        raise torn(archive, row)
    return content


def data_set(archive: Archive, row: Row, accepted: Collection[str] = ()) -> Any:
    """An instance as a pydicom data set, coerced; uncompressed and little endian where the receiver does not take its
    syntax.

    Torn where its file is not whole; ValueError or RuntimeError where it would have to be uncompressed and can't.
    """
    from pydicom import dcmread
    from pydicom.dataset import Dataset
    from pydicom.uid import UID

    path = archive.files.local(row["digest"])
    if path is not None and not is_whole(archive, row):
        raise torn(archive, row)
    read = dcmread(path if path is not None else io.BytesIO(file_of(archive, row)))
    syntax = row["transfer_syntax"]
    if accepted and syntax not in accepted and syntax == EXPLICIT_BIG:
        turn(read)
        read.file_meta.TransferSyntaxUID = UID(EXPLICIT_LITTLE)
    if row["coercion"]:
        read.update(Dataset.from_json(json.loads(row["coercion"])))
    if accepted and syntax not in accepted and syntax not in UNCOMPRESSED:
        read.decompress(generate_instance_uid=False)
        read.file_meta.TransferSyntaxUID = UID(EXPLICIT_LITTLE)
    return read


def encoded_as(archive: Archive, row: Row, transfer_syntax: str) -> bytes:
    """An instance's data set in its own syntax or in a native one of little endian.

    ValueError or RuntimeError where it can't be written so.
    """
    from pynetdicom.dsutils import encode

    how = syntax_of(transfer_syntax)
    made = encode(data_set(archive, row, {transfer_syntax}), how.implicit, not how.big, how.deflated)
    if made is None:
        raise ValueError("its values can't be written")
    return made


def encoded(archive: Archive, row: Row, accepted: Collection[str] = ()) -> bytes:
    """An instance as a file of PS3.10; the stored bytes where nothing of them has to change."""
    if not row["coercion"] and (not accepted or row["transfer_syntax"] in accepted):
        return file_of(archive, row)
    from pydicom.uid import UID

    made = data_set(archive, row, accepted)
    buffer = io.BytesIO()
    if accepted and made.file_meta.TransferSyntaxUID not in accepted:
        made.file_meta.TransferSyntaxUID = UID(EXPLICIT_LITTLE)
    made.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()
