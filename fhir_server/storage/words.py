"""Words of texts, as _text and _content search them, the same in every index."""

from __future__ import annotations

import re

import msgspec

from fhir_server.core.folding import unaccented

_decode = msgspec.json.Decoder(str).decode
_WORD = re.compile(r"[^\W_]+")
_BETWEEN = "\3"  # texts; no word has it
_JOINT = _BETWEEN.encode()
_SLASH, _QUOTE = b"\1", b"\2"  # stand for what is escaped by a backslash, as JSON has neither in a string
_NUMBER = re.compile(rb"-?[0-9][0-9.eE+-]*")
_FRACTION = re.compile(rb"[.eE]")
_NO_WORD = re.compile(r"(?:[^\w\3]|_)+")
_ASCII = bytes(
    code if chr(code) == _BETWEEN else ord(chr(code).lower()) if chr(code).isalnum() and code < 128 else ord(" ")
    for code in range(256)
)


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
    """The texts and numbers of JSON without white space as folded words with spaces between, each once.

    What texts_in gives, found in the bytes: between quotation marks, and the names of properties are what a colon
    follows. Texts without a word may be missing.
    """
    if b"\\" in body:
        body = body.replace(b"\\\\", _SLASH).replace(b'\\"', _QUOTE)
    pieces = body.split(b'"')
    found = {text for text, after in zip(pieces[1::2], pieces[2::2], strict=False) if not after.startswith(b":")}
    for number in _NUMBER.findall(b" ".join(pieces[::2])):
        found.add(str(float(number)).encode() if _FRACTION.search(number) else number)
    plain = _JOINT.join(found)
    if not _is_odd(plain):
        texts = plain.translate(_ASCII).decode().split(_BETWEEN)
    else:
        odd = [text for text in found if _is_odd(text)]
        plain = _JOINT.join(found.difference(odd))
        folded = unaccented(_BETWEEN.join([_unescaped(text) for text in odd]))
        texts = plain.translate(_ASCII).decode().split(_BETWEEN) + _NO_WORD.sub(" ", folded).split(_BETWEEN)
    return [words for each in texts if (words := each.strip())]


def _is_odd(text: bytes) -> bool:
    """Whether it has more than ASCII as it stands."""
    return not text.isascii() or b"\\" in text or _SLASH in text or _QUOTE in text


def _unescaped(text: bytes) -> str:
    text = text.replace(_QUOTE, b'\\"').replace(_SLASH, b"\\\\")
    return _decode(b'"' + text + b'"').replace(_BETWEEN, " ") if b"\\" in text else text.decode()
