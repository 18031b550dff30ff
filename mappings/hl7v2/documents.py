"""What the messages of documents (MDM) ask for beyond their fields."""

from __future__ import annotations

import base64

from mappings.hl7v2.content import suppose
from mappings.hl7v2.drafting import Draft
from mappings.hl7v2.elements import Element, Node
from mappings.hl7v2.results import present_document
from mappings.hl7v2.source import Segment, part
from mappings.hl7v2.tables import Tables


def finish_document(draft: Draft, node: Node, tables: Tables) -> None:
    """The status that the event tells, what it follows, and its content."""
    event = draft.event
    segment: Segment | None = node.segments.get("TXA")
    if found := tables.code("Event[DocumentStatus]", event):
        node.put("status", found[0])
    parent = segment.repetitions(13)[:1] if segment else []
    if parent and event in ("T05", "T06", "T09", "T10"):
        node.notes["relates"] = ("appends" if event in ("T05", "T06") else "replaces", parent[0])
    texts = []
    for one in draft.message.segments:
        if one.name == "OBX" and one.value(2) in ("TX", "FT", "ST"):
            texts.extend(part(value) for value in one.repetitions(5))
        elif one.name == "OBX" and one.value(2) in ("ED", "RP"):
            present_document(draft, _carrier(one), one, one.value(2))
    if texts and any(texts):
        attachment = Element("Attachment")
        attachment.items = {"contentType": "text/plain", "data": base64.b64encode("\n".join(texts).encode()).decode()}
        content = Element("DocumentReference.content")
        content.put("attachment", attachment)
        node.put("content", content, True, "text")
    for content in node.values("content"):
        if not isinstance(content, Element) or "attachment" not in content.items:
            node.items.pop("content", None)
            break
    if "content" not in node.items:  # R4 asks for one
        attachment = Element("Attachment")
        attachment.put("title", "The message carries no content.")
        content = Element("DocumentReference.content")
        content.put("attachment", attachment)
        suppose(node, "content", content, True)


def _carrier(segment: Segment) -> Node:
    carrier = Node("Observation", source=segment)
    carrier.segments = {"OBX": segment}
    return carrier
