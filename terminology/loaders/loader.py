"""What a loader is: what it reads, and stages that each yield rows for the store."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from terminology.model import SystemInfo

Options = Mapping[str, str]


class Stage(NamedTuple):
    """rows() starts anew and gives the same rows in the same order, so that a broken off load can be taken up again."""

    name: str
    kind: str
    rows: Callable[[], Iterable[Any]]


class Plan(NamedTuple):
    """One load: the code system it makes, and its stages in order."""

    info: SystemInfo
    stages: tuple[Stage, ...]


class Loader(NamedTuple):
    """name: as on the command line; reads: what the source is; options: name -> what it means.

    plan: looks at the source and tells what will be loaded; FhirError unprocessable where the source is not right.
    """

    name: str
    title: str
    reads: str
    options: Mapping[str, str]
    plan: Callable[[Path, Options], Plan]
