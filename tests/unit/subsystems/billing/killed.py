"""A process that posts and is killed (-9) in the middle: `python -m … FOLDER WHAT SQL NUMBER`, the rest on its input.

It dies where billing's tables are about to run the statement that begins with SQL for the NUMBERth time; with FHIR in
the place of SQL just before the server is asked to store anything.
"""

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import NoReturn

from fhir_server import bootstrap
from fhir_server.core.settings import Settings
from fhir_server.subsystems.billing import actions, desk, paying
from fhir_server.subsystems.billing.desk import Desk
from fhir_server.subsystems.billing.service import Billing
from fhir_server.subsystems.subsystem import settle
from tests.unit.subsystems.billing.story import NOW, folder


def die(*_: object, **__: object) -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("it lives")


def die_at(billing: Billing, sql: str, number: int) -> None:
    seen = [0]

    def look(statement: str) -> None:
        seen[0] += statement.startswith(sql)
        if seen[0] == number:
            die()

    billing.store._writer.set_trace_callback(look)


async def post(data: Path, what: str, sql: str, number: int, content: str) -> None:
    application = bootstrap.application(Settings(data=data / "data"))
    async with application.running() as server:
        billing = Billing(folder(data))
        if sql == "FHIR":
            desk.put_all = actions.put_all = die  # type: ignore[assignment]
        die_at(billing, sql, number)
        if what == "payment":
            await paying.pay(Desk(billing, server, NOW), "Patient/anna", "R1", 5000)
        else:
            await actions.load(billing, server, content.encode(), NOW, "Berta")
        await settle(server, billing, NOW)


if __name__ == "__main__":
    asyncio.run(post(Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4]), sys.stdin.read()))
