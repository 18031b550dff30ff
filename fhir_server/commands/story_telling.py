"""How the story is told: each step is asked of the server, waited for, checked and said."""

from __future__ import annotations

import asyncio
import datetime
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from fhir_server.codec.json import serialize
from fhir_server.core.errors import error

if TYPE_CHECKING:
    import httpx

SECONDS = 120  # that a step may take to come about on a slow machine

Json = dict[str, Any]


class Telling:
    """To one server."""

    def __init__(self, server: str) -> None:
        import httpx

        self.server = server
        self._http = httpx.Client(timeout=SECONDS)
        self.today = datetime.date.today()

    def send(self, to: tuple[str, int], message: str) -> None:
        """Sends a message over MLLP; FhirError "conflict" where it is not accepted."""
        from fhir_server.commands.hl7 import accepted_over_mllp

        if not asyncio.run(accepted_over_mllp(message.encode(), *to, SECONDS)):
            raise error("conflict", f"The listener at {to[0]}:{to[1]} did not accept the message.")

    def head(self) -> int:
        """How far the feed is."""
        return self.ask("GET", "fhir/$changes?_count=1")["head"]

    def keep(self, resource: Json) -> None:
        """Stores a resource where there is none with its id."""
        path = f"fhir/{resource['resourceType']}/{resource['id']}"
        if self.seen(path) is None:
            self.ask("PUT", path, resource)

    def seen(self, path: str) -> Json | None:
        """What is at a path, None for nothing yet."""
        answer = self._request("GET", path)
        return answer.json() if answer.status_code == 200 else None

    def ask(self, method: str, path: str, body: Json | None = None) -> Json:
        """The answer of the server; FhirError "conflict" with its reason where it refuses."""
        content = None if body is None else serialize(body)
        headers = {"content-type": "application/fhir+json" if path.startswith("fhir/") else "application/json"}
        answer = self._request(method, path, content=content, headers=headers)
        if answer.status_code >= 400:
            said = answer.json() if "json" in answer.headers.get("content-type", "") else {}
            reason = "; ".join(issue.get("diagnostics", "") for issue in said.get("issue", ()))
            raise error("conflict", f"{method} {path} was answered {answer.status_code}: {reason or answer.text[:200]}")
        return answer.json()

    def _request(self, method: str, path: str, **more: Any) -> httpx.Response:
        import httpx

        try:
            return self._http.request(method, f"{self.server}/{path}", **more)
        except httpx.HTTPError as problem:
            raise error(
                "unavailable", f"No server answers at {self.server}: {problem}. Is it started, and is this its URL?"
            ) from None

    def count(self, search: str) -> int:
        """How many resources a search finds."""
        return self.ask("GET", f"fhir/{search}&_summary=count")["total"]

    def found(self, search: str) -> Json:
        """The first resource that a search finds, once it finds one."""

        def look() -> Json | None:
            entries = self.ask("GET", f"fhir/{search}").get("entry", ())
            return entries[0]["resource"] if entries else None

        return self.until(f"{search} finds something", look)

    def until(self, what: str, look: Callable[[], Any]) -> Any:
        """What look gives, once it gives something."""
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            found = look()
            if found:
                return found
            time.sleep(0.1)
        raise error("conflict", f"It did not come about in {SECONDS} s that {what}.")

    def say(self, what: str, result: str) -> None:
        """Tells a step."""
        print(f"{what:<28} {result}", flush=True)
