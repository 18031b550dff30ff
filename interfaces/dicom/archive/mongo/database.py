"""The collections of the index in MongoDB, their indexes and the version of this layout.

dicom_patient, dicom_study, … have a document a row, with the columns as in sqlite/schema.sql; where a table has
numbers, `_id` is `pk`. dicom_numbers has the last number of each, dicom_layout the version.
"""

from __future__ import annotations

import functools
from typing import Any

from pymongo import ASCENDING, IndexModel, MongoClient
from pymongo.errors import CollectionInvalid, ConfigurationError, OperationFailure
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from fhir_server.core import mongodb
from fhir_server.core.errors import error

LAYOUT = 4
PREFIX = "dicom_"
OPTIONS = {
    "appName": "ultimate-hms-dicom",
    "serverSelectionTimeoutMS": 5_000,
    "connectTimeoutMS": 5_000,
    "socketTimeoutMS": 60_000,
}
NAMESPACE_EXISTS = 48
# table -> unique columns (the first), then those that are looked up
INDEXES: dict[str, tuple[tuple[str, ...], ...]] = {
    "patient": (("patient_id", "issuer"), ("name",), ("birth_date",)),
    "study": (("uid",), ("patient",), ("date",), ("accession",), ("state",), ("fhir_patient",), ("fhir_order",)),
    "series": (("uid",), ("study",)),
    "instance": (("uid",), ("series",), ("digest",)),
    "event": (("_id",), ("subject",)),
    "job": (("kind", "key"), ("state", "due")),
    "procedure_step": (("uid",),),
    "sent": (("peer", "uid"), ("uid",)),
    "note": (("name",),),
    "workitem": (("uid",), ("state",), ("patient_id",), ("fhir_patient",)),
    "subscription": (("subscriber", "uid"), ("uid",)),
    "workitem_event": (("_id",), ("subscriber",)),
}
NUMBERED = frozenset({"patient", "study", "series", "instance", "event", "job", "workitem", "workitem_event"})

answering = functools.partial(mongodb.answering, "The DICOM index in MongoDB")


def connect(url: str, name: str) -> tuple[MongoClient[Any], Any]:
    """The client and the database; every write is on the journal of a majority. FhirError where it can't be used."""
    try:
        given = {key: value for key, value in OPTIONS.items() if f"{key.lower()}=" not in url.lower()}
        client: MongoClient[Any] = MongoClient(url, **given)
    except (ConfigurationError, ValueError, TypeError) as problem:
        raise error("value", f"mongodb_url can't be used: {problem}.") from problem
    database = client.get_database(
        name, write_concern=WriteConcern("majority", j=True), read_concern=ReadConcern("majority")
    )
    try:
        with answering():
            prepare(database)
    except BaseException:
        client.close()
        raise
    return client, database


def prepare(database: Any) -> None:
    """Makes collections and indexes where they are missing; as often as one likes, and several at once."""
    found = database[f"{PREFIX}layout"].find_one({"_id": "layout"}) or {}
    if found.get("version", 0) > LAYOUT:
        raise error("unavailable", "The DICOM index in MongoDB was made by a newer version of this program.")
    if found.get("version") == LAYOUT:
        return
    for table, (unique, *others) in INDEXES.items():
        try:
            database.create_collection(PREFIX + table)
        except (CollectionInvalid, OperationFailure) as problem:
            if isinstance(problem, OperationFailure) and problem.code != NAMESPACE_EXISTS:
                raise
        models = [IndexModel([(column, ASCENDING) for column in columns]) for columns in others]
        if unique != ("_id",):
            models.append(IndexModel([(column, ASCENDING) for column in unique], unique=True))
        if models:
            database[PREFIX + table].create_indexes(models)
    for table in NUMBERED:
        database[f"{PREFIX}numbers"].update_one({"_id": table}, {"$setOnInsert": {"last": 0}}, upsert=True)
    database[f"{PREFIX}layout"].update_one({"_id": "layout"}, {"$max": {"version": LAYOUT}}, upsert=True)
