"""Index values made anew from stored resources, along the change feed: resumable, beside live traffic."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import partial

from fhir_server.codec.json import decode
from fhir_server.core.ports import Transaction
from fhir_server.interactions.environment import Environment

PAGE = 200  # changes in one commit
LARGE_ONES = 20  # resources in one commit where they may be large


async def reindex_page(environment: Environment, after: int, types: Collection[str] | None = None) -> int:
    """Indexes the resources whose newest version is among the next changes; returns the position reached.

    types: only these, None for all. The position is `after` again where the feed has nothing more.
    """
    changes = await environment.feed.changes(after, PAGE)
    if not changes:
        return after
    stored = [c for c in changes if c.method not in ("DELETE", "ERASE") and (types is None or c.type in types)]
    keys = list(dict.fromkeys((c.type, c.id) for c in stored))
    together = LARGE_ONES if any(type == "Binary" for type, _ in keys) else PAGE
    for start in range(0, len(keys), together):
        some = keys[start : start + together]
        await environment.store.commit(partial(_reindex, environment, some, after, changes[-1].seq))
    return changes[-1].seq


async def _reindex(
    environment: Environment, keys: Collection[tuple[str, str]], after: int, until: int, transaction: Transaction
) -> None:
    searching = await environment.searching_in(transaction)
    await transaction.prefetch(keys)
    for type, id in keys:
        head = await transaction.read(type, id)
        if head is not None and not head.deleted and after < head.seq <= until:
            await transaction.reindex(type, id, searching.extract(decode(head.body)))


async def reindex_all(environment: Environment, progress: Callable[[int, int], None] = lambda done, of: None) -> int:
    """Indexes everything from the feed's start; progress(position, head) is told as it goes. Returns the position."""
    head = await environment.feed.head()
    position = 0
    while position < head:
        reached = await reindex_page(environment, position)
        if reached == position:
            break
        position = reached
        progress(position, head)
    return position
