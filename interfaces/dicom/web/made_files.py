"""Files of PS3.10 made of metadata and the bulk data that it refers to (PS3.18 section 10.5), without copying this."""

from __future__ import annotations

import base64
import io
import secrets
import struct
from collections.abc import Iterator
from typing import Any

from fhir_server.core.errors import FhirError, error
from interfaces.dicom.dataset.encoding import CHARACTER_SET, UTF_8
from interfaces.dicom.dataset.model import Model
from interfaces.dicom.dataset.syntaxes import EXPLICIT_LITTLE, FRAME_TYPES, UNCOMPRESSED
from interfaces.dicom.dataset.vrs import BULK, NUMBERS
from interfaces.dicom.services.identifiers import ascii_only
from interfaces.dicom.web.bulk_parts import BulkParts, BulkValue
from interfaces.dicom.web.exchange import reason

PIXELS = "7FE00010"
LARGEST_LOADED = 64 * 2**20  # bytes of a value that stands in memory as it is no binary one
NUMBER = struct.Struct("<I")
Piece = bytes | memoryview


def file_of(model: Model, bulk: BulkParts) -> list[Piece]:
    """A file in pieces, the large ones as they lie in the bulk data; FhirError where the two make none."""
    return _Making(model, bulk).pieces()


class _Making:
    """The data set is written with a mark in place of each binary value; the values are put there while it is read."""

    def __init__(self, model: Model, bulk: BulkParts) -> None:
        self._model = _in_utf_8(model)
        self._bulk = bulk
        self._mark = secrets.token_bytes(12)
        self._marked: list[memoryview] = []

    def pieces(self) -> list[Piece]:
        try:
            return list(self._spliced(self._written()))
        except FhirError:
            raise
        except Exception as problem:  # pydicom raises what it likes over values of the wrong kind
            raise error("malformed", f"The metadata makes no data set: {reason(problem)}.") from problem

    def _written(self) -> bytes:
        from pydicom.dataset import Dataset, FileMetaDataset
        from pydicom.encaps import encapsulate
        from pydicom.uid import UID

        model = self._model
        referred = model.get(PIXELS, {}).get("BulkDataURI")
        pixels = self._bulk.value(referred) if referred else None
        syntax = _syntax(pixels.type) if pixels else EXPLICIT_LITTLE
        stated = (model.pop("00083002", {}).get("Value") or [""])[0]
        if syntax == EXPLICIT_LITTLE and stated not in ("", *UNCOMPRESSED):
            syntax = stated
        frames = pixels.pieces if pixels and syntax in FRAME_TYPES else None
        made = Dataset.from_json(
            {tag: value for tag, value in model.items() if not (tag.startswith("0002") or (frames and tag == PIXELS))},
            bulk_data_uri_handler=self._load,
        )
        if frames:
            made.add_new(int(PIXELS, 16), "OB", encapsulate([self._put(each) for each in frames], has_bot=False))
            made["PixelData"].is_undefined_length = True
        elif "PixelData" in made and syntax in FRAME_TYPES:
            made.PixelData = encapsulate([made.PixelData])
            made["PixelData"].is_undefined_length = True
        self._leave_open(made)
        meta = FileMetaDataset()
        meta.TransferSyntaxUID = UID(syntax)
        meta.MediaStorageSOPClassUID = made.get("SOPClassUID", "")
        meta.MediaStorageSOPInstanceUID = made.get("SOPInstanceUID", "")
        made.file_meta = meta
        buffer = io.BytesIO()
        made.save_as(buffer, enforce_file_format=False, implicit_vr=False, little_endian=True)
        content = buffer.getvalue()
        return content if content[128:132] == b"DICM" else b"\0" * 128 + b"DICM" + content

    def _load(self, tag: str, vr: str, uri: str) -> Any:
        """What stands for a value that a URI names."""
        found: BulkValue | None = self._bulk.value(uri)
        if found is None:
            raise error("required", f"The metadata refers to {uri[:200]}, and no part has this Content-Location.")
        value = found.whole
        if vr in BULK:
            return self._put(value)
        if len(value) > LARGEST_LOADED:
            told = f"{tag} of VR {vr} has more than {LARGEST_LOADED // 2**20} MiB; only binary values may."
            raise error("too-large", told)
        return [each for (each,) in struct.iter_unpack(f"<{NUMBERS[vr]}", value)] if vr in NUMBERS else bytes(value)

    def _put(self, value: memoryview) -> bytes:
        self._marked.append(value)
        return self._mark + NUMBER.pack(len(self._marked) - 1)

    def _leave_open(self, data_set: Any) -> bool:
        """Has sequences around marks end by delimiters, as their lengths are not known; whether there is a mark."""
        found = False
        for element in data_set:
            if element.VR == "SQ":
                for item in element.value:
                    if self._leave_open(item):
                        item.is_undefined_length_sequence_item = element.is_undefined_length = found = True
            else:
                found |= isinstance(element.value, bytes) and self._mark in element.value
        return found

    def _spliced(self, content: bytes) -> Iterator[Piece]:
        """Each mark has its length in the four bytes before it, and its number in those behind."""
        piece, *following = content.split(self._mark)
        for after in following:
            value = self._marked[NUMBER.unpack_from(after)[0]]
            odd = len(value) % 2
            yield piece[: -NUMBER.size] + NUMBER.pack(len(value) + odd)
            yield value
            piece = b"\0" * odd + after[NUMBER.size :]
        yield piece


def _in_utf_8(model: Model) -> Model:
    """A model with the one character set that all of its texts can be written in, whichever it names (PS3.18 section
    F.2): they come as Unicode."""
    made, named = _checked(model), model.get(CHARACTER_SET)
    if not ascii_only(made):
        return {**made, CHARACTER_SET: UTF_8}
    return {**made, CHARACTER_SET: named} if named else made


def _checked(model: Model) -> Model:
    """A model without character sets; FhirError "malformed" for what is no attribute of one."""
    made: Model = {}
    for tag, value in model.items():
        if not isinstance(value, dict) or not isinstance(value.get("vr"), str):
            raise error("malformed", f"The metadata makes no data set: {tag[:20]} has no vr.")
        if "InlineBinary" in value:
            try:
                base64.b64decode(value["InlineBinary"], validate=True)
            except (ValueError, TypeError) as problem:
                raise error("malformed", f"The InlineBinary of {tag[:20]} is no base64.") from problem
        items = value.get("Value")
        if value["vr"] == "SQ" and isinstance(items, list):
            value = {**value, "Value": [_checked(item) if isinstance(item, dict) else item for item in items]}
        if tag != CHARACTER_SET:
            made[tag] = value
    return made


def _syntax(content_type: str) -> str:
    """The transfer syntax of a part of bulk data."""
    for part in content_type.split(";")[1:]:
        name, _, value = part.strip().partition("=")
        if name.lower() == "transfer-syntax":
            return value.strip('"')
    type = content_type.split(";")[0].strip().lower()
    return next((uid for uid, each in FRAME_TYPES.items() if each == type), EXPLICIT_LITTLE)
