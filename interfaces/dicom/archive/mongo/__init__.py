"""The index in MongoDB, for servers on several machines."""
