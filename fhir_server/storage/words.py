"""Words of texts, as _text and _content search them, the same in every index."""

from __future__ import annotations

import re

import msgspec

from fhir_server.core.folding import unaccented

_decode = msgspec.json.Decoder(str).decode
_WORD = re.compile(r"[^\W_]+")
_BETWEEN = "\3"  # texts; no word has it
_VALUE = re.compile(rb'[:,\[]\s*("[^"\\]*(?:\\.[^"\\]*)*"|-?[0-9][0-9.eE+-]*)\s*(?=[,\]}])')
_ASCII = {code: chr(code).lower() if chr(code).isalnum() else " " for code in range(128) if chr(code) != _BETWEEN}
_FRACTION = re.compile(rb"[.eE]")
_NO_WORD = re.compile(r"(?:[^\w\3]|_)+")


def words_of(text: str) -> list[str]:
    """The words of a text, folded."""
    return _WORD.findall(unaccented(text))


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


def worded(body: bytes) -> list[str]:
    """The texts and numbers of JSON as folded words with spaces between, without those that have no word.

    What texts_in gives, found in the bytes: the names of properties are strings that a colon follows.
    """
    found: list[str] = []
    for value in _VALUE.findall(body):
        if value[:1] == b'"':
            found.append(_decode(value) if b"\\" in value else value[1:-1].decode())
        else:
            found.append(str(float(value)) if _FRACTION.search(value) else value.decode())
    text = _BETWEEN.join(found)
    parted = text.translate(_ASCII) if text.isascii() else _NO_WORD.sub(" ", unaccented(text))
    return [words for each in parted.split(_BETWEEN) if (words := each.strip())]
