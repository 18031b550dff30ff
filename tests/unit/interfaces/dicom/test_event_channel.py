"""A channel that ends in the middle: what was told is not told again."""

from __future__ import annotations

import asyncio

from interfaces.dicom.web.event_channel import finished


def test_what_was_begun_is_done_where_the_channel_ends_meanwhile():
    async def run() -> tuple[list[str], bool]:
        begun, done = asyncio.Event(), []

        async def removing() -> None:
            begun.set()
            await asyncio.sleep(0.01)
            done.append("removed")

        telling = asyncio.create_task(finished(removing()))
        await begun.wait()
        telling.cancel()
        await asyncio.wait([telling])
        return done, telling.cancelled()

    assert asyncio.run(run()) == (["removed"], True)
