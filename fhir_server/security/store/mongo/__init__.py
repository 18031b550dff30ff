"""`AccountStore` and `Emergencies` in MongoDB."""

from fhir_server.security.store.mongo.accounts import MongoAccounts
from fhir_server.security.store.mongo.emergencies import MongoEmergencies

__all__ = ["MongoAccounts", "MongoEmergencies"]
