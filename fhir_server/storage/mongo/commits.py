"""Commits: works run beside one another, and what they want to change goes to MongoDB together.

A work reads what is committed and gathers its changes; then one multi-document transaction stores those of several
works, each under the condition that what the work relied on is still so. Where it is not, the work runs again, now with
its resources held in this process, so that of many that want the same each gets its turn. Nobody waits for a lock of
the database, and no transaction is open while anything is computed: they last as long as their writes.

A commit whose outcome can't be told (the connection broke, another primary was elected) is settled by the feed: either
its positions hold its changes, or they are made VOID, after which it can never take place.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from functools import partial
from typing import TypeVar

import structlog
from pymongo.errors import PyMongoError

from fhir_server.core.batching import Batching
from fhir_server.core.errors import error
from fhir_server.core.mongodb import storage_error
from fhir_server.storage.changes.pressure import Pressure
from fhir_server.storage.mongo.changeset import ChangeSet
from fhir_server.storage.mongo.flush import Flush, OvertakenError
from fhir_server.storage.mongo.transaction import MongoTransaction, Surroundings
from fhir_server.storage.mongo.turns import Turns
from fhir_server.storage.mongo.writing import ConflictError, OutrunError

T = TypeVar("T")

TOGETHER = 2  # transactions of this process that are under way at one time,
FILLED = 16  # the second with so many versions: fewer wait for the first, as a transaction costs most by itself,
BRIEFLY = 0.02  # but for so many seconds at most: the first may be large
MOST = 500  # versions in one, unless one work has more
PATIENCE = 30.0  # seconds for a work to come through,
TRIES = 10  # and this often at least it is tried: a large transaction takes seconds, and others go before it
LONGEST_PAUSE = 0.25  # seconds between two tries

log = structlog.get_logger("commits")


class Waiting:
    """A change set that is to be stored; done is told how that went."""

    def __init__(self, changes: ChangeSet) -> None:
        self.changes = changes
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def settle(self, problem: BaseException | None = None) -> None:
        """Says how it went."""
        if self.done.done():
            return
        if problem is None:
            self.done.set_result(None)
        else:
            self.done.set_exception(problem)


class Commits:
    """Runs works and stores what they change; pressure: whether an index keeps up."""

    def __init__(self, around: Surroundings, flush: Flush, pressure: Pressure) -> None:
        self._around = around
        self._flush = flush
        self._pressure = pressure
        self._turns = Turns()
        self._waiting: list[Waiting] = []
        self._busy: set[str] = set()  # what the commits under way touch; no two share anything
        self._tasks: set[asyncio.Task[None]] = set()
        self._batching = Batching(TOGETHER, BRIEFLY, self._filled, self._go_on)

    async def run(self, work: Callable[[MongoTransaction], Awaitable[T]]) -> T:
        """Runs work until its changes are stored; see the port. Where an index is behind it waits before it runs."""
        async with self._pressure.turn():
            return await self._run(work)

    async def _run(self, work: Callable[[MongoTransaction], Awaitable[T]]) -> T:
        deadline = time.monotonic() + PATIENCE
        names: set[str] = set()
        again, pause, tries = False, 0.001, 0
        while True:
            tries += 1
            async with AsyncExitStack() as held:
                await self._turns.enter(held, names)
                transaction = MongoTransaction(self._around, self._flush.floor, careful=bool(names))
                transaction.changes.again = again
                try:
                    result = await work(transaction)
                    if transaction.changes:
                        await self._store(transaction.changes)
                    return result
                except ConflictError as problem:
                    again = again or isinstance(problem, OvertakenError)
                    names |= transaction.changes.touched
                    if isinstance(problem, OutrunError):
                        names.add(problem.key)
            if tries >= TRIES and time.monotonic() > deadline:
                raise error("locked", "Others write the same at this time; try again.", headers={"Retry-After": "1"})
            await asyncio.sleep(pause * random.random())
            pause = min(pause * 2, LONGEST_PAUSE)

    async def close(self) -> None:
        """Waits for what is under way."""
        while self._tasks:
            await asyncio.wait(self._tasks)
        self._batching.close()
        await self._pressure.close()

    async def _store(self, changes: ChangeSet) -> None:
        waiting = Waiting(changes)
        self._waiting.append(waiting)
        self._go_on()
        await waiting.done

    def _go_on(self) -> None:
        while self._waiting and self._batching.may_begin(len(self._tasks)) and (group := self._next_group()):
            names = set().union(*(waiting.changes.touched for waiting in group))
            self._busy |= names
            self._batching.begins()
            task = asyncio.get_running_loop().create_task(self._group(group))
            self._tasks.add(task)
            task.add_done_callback(partial(self._ended, names))

    def _filled(self) -> bool:
        return sum(waiting.changes.positions for waiting in self._waiting) >= FILLED

    def _ended(self, names: set[str], task: asyncio.Task[None]) -> None:
        self._busy -= names
        self._tasks.discard(task)
        self._go_on()

    def _next_group(self) -> list[Waiting]:
        """Those that wait and don't disturb one another; of two that do the later one has read too early.

        Who relies on what a commit that is under way relies on too waits for its end: MongoDB would have them conflict.
        """
        group: list[Waiting] = []
        changed: set[str] = set()
        touched: set[str] = set()
        guards: dict[str, int] = {}
        later: list[Waiting] = []
        size = 0
        while self._waiting:
            if group and size + self._waiting[0].changes.positions > MOST:
                break
            waiting = self._waiting.pop(0)
            changes = waiting.changes
            if not self._busy.isdisjoint(changes.touched):
                later.append(waiting)
                continue
            if not changed.isdisjoint(changes.touched) or not touched.isdisjoint(changes.changed):
                waiting.settle(ConflictError())
                continue
            if any(guards.get(key, number) != number for key, number in changes.guards.items()):
                waiting.settle(ConflictError())
                continue
            changed |= changes.changed
            touched |= changes.touched
            guards |= changes.guards
            size += changes.positions
            group.append(waiting)
        self._waiting[:0] = later
        return group

    async def _group(self, group: list[Waiting]) -> None:
        try:
            self._pressure.stored(await self._flush.store([waiting.changes for waiting in group]))
        except OvertakenError:
            once_more = [waiting for waiting in group if waiting.changes.again]
            for waiting in group:
                if not waiting.changes.again:
                    waiting.settle(OvertakenError())
            if once_more:  # these have heard of the feed's moment and need not run a third time
                await self._group(once_more)
        except ConflictError as problem:
            if len(group) == 1:
                group[0].settle(problem)
            else:
                await asyncio.gather(*(self._group([waiting]) for waiting in group))
        except PyMongoError as problem:
            for waiting in group:
                waiting.settle(storage_error(problem))
        except BaseException as problem:
            for waiting in group:
                waiting.settle(problem)
            if not isinstance(problem, Exception):
                raise
        else:
            for waiting in group:
                waiting.settle()
