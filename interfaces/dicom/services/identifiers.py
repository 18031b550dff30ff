"""Identifiers of queries: from bytes to keys, and from attributes to what is answered."""

from __future__ import annotations

import warnings
from typing import Any

from interfaces.dicom.dataset.model import BulkUri, Model, text, to_model
from interfaces.dicom.dataset.walk import DataSet, Malformed

LEVEL = "00080052"
CHARACTER_SET = "00080005"


def keys_of(event: Any) -> Model:
    """The keys of a request's identifier; Malformed where it is no data set."""
    return model_of(event, event.request.Identifier, "no identifier")


def model_of(event: Any, encoded: Any, missing: str, bulk: BulkUri | None = None) -> Model:
    """A data set of a request as a model; Malformed where it is none, and for the reason missing where none came.

    bulk: what is said of large binary values, which are left out without it.
    """
    if encoded is None:
        raise Malformed(missing)
    return to_model(DataSet(encoded.getvalue(), str(event.context.transfer_syntax)), bulk=bulk)


def level_of(keys: Model) -> str:
    """The Query/Retrieve Level."""
    return text(keys, LEVEL).upper()


def answer(model: Model, keys: Model) -> Model:
    """What is answered of a match: the attributes that were asked for, and the character set that was asked in."""
    made = {tag: _of(model, tag, key) for tag, key in keys.items() if tag not in (CHARACTER_SET, LEVEL)}
    if CHARACTER_SET in keys:
        made[CHARACTER_SET] = keys[CHARACTER_SET]
    return made


def data_set_of(model: Model) -> Any:
    """A model as a pydicom data set, with a character set where it needs one."""
    from pydicom.dataset import Dataset

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # values that senders gave are given back, valid or not
        made = Dataset.from_json(model)
        if not ascii_only(model):
            made.SpecificCharacterSet = "ISO_IR 192"
    return made


def _of(model: Model, tag: str, key: dict[str, Any]) -> dict[str, Any]:
    found = model.get(tag)
    if found is None or "InlineBinary" in found or (key["vr"] == "SQ") != (found["vr"] == "SQ"):
        return {"vr": key["vr"]}
    if key["vr"] != "SQ" or not key.get("Value") or not key["Value"][0] or "Value" not in found:
        return found
    item = key["Value"][0]
    return {
        "vr": "SQ",
        "Value": [{tag: _of(each, tag, inner) for tag, inner in item.items()} for each in found["Value"]],
    }


def ascii_only(value: Any) -> bool:
    """Whether a model can be written without a character set."""
    if isinstance(value, dict):
        return all(ascii_only(each) for each in value.values())
    if isinstance(value, list):
        return all(ascii_only(each) for each in value)
    return not isinstance(value, str) or value.isascii()
