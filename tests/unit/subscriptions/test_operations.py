"""The operations of the Subscriptions R5 Backport."""

from __future__ import annotations

import pytest

from fhir_server.subscriptions.channels.sockets import MOST_BOUND
from tests.conftest import Fhir, issue_of
from tests.unit.subscriptions.test_refusing import GOOD

pytestmark = pytest.mark.anyio


async def test_a_token_is_for_as_many_as_a_socket_can_have(fhir: Fhir) -> None:
    resource = {**GOOD, "channel": {"type": "websocket"}}
    entry = {"resource": resource, "request": {"method": "POST", "url": "Subscription"}}
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [entry] * (MOST_BOUND + 1)}
    made = (await fhir.post("", bundle)).json()["entry"]
    answer = await fhir.get("Subscription/$get-ws-binding-token")
    assert (answer.status_code, "name some by id" in issue_of(answer)["diagnostics"]) == (422, True)
    named = "&".join(f"id={each['response']['location'].split('/')[-3]}" for each in made[:2])
    answer = await fhir.get(f"Subscription/$get-ws-binding-token?{named}")
    assert [each["name"] for each in answer.json()["parameter"]].count("subscription") == 2
