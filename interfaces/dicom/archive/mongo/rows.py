"""The rows of the index in MongoDB."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

from pymongo import ReturnDocument

from interfaces.dicom.archive.index import Row, Selection, Where
from interfaces.dicom.archive.mongo.conditions import field, filtered
from interfaces.dicom.archive.mongo.database import NUMBERED, PREFIX, answering
from interfaces.dicom.archive.mongo.selecting import pipeline, shown_of


class MongoRows:
    """The rows of a database, in the transaction of a session where one is given."""

    def __init__(self, database: Any, session: Any = None) -> None:
        self._database = database
        self._session = session

    def one(self, table: str, where: Where) -> Row | None:
        """See the port."""
        with self._told():
            found = self._of(table).find_one(filtered(where), session=self._session)
        return _row(found) if found is not None else None

    def all(self, table: str, where: Where, order: str = "pk", *, newest: bool = False, limit: int = -1) -> list[Row]:
        """See the port."""
        if limit == 0:
            return []
        with self._told():
            found = self._of(table).find(filtered(where), session=self._session)
            found = found.sort(field(order), -1 if newest else 1).limit(max(limit, 0))
            return [_row(each) for each in found]

    def distinct(self, table: str, column: str, where: Where) -> list[Any]:
        """See the port."""
        stages: list[Any] = [
            {"$match": filtered(where)},
            {"$group": {"_id": f"${field(column)}"}},
            {"$sort": {"_id": 1}},
        ]
        with self._told():
            return [each["_id"] for each in self._of(table).aggregate(stages, session=self._session)]

    def select(self, selection: Selection) -> Iterator[Row]:
        """See the port."""
        if selection.limit == 0:
            return
        collection, stages = pipeline(selection)
        with self._told():
            for found in self._database[collection].aggregate(stages, session=self._session, allowDiskUse=True):
                yield shown_of(selection.level, found)

    def standing(self, instance: str, series: str, study: str) -> Row:
        """See the port."""
        known = self.one("instance", {"uid": instance}) or {"digest": None}
        found = self.one("series", {"uid": series}) or {"pk": None, "study": None}
        above = self.one("study", {"pk": found["study"]}) or {"uid": None, "patient": None}
        patient = self.one("patient", {"pk": above["patient"]}) or {"patient_id": None, "issuer": None}
        return {
            "digest": known["digest"], "series": found["pk"], "study_uid": above["uid"],
            "patient_id": patient["patient_id"], "issuer": patient["issuer"], "due": None,
        }  # fmt: skip

    def insert(self, table: str, values: Mapping[str, Any]) -> int:
        """See the port."""
        number = self._number(table) if table in NUMBERED else 0
        with self._told():
            self._of(table).insert_one({**({"_id": number} if number else {}), **values}, session=self._session)
        return number

    def put(self, table: str, key: Mapping[str, Any], values: Mapping[str, Any]) -> None:
        """See the port."""
        doing = {"$set": dict(values)} if values else {"$setOnInsert": dict(key)}
        with self._told():
            self._of(table).update_one(filtered(key), doing, upsert=True, session=self._session)

    def change(self, table: str, where: Where, values: Mapping[str, Any], add: Mapping[str, int] | None = None) -> int:
        """See the port."""
        doing = {**({"$set": dict(values)} if values else {}), **({"$inc": dict(add)} if add else {})}
        with self._told():
            return self._of(table).update_many(filtered(where), doing, session=self._session).matched_count

    def remove(self, table: str, where: Where) -> int:
        """See the port."""
        with self._told():
            return self._of(table).delete_many(filtered(where), session=self._session).deleted_count

    def _of(self, table: str) -> Any:
        return self._database[PREFIX + table]

    def _number(self, table: str) -> int:
        """The next number of a table; outside the transaction, so that two of them never wait for one another."""
        with self._told():
            found = self._database[f"{PREFIX}numbers"].find_one_and_update(
                {"_id": table}, {"$inc": {"last": 1}}, return_document=ReturnDocument.AFTER
            )
        return int(found["last"])

    def _told(self) -> Any:
        """Errors of a transaction stay the driver's, which runs it again; those of a read are told."""
        return contextlib.nullcontext() if self._session is not None else answering()


def _row(found: dict[str, Any]) -> dict[str, Any]:
    found["pk"] = found["_id"]
    return found
