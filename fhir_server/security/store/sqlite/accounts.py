"""The store as a whole."""

from __future__ import annotations

from fhir_server.security.store.sqlite.grants import Grants
from fhir_server.security.store.sqlite.people import People
from fhir_server.security.store.sqlite.waiting import Waiting

FILE_NAME = "security.sqlite"


class SqliteAccounts(People, Grants, Waiting):
    """Users, clients and grants in one file that several workers share."""
