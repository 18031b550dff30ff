"""Words of texts, as _text and _content search them, the same in every index."""

from __future__ import annotations

import re

from fhir_server.core.values import fold

_WORD = re.compile(r"[^\W_]+")


def words_of(text: str) -> list[str]:
    """The words of a text, folded."""
    return _WORD.findall(fold(text))


def texts_in(node: object):
    """Every string and number of a JSON value, but no names of properties."""
    if isinstance(node, dict):
        for value in node.values():
            yield from texts_in(value)
    elif isinstance(node, list):
        for value in node:
            yield from texts_in(value)
    elif not isinstance(node, bool) and node is not None:
        yield str(node)
