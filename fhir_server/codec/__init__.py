"""Between bytes and plain dicts: JSON and XML without loss, formats, references, and the subsets of _summary."""
