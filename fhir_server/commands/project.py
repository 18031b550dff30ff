"""hms project: feeds Elasticsearch from the change feed, in a process of its own."""

from __future__ import annotations

import asyncio
import signal
import sys

from fhir_server.commands.options import Config, Data
from fhir_server.core.configuration import load
from fhir_server.core.errors import error
from fhir_server.core.settings import Settings


def project(data: Data = None, config: Config = None) -> None:
    """Feed Elasticsearch from the change feed until stopped; for servers whose `projecting` is false.

    Several may run: as many as `projectors` says share the work, the others take up within seconds what one leaves.
    """
    settings = load({"data": data, "projecting": True}, config=config)
    if not settings.elasticsearch_url:
        raise error("value", "There is no search index to feed: set mongodb_url and elasticsearch_url.")
    asyncio.run(_project(settings))


async def _project(settings: Settings) -> None:
    from fhir_server.commands.opening import store
    from fhir_server.core.garbage import tune
    from fhir_server.core.logs import configure

    configure(settings)
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    async with store(settings, existing=False, lasting=True):  # it may be started before the servers
        tune()
        print("Feeding the search index from the change feed.", file=sys.stderr, flush=True)
        await stopped.wait()
