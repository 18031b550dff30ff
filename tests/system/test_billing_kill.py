"""A started server is killed (-9) while payments and an 835 are posted: after the restart each is posted once."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx

from tests.system.billing import Desk
from tests.system.process import hms, serving

RECEIPTS = [f"R{number}" for number in range(30)]


def test_what_was_acknowledged_is_posted_once_after_a_kill(tmp_path: Path):
    taken: set[str] = set()
    enough = threading.Event()

    def pay(desk: Desk, receipt: str) -> None:
        try:
            answer = desk.http.post("patients/anna/payments", json={"receipt": receipt, "amount": "1.00"})
        except httpx.HTTPError:
            return
        if answer.status_code in (200, 201):
            taken.add(receipt)
        if len(taken) >= 5:
            enough.set()

    with serving(tmp_path, "--subsystems", "billing") as server:
        desk = Desk(server)
        desk.open()
        text = desk.remittance(desk.sent())
        with ThreadPoolExecutor(4) as pool:
            paying = [pool.submit(pay, desk, receipt) for receipt in RECEIPTS]
            enough.wait(60)
            assert desk.post("files", content=text)["problems"] == []
            server.kill()
            for each in paying:
                each.result()
    assert len(taken) >= 5
    with serving(tmp_path, "--subsystems", "billing") as server:
        desk = Desk(server)
        desk.until(
            lambda: [each["state"] for each in desk.get("files")["files"]][:1] == ["posted"] and desk.caught_up()
        )
        known = {each["receipt"] for each in desk.get("payments")["payments"]}
        assert taken <= known
        assert desk.account("cash") == 15049 + 100 * len(known)
        for receipt in RECEIPTS:
            pay(desk, receipt)
        said = hms("billing", "pay", "anna", "1.00", "--receipt", "R0", "--server", server.base)
        assert "was posted before" in said
        said = hms("billing", "pay", "anna", "2.50", "--receipt", "BY-COMMAND", "--server", server.base)
        assert "posted" in said and "before" not in said  # to the bill, or kept as a credit where that is paid
        assert taken == set(RECEIPTS) and desk.account("cash") == 15049 + 100 * len(RECEIPTS) + 250
        assert desk.get("trial-balance")["sum"] == 0
