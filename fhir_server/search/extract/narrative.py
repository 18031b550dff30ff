"""The narrative as plain text, for _text (https://hl7.org/fhir/R4/search.html#content)."""

from __future__ import annotations

import html
import re
from typing import Any

from fhir_server.core.values import NARRATIVE
from fhir_server.search.extract.adding import Add

_TAG = re.compile(r"<[^>]*>")


def add_narrative(add: Add, field: str, value: dict[str, Any]) -> None:
    """A Narrative."""
    text = _TAG.sub(" ", value["div"])
    text = " ".join((html.unescape(text) if "&" in text else text).split())
    if text:
        add((NARRATIVE, field, text))
