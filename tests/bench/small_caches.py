"""`python -m tests.bench.small_caches serve …`: hms whose caches are small, so that what still grows is no cache.

Processes that are started afresh read this module too, and make theirs small.
"""

from __future__ import annotations

from fhir_server.cli import main
from fhir_server.storage.sqlite import dictionaries
from interfaces.dicom.archive.sqlite import database

dictionaries.CACHE_LIMIT = 2000
database.CACHE_MB = 1

if __name__ == "__main__":
    main()
