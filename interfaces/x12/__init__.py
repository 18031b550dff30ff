"""X12 005010: a lossless reader and writer that know loops, from the tables of mappings/x12 (docs/reference/x12.md)."""
