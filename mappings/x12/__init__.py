"""X12 005010 as tables: transaction sets, their loops, segments, elements and codes (tables/README.md)."""
