"""The files of the page for people, read once and answered from memory.

`page_assets()` holds index.html at "/" and every other file at "/page/<name>". Each is kept as it is and gzipped, with
an ETag of its content, so a browser that has it gets 304. An Answer is what an ASGI layer sends as it stands.
"""

from __future__ import annotations

import functools
import gzip
import hashlib
from collections.abc import Mapping
from importlib import resources
from pathlib import PurePosixPath
from typing import NamedTuple

from fhir_server.rest.content_coding import accepts_gzip

CONTENT_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".json": "application/json",
    ".png": "image/png",
    ".txt": "text/plain; charset=utf-8",
}

# Nothing but our own files may run or load: stored content can never bring a script, a style or a remote image along.
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)

_SMALLEST_GZIPPED = 256


class Asset(NamedTuple):
    """One file: its content type, its bytes, the same gzipped (None where that is not smaller), its strong ETag."""

    content_type: str
    body: bytes
    gzipped: bytes | None
    etag: str


class Answer(NamedTuple):
    """An HTTP answer: status, headers as ASGI has them (lower-case names), body."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes


class Assets:
    """Files by URL path. policy: the Content-Security-Policy that every answer carries."""

    def __init__(self, files: Mapping[str, Asset], policy: str) -> None:
        self.files = dict(files)
        self._policy = policy.encode()

    def get(self, path: str) -> Asset | None:
        """The file at this URL path; None where there is none."""
        return self.files.get(path)

    def answer(self, path: str, accept_encoding: str = "", if_none_match: str = "") -> Answer | None:
        """The answer to GET or HEAD of this URL path (200 or 304); None where there is no such file.

        accept_encoding, if_none_match: the request's headers, "" for none. For HEAD send no body, the headers stand.
        """
        asset = self.files.get(path)
        if asset is None:
            return None
        gzipped = asset.gzipped if accepts_gzip(accept_encoding) else None
        etag = f'{asset.etag[:-1]}-gz"' if gzipped is not None else asset.etag
        headers = [
            (b"etag", etag.encode()),
            (b"cache-control", b"no-cache"),
            (b"vary", b"accept-encoding"),
            (b"content-security-policy", self._policy),
            (b"x-content-type-options", b"nosniff"),
            (b"referrer-policy", b"no-referrer"),
        ]
        if _matches(if_none_match, asset.etag[1:-1]):
            return Answer(304, headers, b"")
        body = asset.body if gzipped is None else gzipped
        headers.append((b"content-type", asset.content_type.encode()))
        headers.append((b"content-length", str(len(body)).encode()))
        if gzipped is not None:
            headers.append((b"content-encoding", b"gzip"))
        return Answer(200, headers, body)


def asset(name: str, body: bytes) -> Asset:
    """A file as an Asset; its content type follows its name. KeyError for a kind of file that is not served."""
    gzipped = gzip.compress(body, 9, mtime=0) if len(body) >= _SMALLEST_GZIPPED else None
    if gzipped is not None and len(gzipped) >= len(body):
        gzipped = None
    etag = f'"{hashlib.sha256(body).hexdigest()[:20]}"'
    return Asset(CONTENT_TYPES[PurePosixPath(name).suffix], body, gzipped, etag)


def folder_assets(folder: str, prefix: str, package: str = "fhir_server.rest") -> dict[str, Asset]:
    """Every file of a folder of a package, by URL path.

    prefix: what goes before a file's name, with its slash ("/page/").
    """
    found = {}
    for file in sorted(resources.files(package).joinpath(folder).iterdir(), key=lambda entry: entry.name):
        if file.is_file() and PurePosixPath(file.name).suffix in CONTENT_TYPES:
            found[prefix + file.name] = asset(file.name, file.read_bytes())
    return found


def _matches(if_none_match: str, tag: str) -> bool:
    """Whether an If-None-Match header names this file, gzipped or not, weak or strong."""
    if if_none_match.strip() == "*":
        return True
    names = {part.strip().removeprefix("W/").strip('"') for part in if_none_match.split(",")}
    return tag in names or f"{tag}-gz" in names


@functools.cache
def page_assets() -> Assets:
    """The page for people: "/" and "/page/<file>"."""
    files = folder_assets("page", "/page/")
    index = files.pop("/page/index.html").body.decode()
    # The browser learns of every module at once, instead of import by import.
    modules = [path for path in files if path.endswith(".js")]
    preloads = "".join(f'    <link rel="modulepreload" href="{path[1:]}" />\n' for path in modules)
    files["/"] = asset("index.html", index.replace("  </head>", f"{preloads}  </head>").encode())
    return Assets(files, PAGE_POLICY)
