"""Messages that are about what others name in passing: master files of staff and of locations (MFN^M02, M05; HL7 v2.9,
chapter 8) and the status of a bed (ADT^A20; 3.3.20)."""

from __future__ import annotations

from mappings.hl7v2.drafting import Draft
from mappings.hl7v2.elements import Node
from mappings.hl7v2.tables import Tables

ABOUT = "about"  # the note of a resource that is kept as the message states it
NAMING = {
    "Location": ("NPU", "LOC", "MFE"),
    "Practitioner": ("STF", "MFE"),
}  # the segments that such messages name it by
FIELDS = {"NPU": "NPU-1", "LOC": "LOC-1", "STF": "STF-2", "MFE": "MFE-4"}


def finish_location(draft: Draft, node: Node, tables: Tables) -> None:
    """A location that the message is about is the most granular one of its path, and part of the next."""
    segments = [name for name in NAMING["Location"] if name in node.segments]
    if not segments:
        return
    node.notes[ABOUT] = True
    own = node.items.pop("partOf", None)
    if not isinstance(own, Node):
        draft.issues.append(f"ERROR {FIELDS[segments[0]]} is required: without it no Location can be told.")
        return
    node.notes["place"] = own.notes["place"]
    for name, item in own.items.items():
        node.items.setdefault(name, item)
    draft.nodes.remove(own)


def finish_practitioner(draft: Draft, node: Node, tables: Tables) -> None:
    """Somebody whom a master file is about has a number."""
    segments = [name for name in NAMING["Practitioner"] if name in node.segments]
    if not segments:
        return
    node.notes[ABOUT] = True
    if not any(one.get("value") for one in node.values("identifier")):
        draft.issues.append(f"ERROR {FIELDS[segments[0]]} is required: without it no Practitioner can be told.")


def tell_of_files(draft: Draft) -> None:
    """A file that is to replace another (MFI-3 REP) is taken as changes: what it does not state stays."""
    if any(one.name == "MFI" and one.value(3) == "REP" for one in draft.message.segments):
        draft.issues.append("MFI-3: the entries are updated or added; those that the file does not state stay.")
