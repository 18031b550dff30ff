"""Points in time are shared by searches that may see the same, and none is left open."""

from __future__ import annotations

from fhir_server.storage.elastic.points import MOST_AGE, Points


class Held:
    """A clock that stands still."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_searches_share_a_point_while_nothing_new_is_needed(shelf, loop):
    name, clock = shelf.generation.name, Held()
    points = Points(loop.client, clock)

    async def work():
        async with points.at(name, 5) as first, points.at(name, 3) as second:
            assert first is second
        async with points.at(name, 5) as third:
            assert third is first, "it is kept for whoever comes"
        async with points.at(name, 5) as old, points.at(name, 6) as newer:
            assert newer is not old, "what was committed since must be seen"
        clock.now += MOST_AGE
        async with points.at(name, 6) as fresh:
            assert fresh is not newer
        assert await open_points(loop.client, name) == 1
        await points.close()
        assert await open_points(loop.client, name) == 0

    loop.run(work())


async def open_points(client, name):
    stats = await client.indices.stats(index=name, metric="search")
    return stats["_all"]["primaries"]["search"]["open_contexts"]
