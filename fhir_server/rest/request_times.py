"""How many requests there were and how long they took, by interaction; kept for /metrics.

Several workers share a folder: each writes its numbers to a file of its own there, a second after they changed at the
latest, and whichever is asked for /metrics adds up the files. The file of a worker that ended stays, so that no total
ever falls.
"""

from __future__ import annotations

import asyncio
import os
from bisect import bisect_left
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec

FOLDER_VARIABLE = "ULTIMATE_HMS_REQUEST_TIMES"  # names the folder to the workers of one server
BOUNDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)  # seconds
FLUSH = 1.0  # seconds

# (method, length of the path, its last segment where that is a word of the API) -> the interaction.
# https://hl7.org/fhir/R4/http.html#summary and https://hl7.org/fhir/R4/valueset-restful-interaction.html
INTERACTIONS = {
    ("GET", 0, ""): "search-system",
    ("GET", 1, ""): "search-type",
    ("GET", 1, "metadata"): "capabilities",
    ("GET", 1, "_history"): "history-system",
    ("GET", 2, ""): "read",
    ("GET", 2, "_history"): "history-type",
    ("GET", 3, ""): "search-compartment",
    ("GET", 3, "_history"): "history-instance",
    ("GET", 4, ""): "vread",
    ("POST", 0, ""): "batch",
    ("POST", 1, ""): "create",
    ("POST", 1, "_search"): "search-system",
    ("POST", 2, "_search"): "search-type",
    ("POST", 4, "_search"): "search-compartment",
    ("PUT", 1, ""): "update-conditional",
    ("PUT", 2, ""): "update",
    ("PATCH", 1, ""): "patch-conditional",
    ("PATCH", 2, ""): "patch",
    ("DELETE", 1, ""): "delete-conditional",
    ("DELETE", 2, ""): "delete",
}
WORDS = frozenset(word for _, _, word in INTERACTIONS)


class Label(NamedTuple):
    """What numbers are kept by: interaction ("other" for none), resource type ("" for none), HTTP status."""

    interaction: str
    type: str
    status: int


Times = list[float]  # how many took up to each of BOUNDS (not cumulative), then longer; then the seconds of all


class RequestTimes:
    """The numbers of this process; folder: where the workers of one server meet, None for a single one."""

    def __init__(self, types: Collection[str], folder: Path | None = None) -> None:
        self._types = frozenset(types)
        self._file = folder / f"{os.getpid()}.msgpack" if folder else None
        self._times: dict[Label, Times] = {}
        self._by_request: dict[tuple[str, int, str, str, int], Times] = {}
        self._flushing = False

    def observe(self, method: str, path: tuple[str, ...], status: int, seconds: float) -> None:
        """Counts a request that was answered."""
        if path:
            first, last = path[0], path[-1]
            word = last if last in WORDS else "$" if last[:1] == "$" else ""
            key = (method, len(path), first if first in self._types else "", word, status)
        else:
            key = (method, 0, "", "", status)
        times = self._by_request.get(key)
        if times is None:
            times = self._times.setdefault(_label(key), [0.0] * (len(BOUNDS) + 2))
            self._by_request[key] = times
        times[bisect_left(BOUNDS, seconds)] += 1
        times[-1] += seconds
        if self._file is not None and not self._flushing:
            self._flushing = True
            asyncio.get_running_loop().call_later(FLUSH, self._flush)

    def all(self) -> dict[Label, Times]:
        """The numbers of all workers."""
        if self._file is None:
            return self._times
        self._flush()
        total: dict[Label, Times] = {}
        for label, times in _read(self._file.parent):
            known = total.setdefault(label, [0.0] * len(times))
            total[label] = [a + b for a, b in zip(known, times, strict=True)]
        return total

    def _flush(self) -> None:
        assert self._file is not None
        self._flushing = False
        part = self._file.with_suffix(".part")
        try:
            part.write_bytes(msgspec.msgpack.encode(list(self._times.items())))
            part.replace(self._file)
        except OSError:
            part.unlink(missing_ok=True)  # numbers are not worth failing a request for; the next flush has them


def _label(key: tuple[str, int, str, str, int]) -> Label:
    method, length, type, word, status = key
    method = "GET" if method == "HEAD" else method
    if word == "$":
        return Label("operation", type, status)
    plain = INTERACTIONS.get((method, length, ""), "other")  # a word may be an id elsewhere: Patient/metadata
    return Label(INTERACTIONS.get((method, length, word), plain), type, status)


def _read(folder: Path) -> Iterator[tuple[Label, Times]]:
    for file in folder.glob("*.msgpack"):
        yield from msgspec.msgpack.decode(file.read_bytes(), type=list[tuple[Label, Times]])
