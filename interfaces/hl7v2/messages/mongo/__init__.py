"""The message store in MongoDB, for servers on several machines."""

from interfaces.hl7v2.messages.mongo.store import open_store

__all__ = ["open_store"]
