"""What results and reports ask for beyond their fields; ED and RP as Binaries and attachments."""

from __future__ import annotations

import base64
import hashlib
import re

from mappings.hl7v2.content import absent, choices
from mappings.hl7v2.drafting import Draft
from mappings.hl7v2.elements import Element, Node
from mappings.hl7v2.primitives import convert, date_time, encoded
from mappings.hl7v2.source import NULL, Segment, Value, part
from mappings.hl7v2.tables import Tables

_COMPARED = re.compile(r"\s*(<=|>=|<|>)\s*(\S+)\s*")
AS_TEXT = ("TX", "FT", "ST", "", "SN", "VR", "ID")  # what is no surprise as text
MEDIA = {"PDF": "application/pdf", "RTF": "application/rtf", "HTML": "text/html", "JPEG": "image/jpeg",
         "JPG": "image/jpeg", "PNG": "image/png", "GIF": "image/gif", "TIFF": "image/tiff", "XML": "application/xml",
         "TXT": "text/plain", "TEXT": "text/plain", "OCTET-STREAM": "application/octet-stream"}  # fmt: skip


def finish_observation(draft: Draft, node: Node, tables: Tables) -> None:
    """One value, or why there is none; documents in OBX-5 as Binaries."""
    segment: Segment | None = node.segments.get("OBX")
    if segment is None:
        return
    _drop_empty_components(node)
    valued = "component" in node.items or any(name.startswith("value") for name in node.items)
    _put_value(draft, node, segment, valued)
    _settle_quantity(node, segment)
    if len(choices(node, "value")) > 1:
        node.items.pop("valueString", None)
    _finish_components(node, segment)
    _say_why_absent(node, segment.value(11))
    if "effectiveDateTime" not in node.items and (report := node.notes.get("report_time")):
        node.put("effectiveDateTime", report)


def _put_value(draft: Draft, node: Node, segment: Segment, valued: bool) -> None:
    """What the tables leave of OBX-5: documents, times by their old name, and as text what no type reads."""
    kind, values = segment.value(2), segment.repetitions(5)
    if kind in ("ED", "RP") and values:
        for name in [name for name in node.items if name.startswith("value") or name == "component"]:
            del node.items[name]
        present_document(draft, node, segment, kind)
    elif kind == "TS" and len(values) == 1 and (time := date_time(part(values[0]), draft.zone)):
        node.put("valueDateTime", time)  # what DTM was called before 2.6; HL7's table has the new name alone
    elif values and not valued:
        text = "\n".join(" ".join(one for component in value for one in component if one) for value in values)
        if kind == "SN":
            text = " ".join([*text.split(), segment.value(6)]).strip()
        if text.strip() and text != NULL:
            node.put("valueString", convert(text, "string"))
            if kind not in AS_TEXT:
                draft.issues.append(
                    f"{draft.place(segment, 5)}: {text[:40]!r} can't be read as {kind}; it is kept as text."
                )


def _settle_quantity(node: Node, segment: Segment) -> None:
    """A valueQuantity without a number: one that has a comparator in its text, or else text with its unit."""
    quantity = node.items.get("valueQuantity")
    if not isinstance(quantity, Element) or "value" in quantity.items:
        return
    values = segment.repetitions(5)
    if segment.value(2) == "NM":
        _compare(quantity, part(values[0]) if len(values) == 1 else "")
    if "value" in quantity.items:
        return
    del node.items["valueQuantity"]
    if "valueString" not in node.items and values:
        text = " ".join(one for component in values[0] for one in component if one not in ("", NULL))
        if text:
            node.put("valueString", f"{text} {segment.value(6)}".strip())


def _drop_empty_components(node: Node) -> None:
    """Repetitions of a type that no component can hold: OBX-5 is text then."""
    components = node.items.get("component")
    if isinstance(components, dict) and not any(choices(one, "value") for one in components.values()):
        del node.items["component"]


def _finish_components(node: Node, segment: Segment) -> None:
    """The components of one OBX are of its code and in its unit."""
    components = node.items.get("component")
    if not isinstance(components, dict):
        return
    for element in components.values():
        if "code" not in element.items and isinstance(node.items.get("code"), Element):
            element.items["code"] = node.items["code"]
        number = element.items.get("valueQuantity")
        if isinstance(number, Element) and segment.value(6):
            number.items.setdefault("unit", segment.value(6, 1, 2) or segment.value(6))


def _say_why_absent(node: Node, status: str) -> None:
    """dataAbsentReason by OBX-11, where there is no value."""
    valued = bool(choices(node, "value"))
    if status == "X" and not valued and "component" not in node.items:
        absent(node, "error")
    if valued:
        node.items.pop("dataAbsentReason", None)
    elif status == "N":
        node.items.pop("dataAbsentReason", None)
        absent(node, "not-asked")


def _compare(quantity: Element, text: str) -> None:
    """A number that some write as <5, as what it means; SN would be the type for it."""
    if (found := _COMPARED.fullmatch(text)) and (value := convert(found[2], "decimal")) is not None:
        quantity.items = {"value": value, "comparator": found[1], **quantity.items}


def present_document(draft: Draft, node: Node, segment: Segment, kind: str) -> None:
    """ED and RP: the content goes to a Binary; the report presents it, and a document refers to it."""
    node.items.pop("extension", None)
    for number, value in enumerate(segment.repetitions(5), 1):
        attachment = Element("Attachment")
        attachment.put("title", segment.value(3, 1, 2) or segment.value(3))
        if kind == "RP":
            _point(draft, segment, value, attachment)
        else:
            _keep_content(draft, node, segment, value, number, attachment)
        if "url" in attachment.items:
            _attach(draft, node, number, attachment)
    if not choices(node, "value"):
        node.put("valueString", segment.value(3, 1, 2) or "see the document")


def _point(draft: Draft, segment: Segment, value: Value, attachment: Element) -> None:
    """RP: where the content is."""
    pointer = part(value).strip()
    if url := convert(pointer.replace(" ", "%20"), "url"):
        attachment.put("url", url)
    elif pointer:
        draft.issues.append(f"{draft.place(segment, 5)}: {pointer[:40]!r} is no url.")
    if part(value, 3) or part(value, 4):
        attachment.put("contentType", _media_type(part(value, 3), part(value, 4)))


def _keep_content(draft: Draft, node: Node, segment: Segment, value: Value, number: int, attachment: Element) -> None:
    """ED: the content as a Binary of its own, to which the attachment points; number: of the repetition, from 1."""
    media = _media_type(part(value, 2), part(value, 3))
    encoding = part(value, 4) or "Base64"
    data = encoded(part(value, 5), encoding)
    attachment.put("contentType", media)
    if data is None:
        if part(value, 5):
            draft.issues.append(f"ERROR OBX-5: the content of {segment.value(3)} is not {encoding}.")
        else:
            draft.issues.append(f"{draft.place(segment, 5)}: it has no data (ED.5); nothing is kept of the document.")
        return
    raw = base64.b64decode(data)
    binary = Node("Binary", source=segment)
    binary.items = {"contentType": media, "data": data}
    binary.notes["content_of"] = node
    binary.notes["number"] = number
    binary.used = True
    draft.nodes.append(binary)
    attachment.put("url", binary)
    attachment.put("size", len(raw))
    attachment.put("hash", base64.b64encode(hashlib.sha1(raw, usedforsecurity=False).digest()).decode())


def _attach(draft: Draft, node: Node, number: int, attachment: Element) -> None:
    """The reports that have the result present it; where none has, the last document does."""
    holders = [one for one in draft.nodes if one.type == "DiagnosticReport" and node in one.values("result")]
    for report in holders:
        report.put("presentedForm", attachment, True, (id(node), number))
    documents = [one for one in draft.nodes if one.type == "DocumentReference"]
    if not holders and documents:
        content = Element("DocumentReference.content")
        content.put("attachment", attachment)
        documents[-1].put("content", content, True, (id(node), number))


def _media_type(kind: str, subtype: str) -> str:
    """ED.2 and ED.3 as a MIME type; some senders write application, others AP."""
    if "/" in subtype:
        return subtype.lower()
    known = MEDIA.get(subtype.upper())
    if known:
        return known
    kind = {"AP": "application", "APPLICATION": "application", "IM": "image", "IMAGE": "image", "TX": "text",
            "TEXT": "text", "FT": "text", "AU": "audio"}.get(kind.upper(), "application")  # fmt: skip
    subtype = re.sub(r"[^a-z0-9.+-]", "", subtype.lower())
    if not subtype:
        return "text/plain" if kind == "text" else "application/octet-stream"
    return f"{kind}/{subtype}"


def finish_report(draft: Draft, node: Node, tables: Tables) -> None:
    """The time, status and issue of a report where OBR leaves them to its results."""
    segment: Segment | None = node.segments.get("OBR")
    time = node.items.get("effectiveDateTime") or (segment and date_time(segment.value(7), draft.zone))
    for one in node.values("result"):
        if isinstance(one, Node) and time:
            one.notes.setdefault("report_time", time)
    if "status" not in node.items:
        statuses = {one.items.get("status") for one in node.values("result") if isinstance(one, Node)}
        for status in ("corrected", "preliminary", "registered", "final", "cancelled"):
            if statuses and (status in statuses if status in ("corrected", "preliminary") else statuses == {status}):
                node.put("status", status)
                break
    if "issued" not in node.items and node.items.get("status") in ("final", "corrected", "amended") and segment:
        issued = convert(segment.value(22), "instant", draft.zone)
        if issued:
            node.put("issued", issued)
