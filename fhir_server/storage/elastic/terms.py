"""Search values as terms: strings composed of a field and what is found by, parted by a character that no text has.

Indexing and asking compose the same terms, so that one exact term answers most clauses, whatever their field. A letter
after the field says which parts of the value follow. An empty field stands for the part of a composite.
"""

from __future__ import annotations

import functools
import hashlib

END = "\0"
AFTER_END = "\1"
WORD = "\2"  # before each word of a TEXT value
REPLACED = {ord(END): "\ufffd", ord(WORD): " "}
LONGEST = 8_000  # characters: 32,766 bytes is what Elasticsearch allows
STRING_KEY_LIMIT = 1000  # a longer folded text is indexed by its beginning, as in the embedded index


def compose(*parts: str) -> str:
    """The term of these parts. One that is too long ends in a digest, so that equal still means equal."""
    term = END.join(parts)
    if term.count(END) >= len(parts):
        term = END.join([part.translate(REPLACED) for part in parts])
    if len(term) <= LONGEST:
        return term
    return f"{term[: LONGEST - 100]}{END}{hashlib.sha256(term.encode('utf-8', 'replace')).hexdigest()}"


def with_field(field: str) -> str:
    """What every term of a field begins with."""
    return f"{field.translate(REPLACED)}{END}"


def field_of(term: str) -> str:
    """The field that a term begins with."""
    return term.partition(END)[0]


# ---------------------------------------------------------------------- tokens
def token(field: str, system: str, code: str) -> str:
    """A code in a system."""
    return compose(field, f"s{system}", code)


def token_of_system(field: str, system: str) -> str:
    """What every term of a system begins with."""
    return compose(field, f"s{system}", "")


def token_code(field: str, code: str) -> str:
    """A code in whatever system."""
    return compose(field, f"c{code}")


# ---------------------------------------------------------------------- references
def reference(field: str, type: str, id: str) -> str:
    """A reference to a resource of a type."""
    return compose(field, f"r{type}", id)


def reference_to_type(field: str, type: str) -> str:
    """What every reference to a type begins with."""
    return compose(field, f"r{type}", "")


def reference_id(field: str, id: str) -> str:
    """A reference to a resource with this id of whatever type."""
    return compose(field, f"i{id}")


def reference_version(field: str, type: str, id: str, version: str) -> str:
    """A reference to one version; type "" for whatever type."""
    return compose(field, f"v{type}", id, version)


def read_reference(field: str, term: str) -> tuple[str, str, str] | None:
    """(type, id, version) of a reference's term; None for another field's or another form."""
    name, *parts = term.split(END)
    if name != field or not parts:
        return None
    kind = parts[0][:1]
    if kind == "r" and len(parts) == 2:
        return parts[0][1:], parts[1], ""
    if kind == "v" and len(parts) == 3 and parts[0] != "v":
        return parts[0][1:], parts[1], parts[2]
    return None


# ---------------------------------------------------------------------- URIs and canonicals
def uri(field: str, url: str) -> str:
    """A URI, or a canonical of whatever version."""
    return compose(field, f"u{url}")


def uri_version(field: str, url: str, version: str) -> str:
    """A canonical of a version; "" for a URI and for a canonical without."""
    return compose(field, f"v{url}", version)


def uri_version_start(field: str) -> str:
    """What the terms with a version of every address of a field begin with."""
    return compose(field, "v")


def read_uri(field: str, term: str) -> tuple[str, str] | None:
    """(url, version) of an address's term; None for another field's or another form."""
    name, *parts = term.split(END)
    return (parts[0][1:], parts[1]) if name == field and len(parts) == 2 and parts[0][:1] == "v" else None


def above(url: str) -> list[str]:
    """The URL and all that it lies below: what is left of it before and with each slash."""
    found = {url}
    for at, character in enumerate(url):
        if character == "/":
            found.update((url[:at], url[: at + 1]))
    found.discard("")
    return sorted(found)


# ---------------------------------------------------------------------- strings
def string(field: str, folded: str) -> str:
    """A folded text."""
    return compose(field, folded[:STRING_KEY_LIMIT])


def exact(field: str, text: str) -> str:
    """A text as it was written."""
    return compose(field, text)


@functools.lru_cache(maxsize=10_000)
def marked(folded: str) -> str:
    """A folded text with a mark before each word: where a letter or digit follows what is neither."""
    marks: list[str] = []
    inside = False
    for character in folded.translate(REPLACED):
        letter = character.isalnum()
        if letter and not inside:
            marks.append(WORD)
        marks.append(character)
        inside = letter
    return "".join(marks)


def text(field: str, folded: str) -> str:
    """The text of a coded element, to be found by how any of its words begin."""
    return compose(field, marked(folded[:STRING_KEY_LIMIT]))


# ---------------------------------------------------------------------- units
def unit(system: str, code: str) -> str:
    """A unit by its code in a system."""
    return compose(f"s{system}", code)


def unit_code(code: str) -> str:
    """A unit by its code alone."""
    return compose(f"c{code}")


def unit_name(name: str) -> str:
    """A unit by what people call it."""
    return compose(f"n{name}")


# ---------------------------------------------------------------------- names
@functools.lru_cache(maxsize=10_000)
def property_name(field: str) -> str:
    """A field as the name of a property: what Elasticsearch would take apart is written in hexadecimal."""
    return "".join([c if c.isascii() and (c.isalnum() or c in "-_") else f"~{ord(c):x}~" for c in field]) or "~"


def sort_name(fields: tuple[str, ...]) -> str:
    """The name of the sort key that is over all these fields."""
    return "+".join(sorted({property_name(field) for field in fields}))
