"""What is kept in GridFS: the data of every Binary, and resources that no document can hold (16 MB).

A document that has its content there names it: content: {file, form}. form "data": the decoded data of a Binary whose
base64 is the usual one; "text": data as it was written; "body": the whole canonical bytes. Files are written before the
transaction that refers to them and removed after the one that erases them; a file that nothing refers to is harmless,
and `hms check --repair` removes it. A Binary's document has the file's id as its data.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from bson import ObjectId
from gridfs.asynchronous import AsyncGridFSBucket
from gridfs.errors import NoFile
from pymongo.asynchronous.database import AsyncDatabase

from fhir_server.codec.json import decode, serialize
from fhir_server.storage.mongo.documents import body_of, native

BUCKET = "content"
LARGEST = 15 * 2**20  # bytes of a resource as BSON with its keys; the document's other parts are small
PLACE = "data"  # of Binary


class Moved(NamedTuple):
    """Content that goes to the GridFS file of this id."""

    file: ObjectId
    form: str
    data: bytes
    media_type: str

    @property
    def reference(self) -> dict[str, Any]:
        """What the document says of it."""
        return {"file": self.file, "form": self.form}


class Split(NamedTuple):
    """A version's content in two: what its document has (resource, and exact where BSON can't hold it), and a file."""

    fields: dict[str, Any]
    moved: Moved | None


def split(body: bytes, beside: int = 0) -> Split:
    """Canonical bytes as the parts that are stored; beside: bytes of what else the document has."""
    if not body:
        return Split({}, None)
    resource = decode(body)
    moved = _binary_content(resource)
    if moved:
        resource[PLACE] = str(moved.file)  # where it goes back to
    raw, whole = native(resource, serialize(resource) if moved else body)
    if len(raw.raw) + (0 if whole else len(body)) + beside > LARGEST or (moved and not whole):
        moved = Moved(ObjectId(), "body", body, "application/fhir+json")
        raw, _ = native({name: resource[name] for name in ("resourceType", "id")}, b"")
        whole = True
    fields: dict[str, Any] = {"resource": raw}
    if not whole:
        fields["exact"] = body
    if moved:
        fields["content"] = moved.reference
    return Split(fields, moved)


def _binary_content(resource: Mapping[str, Any]) -> Moved | None:
    text = resource.get(PLACE)
    if resource["resourceType"] != "Binary" or not isinstance(text, str) or not text:
        return None
    media_type = str(resource.get("contentType", ""))
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        data = b""
    if base64.b64encode(data).decode() == text:
        return Moved(ObjectId(), "data", data, media_type)
    return Moved(ObjectId(), "text", text.encode(), media_type)


class Content:
    """The bucket of one database."""

    def __init__(self, database: AsyncDatabase[Any]) -> None:
        self._bucket = AsyncGridFSBucket(database, BUCKET)

    async def keep(self, key: str, moved: Moved) -> None:
        """Writes a file."""
        metadata = {"key": key, "contentType": moved.media_type}
        await self._bucket.upload_from_stream_with_id(moved.file, key, moved.data, metadata=metadata)

    async def body(self, document: Mapping[str, Any]) -> bytes:
        """The canonical bytes of a version, wherever they are."""
        content = document.get("content")
        if content is None:
            return body_of(document)
        data = await (await self._bucket.open_download_stream(content["file"])).read()
        if content["form"] == "body":
            return data
        text = base64.b64encode(data) if content["form"] == "data" else data
        return body_of(document).replace(b'"%b"' % str(content["file"]).encode(), serialize(text.decode()), 1)

    async def forget(self, files: Iterable[ObjectId]) -> None:
        """Removes files; those that are gone already are no matter."""
        for file in files:
            with contextlib.suppress(NoFile):
                await self._bucket.delete(file)
