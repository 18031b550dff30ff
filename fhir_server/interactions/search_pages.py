"""All that a query finds, page by page."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

from fhir_server.core.ports import SearchIndex
from fhir_server.core.query import Page, Query


async def search_pages(index: SearchIndex, query: Query) -> AsyncIterator[Page]:
    """The pages from the query's own on, each searched for when it is asked for."""
    while True:
        page = await index.search(query)
        yield page
        if not page.next:
            return
        query = replace(query, cursor=page.next)
