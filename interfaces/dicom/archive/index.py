"""What the archive needs of an index: rows of its tables, in transactions, and rows joined over the four levels.

SQLite (sqlite/) and MongoDB (mongo/) each have an adapter. What an instance, a job or a quarantine means is written
once, over this port.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from typing import Any, Literal, NamedTuple, Protocol, TypeVar

from interfaces.dicom.archive.levels import IMAGE, PATIENT, SERIES, STUDY

T = TypeVar("T")

TABLES = {PATIENT: "patient", STUDY: "study", SERIES: "series", IMAGE: "instance"}
# the column that names the row above: level -> column
ABOVE = {STUDY: "patient", SERIES: "study", IMAGE: "series"}
# what a joined row has of each level: name -> column
SHOWN = {
    PATIENT: {"patient_pk": "pk", "patient": "attributes"},
    STUDY: {
        "study": "attributes", "coercion": "coercion", "modalities": "modalities", "series_count": "series_count",
        "study_uid": "uid", "study_pk": "pk", "fhir_study": "fhir_study", "fhir_patient": "fhir_patient",
    },
    SERIES: {"series": "attributes", "series_uid": "uid", "series_instances": "instance_count"},
    IMAGE: {
        "instance": "attributes", "instance_uid": "uid", "sop_class": "sop_class",
        "transfer_syntax": "transfer_syntax", "digest": "digest", "size": "size", "start": "start",
        "frames": "frames", "received": "received",
    },
}  # fmt: skip
QUARANTINED = "quarantined"


class Row(Protocol):
    """The columns of a row, by name."""

    def __getitem__(self, name: str, /) -> Any:
        """The value of a column."""
        ...


class Test(NamedTuple):
    """What a value must be.

    kind and values: "=" one | "in" any of them | "<>" other than one | "<=" at most | "<" below | "between" first and
    last | "wild" a text with * and ? | "has" a text that it contains | "words" names, each the beginning of a word of
    it | "apart" a text that is none of these and begins with none of them and a space | "never".
    """

    kind: Literal["=", "in", "<>", "<=", "<", "between", "wild", "has", "words", "apart", "never"]
    values: tuple[Any, ...] = ()


def bounds(pattern: str) -> tuple[str, str] | None:
    """From where to below where texts of a pattern with * and ? lie, which an index can follow as it can't a pattern.

    None where it begins with one of these.
    """
    prefix = re.split(r"[*?]", pattern, maxsplit=1)[0]
    return (prefix, prefix + "\U0010ffff") if prefix else None


def is_not(value: Any) -> Test:
    """Another value than this."""
    return Test("<>", (value,))


def at_most(value: Any) -> Test:
    """This value or a smaller one."""
    return Test("<=", (value,))


def below(value: Any) -> Test:
    """A smaller value."""
    return Test("<", (value,))


def above(number: int) -> Test:
    """A larger whole number."""
    return Test("between", (number + 1, 2**63 - 1))


def one_of(values: Sequence[Any]) -> Test:
    """Any of these values."""
    return Test("in", tuple(values))


def apart_from(values: Sequence[str]) -> Test:
    """A text that is none of these, and begins with none of them and a space."""
    return Test("apart", tuple(values))


Where = Mapping[str, Any]  # column -> the value it has, or a Test; all must hold


class Condition(NamedTuple):
    """A column of a level for which one of the tests must hold; of a lower level: for a row below."""

    level: str
    column: str
    tests: tuple[Test, ...]


class Selection(NamedTuple):
    """Joined rows of a level for which all conditions hold; limit: -1 for all of them.

    held: quarantined studies too; order: "" as found | "arrival" oldest first | "number" by study, series number and
    instance number.
    """

    level: str
    conditions: tuple[Condition, ...]
    held: bool = False
    order: Literal["", "arrival", "number"] = ""
    limit: int = -1
    offset: int = 0


class Rows(Protocol):
    """The rows of the index, as they are now or in a transaction; table and column are names in sqlite/schema.sql."""

    def one(self, table: str, where: Where) -> Row | None:
        """A row, the first of several."""
        ...

    def all(self, table: str, where: Where, order: str = "pk", *, newest: bool = False, limit: int = -1) -> list[Row]:
        """Rows in the order of a column, the smallest first; newest: the largest."""
        ...

    def distinct(self, table: str, column: str, where: Where) -> list[Any]:
        """The values of a column, each once, in their order."""
        ...

    def select(self, selection: Selection) -> Iterator[Row]:
        """Joined rows, with the names in SHOWN of the level and those above it, as they are found.

        A study also has instance_count, which is the sum of its series' own.
        """
        ...

    def standing(self, instance: str, series: str, study: str) -> Row:
        """What is there before an instance is placed, by the UIDs that it has; None for what is not.

        digest of the instance; series: number of the series, with study_uid, patient_id and issuer of what it is in;
        due: of the job of the study that waits and was not tried yet, where no other transaction can begin it unseen.
        """
        ...

    def insert(self, table: str, values: Mapping[str, Any]) -> int:
        """Adds a row; its number (pk), where the table has numbers."""
        ...

    def put(self, table: str, key: Mapping[str, Any], values: Mapping[str, Any]) -> None:
        """Changes the row of a unique key, or adds it."""
        ...

    def change(self, table: str, where: Where, values: Mapping[str, Any], add: Mapping[str, int] | None = None) -> int:
        """Sets columns, and adds to others; gives how many rows there were."""
        ...

    def remove(self, table: str, where: Where) -> int:
        """Removes rows; gives how many."""
        ...


Work = Callable[[Rows], T]


class Index(Protocol):
    """Safe for several threads and processes at once."""

    @property
    def reading(self) -> Rows:
        """What is committed, for this thread."""
        ...

    def write(self, work: Work[T], *, durable: bool = True) -> T:
        """Runs work in a transaction; committed when it returns. It may be run again where another was in its way.

        durable: False where what is written can be had again from the files after a power failure.
        """
        ...

    def submit(self, work: Work[T], *, durable: bool = True) -> Future[T]:
        """Runs work in a transaction, now or later."""
        ...

    def close(self) -> None:
        """Finishes what waits and lets go."""
        ...
