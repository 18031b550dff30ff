"""The fields of a document. VERSION changes with whatever makes documents of before unfit for the searches of now.

    type, id       of the resource; the document's own _id is Type/id and its version is seq
    seq            position in the change feed of the version that is indexed
    first          position of the resource's first version: the order of matches where no other is asked; never changes
    updated        microseconds since 1970 UTC
    version        of the resource
    has            the fields that have some value
    token string exact text reference uri   values as composed terms (terms.py)
    date.F number.F place.F   ranges and points, by field F: comparators are about both ends of one range at once
    v              nested: quantities and composites, whose parts belong together; each part a to e has the same fields
    s.F l.F d.F    what sort keys read: strings, integers, doubles, by kind and field; quantities in canonical units
    narrative content   words, for _text and _content
    digest         of all that is found by (digests.py)
    problem        why there is nothing to find it by but its id

The source is not kept: the store has the resource, and a rebuild reads it there.
Nothing here needs a module that an Elasticsearch may lack: no scripts, no analyzer but whitespace.
"""

from __future__ import annotations

from typing import Any

VERSION = 5
PARTS = "abcde"  # of a composite value
MOST_FIELDS = 10_000  # dates, numbers and sort keys have a field each: some 1,200 in all of R4
REFRESH = "1s"  # until searches see by themselves what was written
UNIT_TYPE = "~unit"  # documents of this type tell which units quantities have

_KEYWORD = {"type": "keyword"}
_FOUND = {"type": "keyword", "doc_values": False}  # found by, never read
_WORDS = {"type": "text", "analyzer": "whitespace", "norms": False}
_TERMS = {"token": _FOUND, "string": _FOUND, "uri": _KEYWORD, "reference": _KEYWORD}


def _dynamic(path: str, **mapping: Any) -> dict[str, Any]:
    return {path: {"path_match": f"{path}.*", "mapping": mapping}}


DYNAMIC = [
    _dynamic("date", type="long_range", doc_values=False),
    _dynamic("number", type="double_range", doc_values=False),
    _dynamic("place", type="geo_point"),
    _dynamic("s", type="keyword", index=False),
    _dynamic("l", type="long", index=False),
    _dynamic("d", type="double", index=False),
]
_PART = {
    **dict.fromkeys(_TERMS, _FOUND),
    "exact": _FOUND,
    "unit": _FOUND,
    "date": {"type": "long_range", "doc_values": False},
    "number": {"type": "double_range", "doc_values": False},
}
MAPPINGS: dict[str, Any] = {
    "_source": {"enabled": False},
    "dynamic": "strict",
    "dynamic_templates": DYNAMIC,
    "properties": {
        "type": _KEYWORD,
        "id": _KEYWORD,
        "seq": {"type": "long"},
        "first": {"type": "long"},
        "updated": {"type": "long"},
        "version": {"type": "long", "index": False},
        "digest": {"type": "keyword", "index": False},
        "problem": {"type": "keyword"},
        "has": _FOUND,
        **_TERMS,
        "exact": _FOUND,
        "text": _FOUND,
        **{next(iter(each)): {"type": "object", "dynamic": True} for each in DYNAMIC},
        "v": {
            "type": "nested",
            "dynamic": "strict",
            "properties": {"field": _FOUND, **{part: {"type": "object", "properties": _PART} for part in PARTS}},
        },
        "narrative": _WORDS,
        "content": _WORDS,
    },
}


def settings(shards: int, replicas: str) -> dict[str, Any]:
    """Of one index. replicas: "0-1" is one copy as soon as there is a second node.

    Who has to see what was just written has it refreshed. Deletions are remembered for an hour, so that a write that
    comes late loses.
    """
    return {
        "number_of_shards": shards,
        "auto_expand_replicas": replicas,
        "refresh_interval": REFRESH,
        "gc_deletes": "1h",
        "mapping": {"total_fields": {"limit": MOST_FIELDS}, "nested_objects": {"limit": 100_000}},
    }
