"""A Unified Procedure Step of an order, made of its item of the Modality Worklist (PS3.4 table CC.2.5-3)."""

from __future__ import annotations

import hashlib
from typing import Any

from mappings.dicom.engine import Model

STEP = "00400100"
# what the step has of the item as it is, and what stands in its Referenced Request Sequence
SAME = ("00100010", "00100020", "00100021", "00100030", "00100040", "00380010", "0020000D")
REQUEST = ("0020000D", "00080050", "00080090", "00321060", "00321064", "00401001", "00402016", "00402017")
PRIORITIES = {"STAT": "HIGH", "HIGH": "HIGH", "MEDIUM": "MEDIUM"}


def step_uid(order: str) -> str:
    """The UID of an order's step, always the same; order: its reference."""
    digest = hashlib.sha256(f"step of {order}".encode()).digest()
    return f"2.25.{int.from_bytes(digest[:16], 'big')}"


def step_of(item: Model, otherwise: str) -> Model:
    """The attributes of the step; otherwise: when it begins (DT) where the order does not say."""
    scheduled: Model = item[STEP]["Value"][0]
    date, time = (_text(scheduled, tag) for tag in ("00400002", "00400003"))
    return {
        **{tag: item[tag] for tag in SAME if tag in item},
        "00404005": _value("DT", date + time if date else otherwise),
        "00404018": scheduled["00400008"],
        "00404041": _value("CS", "READY"),
        "0040A370": {"vr": "SQ", "Value": [{tag: item[tag] for tag in REQUEST if tag in item}]},
        "00741000": _value("CS", "SCHEDULED"),
        "00741200": _value("CS", PRIORITIES.get(_text(item, "00401003"), "MEDIUM")),
        "00741204": _value("LO", _text(scheduled, "00400007") or "Imaging"),
    }


def _text(model: Model, tag: str) -> str:
    return (model.get(tag, {}).get("Value") or [""])[0]


def _value(vr: str, value: str) -> dict[str, Any]:
    return {"vr": vr, "Value": [value]}
