"""A desk of billing at a started server: the hospital of the unit tests, by HTTP only."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import httpx

from fhir_server.codec.json import serialize
from interfaces.x12.remittances import write_remittance
from interfaces.x12.shapes import ClaimAnswer, Envelope, Remittance
from tests.system.process import Server
from tests.unit.subsystems.billing.story import PAYEE, PAYER, answer, hospital

SECONDS = 60


class Desk:
    """Calls by paths below /billing/."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.http = httpx.Client(base_url=f"{server.origin}/billing/", timeout=SECONDS)

    def open(self) -> None:
        """Stores the hospital with a visit to bill, and waits until billing knows them."""
        entries = [
            {"resource": each, "request": {"method": "PUT", "url": f"{each['resourceType']}/{each['id']}"}}
            for each in hospital()
        ]
        bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
        headers = {"content-type": "application/fhir+json"}
        answer = httpx.post(self.server.base, content=serialize(bundle), headers=headers, timeout=SECONDS)
        assert answer.status_code == 200, answer.text
        self.until(lambda: [each["charges"] for each in self.get("encounters")["encounters"]] == [2])

    def sent(self) -> str:
        """The 837 of the visit's claim."""
        self.post("encounters/visit/claim")
        self.until(lambda: self.get("claims")["claims"])
        return self.post("send", receiver="CLEAR1", usage="T")["files"][0]["text"]

    def remittance(self, sent: str, said: Callable[[str], ClaimAnswer] = answer, control: int = 101) -> str:
        """An 835 that answers the first claim of an 837."""
        found = said(sent)
        made = Remittance(PAYER, PAYEE, found.paid, f"CHK{control}", "20261120", (found,))
        return write_remittance(made, Envelope("BLUE", "HOSP1", control, "20261120", "0900"))

    def get(self, path: str) -> Any:
        answer = self.http.get(path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, path: str, **fields: str) -> Any:
        answer = self.http.post(path, json=fields)
        assert answer.status_code in (200, 201, 202), answer.text
        return answer.json()

    def account(self, name: str) -> int:
        """The balance of an account in cents."""
        return next((each["balance"] for each in self.get("trial-balance")["accounts"] if each["account"] == name), 0)

    def caught_up(self) -> bool:
        """Whether billing has taken in all of the feed."""
        state = self.get("state")
        return state["position"] == state["head"] and not state["problem"]

    def until(self, look: Callable[[], Any]) -> Any:
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            if found := look():
                return found
            time.sleep(0.05)
        raise AssertionError(f"It did not come about; billing says {self.get('state')}")
