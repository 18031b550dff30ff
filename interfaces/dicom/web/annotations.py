"""Texts that stand on a rendered image (PS3.18 section 8.3.5.1.1)."""

from __future__ import annotations

from typing import Any

from fhir_server.core.errors import error
from interfaces.dicom.dataset.model import Model, text

# what is shown for each kind: its attributes by lines
LINES = {
    "patient": (("00100010",), ("00100020",), ("00100030", "00100040")),
    "technique": (("00080020", "00080060"), ("00081030",), ("0008103E",), ("00200011", "00200013")),
}
LINES_ON_AN_IMAGE = 32  # of the height of a text; never smaller than can be read


def annotations_of(parameter: str) -> tuple[str, ...]:
    """The kinds that a query asks for; FhirError "value" for another."""
    kinds = tuple(part.strip().lower() for part in parameter.split(","))
    if not all(kind in LINES for kind in kinds):
        raise error("value", f"annotation is {' or '.join(LINES)}, or both with a comma between.")
    return kinds


def annotated(image: Any, kinds: tuple[str, ...], attributes: Model) -> Any:
    """The image with what is known of its patient and technique at its upper left."""
    lines = [" ".join(filter(None, (text(attributes, tag) for tag in line))) for kind in kinds for line in LINES[kind]]
    shown = "\n".join(line for line in lines if line)
    if not shown:
        return image
    from PIL import ImageDraw, ImageFont

    size = max(10, image.height // LINES_ON_AN_IMAGE)
    white, black = (255, 0) if image.mode == "L" else ("white", "black")
    ImageDraw.Draw(image).multiline_text(
        (size // 3, size // 3), shown, fill=white, font=ImageFont.load_default(size), stroke_width=1, stroke_fill=black
    )
    return image
