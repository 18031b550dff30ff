"""The subsystems that there are. Each package NAME has a module mounted with TITLE, ENDPOINTS and make(settings), and
where files of a site are read, require(settings)."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from fhir_server.core.errors import error
from fhir_server.core.settings import Settings
from fhir_server.subsystems.endpoint import Answer, Call, Endpoint
from fhir_server.subsystems.subsystem import Subsystem

NAMES = ("analytics", "billing", "workforce")
SOCKET_VARIABLE = "ULTIMATE_HMS_SUBSYSTEMS"  # names the Unix socket of their process to the workers of one server


async def _state(follower: Any, call: Call) -> Answer:
    subsystem = follower.subsystem
    position = subsystem.position()
    return Answer({"name": subsystem.name, "position": position, "head": max(await follower.newest(), position),
                   "problem": follower.problem,
                   "rebuilds": follower.rebuilds, "works": follower.works})  # fmt: skip


async def _rebuild(follower: Any, call: Call) -> Answer:
    follower.rebuild()
    return Answer({"rebuilding": True}, status=202)


async def _trace(follower: Any, call: Call) -> Answer:
    from fhir_server.subsystems.tracing import Ways, trace

    links = getattr(follower.subsystem, "links", lambda _: Ways())
    found = await trace(call.client, call.query.get("of", ""), links)
    return Answer({
        "reference": found.reference, "more": found.more,
        "back": [step._asdict() for step in found.back], "forward": [step._asdict() for step in found.forward],
    })  # fmt: skip


# of a Follower (following.py)
OF_EVERY = (
    Endpoint("GET", "/state", "How far it has kept up with the change feed, and why it does not get on", _state),
    Endpoint(
        "GET",
        "/trace",
        "From a resource (of=Type/ID) or a message (of=its control id) back and forward",
        _trace,
        ("of",),
    ),
    Endpoint("POST", "/rebuild", "Drop what it keeps and make it anew from the feed", _rebuild),
)


class Registered(NamedTuple):
    """One subsystem: what people call it, its REST endpoints, and how it is made on a data folder.

    require: FhirError "value" for settings that it could not be made with.
    """

    name: str
    title: str
    endpoints: Sequence[Endpoint]
    make: Callable[[Settings], Subsystem]
    require: Callable[[Settings], None]

    @property
    def package(self) -> str:
        """The Python package, with the folder page of its screen."""
        return f"fhir_server.subsystems.{self.name}"


def registered(name: str) -> Registered:
    """The subsystem of this name; FhirError "value" that names the nearest one."""
    if name not in NAMES:
        near = difflib.get_close_matches(name, NAMES, 1)
        hint = f" Did you mean {near[0]}?" if near else f" There is: {', '.join(NAMES)}."
        raise error("value", f"There is no subsystem {name[:100]}.{hint}")
    module = importlib.import_module(f"fhir_server.subsystems.{name}.mounted")
    require = getattr(module, "require", lambda settings: None)
    return Registered(name, module.TITLE, module.ENDPOINTS, module.make, require)


def chosen(settings: Settings) -> list[Registered]:
    """Those that the settings mount."""
    return [registered(name) for name in dict.fromkeys(settings.subsystems)]
