"""Fields of text, in which senders leave separators as they are: "Smith & Jones" is one text, not its first word."""

from __future__ import annotations

from mappings.hl7v2.source import Segment

TEXT = ("ST", "TX", "FT", "")  # types of OBX-5 that have no components
LINES = ("TX", "FT")  # of which each repetition is a line (HL7 v2.9, 2.A.79)
FIELDS = {"NTE": 3, "AL1": 5, "IAM": 5, "DG1": 4, "PV2": 12}  # fields of types without components


def read_texts(segment: Segment) -> None:
    """Has the texts of a segment read whole."""
    if segment.name == "OBX":
        if (kind := segment.value(2)) in TEXT:
            segment.take_as_text(5, kind in LINES)
    elif field := FIELDS.get(segment.name):
        segment.take_as_text(field)
