"""The store of code systems, value sets and concept maps, in SQLite: a file, or memory for what few requests need."""
